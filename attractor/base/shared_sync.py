"""One sync of the disk for all who wait for one at the same time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class SharedSync:
    """Syncs in a thread; who asks while a sync is at work shares the next one with others.

    What was written before asking is on the disk when the asking returns.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Wait until all that was written before is on the disk, or raise what keeps it from it."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
        # Whoever stops waiting leaves the sync to the others.
        await asyncio.shield(self._next)

    async def _after(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            # Its failure was told to those who waited for it; ours would fail too.
            with suppress(Exception):
                await asyncio.shield(before)
        self._current, self._next = self._next, None
        await asyncio.to_thread(self._sync)
