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
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    async def find(self) -> T:
        """Return the one of the loop that runs here."""
        loop = asyncio.get_running_loop()
        if loop not in self._ends:
            self._ends[loop] = self._until_the_end(loop)
            await anext(self._ends[loop])
        if loop not in self._made:
            self._made[loop] = self._make()
        return self._made[loop]

    async def close(self) -> None:
        """Close the one of the loop that runs here; who asks again gets a new one."""
        # Not by its generator: when the loop ends, who is closed may close others that way too.
        made = self._made.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await self._close(made)

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        """Wait for the end of the loop, which closes every generator that is still open."""
        try:
            yield
        finally:
            del self._ends[loop]
            await self.close()
