"""The client of those who name none (2.5): the one that was set, else one of the environment."""

from collections.abc import Callable

from attractor.llm.client import Client
from attractor.llm.per_loop import PerLoop


class DefaultClient:
    """Keeps the client that was set, and for each event loop one that was made for want of it."""

    def __init__(self, make: Callable[[], Client] = Client.from_env) -> None:
        self.chosen: Client | None = None
        self._made = PerLoop(make, Client.close)

    async def find(self) -> Client:
        """Return the client of the loop that runs here."""
        return await self._made.find() if self.chosen is None else self.chosen


_DEFAULT = DefaultClient()


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
