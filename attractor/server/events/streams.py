"""The event streams of a server: per run, and of all runs; with a limit of open streams."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attractor.server.errors import TooManyRequests
from attractor.server.events.feed import Feed
from attractor.server.events.sources import Sources
from attractor.server.events.tails import Tail

LINGER_S = 30
"""How long the feed is kept without readers: to start it with 100,000 runs takes a second."""

MOST, MOST_EACH = 1024, 256
"""The maximum number of open streams: in all, and of one caller."""


class EventStreams:
    """The sources of all streams, and the open streams of each caller."""

    def __init__(self, state_dir: Path) -> None:
        self.tails = Sources(Tail)
        self.feeds = Sources(lambda folder: Feed(folder, state_dir), linger_s=LINGER_S)
        self._open = Counter[str]()

    def __len__(self) -> int:
        """Return the number of open streams."""
        return self._open.total()

    async def close(self) -> None:
        """Stop all sources without readers, at the end of the server."""
        await self.tails.close()
        await self.feeds.close()

    @contextmanager
    def hold(self, caller: str) -> Generator[None]:
        """Count a stream of a caller until the block ends; refuse too many streams."""
        if self._open[caller] >= MOST_EACH or len(self) >= MOST:
            raise TooManyRequests(
                f"{caller} has {self._open[caller]} open event streams, and all callers "
                f"{len(self)}",
                hint="close streams that are not needed, then try again",
            )
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]
