"""The live stream of the events of all runs of a project."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.files import file_error
from attractor.server.events.buffer import EventBuffer, StreamEvent
from attractor.server.events.feed_store import FeedStore

POLL_S = 0.2
"""The pause between two searches for new events."""


class Feed:
    """Follows all runs in a folder."""

    def __init__(self, folder: Path, state_dir: Path) -> None:
        self.buffer = EventBuffer(0)
        self._folder = folder
        self._open = partial(FeedStore, folder, state_dir)
        self._store: FeedStore | None = None
        self._begun = asyncio.Event()
        self._work = asyncio.create_task(self._run())

    @property
    def is_over(self) -> bool:
        """Whether no more events will come."""
        return self._work.done()

    async def begin(self, after: int | None) -> int:
        """Wait until all runs were looked at; return the given number (default: the newest)."""
        await self._begun.wait()
        if isinstance(self.buffer.end, AttractorError):
            raise self.buffer.end
        if after is None or self._store is None:
            return self.buffer.last
        await asyncio.to_thread(self._store.require_known, after)
        return after

    def read(self, after: int) -> Sequence[StreamEvent]:
        """Read some events after a number from the journals."""
        return self._store.read(after) if self._store else ()

    async def stop(self) -> None:
        """Stop following."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    async def _run(self) -> None:
        try:
            store = self._store = await asyncio.to_thread(self._open)
            await asyncio.to_thread(store.fill, is_full=True)
            self.buffer = EventBuffer(store.last)
            self._begun.set()
            while True:
                await asyncio.to_thread(store.fill)
                while events := await asyncio.to_thread(store.read, self.buffer.last):
                    self.buffer.publish(events)
                await asyncio.sleep(POLL_S)
        except AttractorError as error:
            self.buffer.close(error)
        except OSError as cause:
            self.buffer.close(file_error("read", self._folder, cause))
        finally:
            self._begun.set()
            if self._store:
                await asyncio.to_thread(self._store.close)
