"""Keeps what belongs to one event loop, such as connections, for as long as that loop runs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes one thing for each event loop that asks for it, and closes it when the loop ends."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._lives: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[T]]] = {}

    async def find(self) -> T:
        """Return the one of the loop that runs here."""
        loop = asyncio.get_running_loop()
        if loop not in self._lives:
            life = self._live(loop)
            self._lives[loop] = await anext(life), life
        return self._lives[loop][0]

    async def close(self) -> None:
        """Close the one of the loop that runs here; who asks again gets a new one."""
        found = self._lives.get(asyncio.get_running_loop())
        if found is not None:
            await found[1].aclose()

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T]:
        """Live until it is closed or the loop ends, which closes every generator still open."""
        made = self._make()
        try:
            yield made
        finally:
            del self._lives[loop]
            await self._close(made)
