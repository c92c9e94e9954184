"""The client of those who name none (2.5): the one that was set, else one of the environment."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping

from attractor import __environ__
from attractor.llm.client import Client


class DefaultClient:
    """Keeps the client that was set, and for each event loop one that was made for want of it.

    Connections belong to the event loop they were opened in. A client that is made here lives as
    long as its loop: when that ends it closes what it has opened.
    """

    def __init__(self, environ: Callable[[], Mapping[str, str]]) -> None:
        self.chosen: Client | None = None
        self._environ = environ
        self._made: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncGenerator[Client]]] = {}

    async def find(self) -> Client:
        """Return the client of the loop that runs here."""
        if self.chosen is not None:
            return self.chosen
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            life = self._live(loop)
            self._made[loop] = await anext(life), life
        return self._made[loop][0]

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Client]:
        """Live until the loop ends, which closes every generator that is still open."""
        client = Client.from_env(self._environ())
        try:
            yield client
        finally:
            del self._made[loop]
            await client.close()


_DEFAULT = DefaultClient(__environ__)


def set_default_client(client: Client | None) -> None:
    """Set the client of those who name none; with None it is made of the environment again.

    Whoever made it closes it.
    """
    _DEFAULT.chosen = client


def get_default_client() -> Client | None:
    """Return the client that was set, None when it is made of the environment."""
    return _DEFAULT.chosen


async def find_client(client: Client | None = None) -> Client:
    """Return the client to ask: the one that is named, else the default."""
    return await _DEFAULT.find() if client is None else client
