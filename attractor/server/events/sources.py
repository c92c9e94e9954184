"""The sources of streams, and the way of a reader through a source."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from attractor.base.errors import AttractorError
from attractor.base.json import JsonObject
from attractor.server.events.buffer import (
    DROPPED,
    KEPT,
    EventBuffer,
    EventFilter,
    StreamEvent,
    notice,
    skipped,
)

SENT_BYTES = 1 << 16
"""Waiting events are sent together, up to this size."""


class EventSource(Protocol):
    """A stream of events: the newest in a buffer, all others on the disk."""

    async def begin(self, after: int | None) -> int:
        """Wait for the newest events; return the id of the event before a new reader's first one.

        `after` is the id that the reader names; an id that was never given is refused.
        """
        ...

    async def stop(self) -> None:
        """Stop following."""
        ...

    @property
    def buffer(self) -> EventBuffer:
        """The newest events."""
        ...

    def read(self, after: int) -> Sequence[StreamEvent]:
        """Read some events after an id from the disk; called in a thread."""
        ...


DescribeError = Callable[[AttractorError], JsonObject]
"""Type of a function that returns the record of an error for readers."""


async def follow(
    source: EventSource, after: int, selected: EventFilter, describe: DescribeError
) -> AsyncGenerator[Sequence[StreamEvent]]:
    """Yield the selected events after an id, several at a time, until the stream ends.

    The last ones are notices: `problem` and `end`, or `dropped` if the reader was too slow.
    """
    sent = after
    async with aclosing(_follow(source, after, describe)) as parts:
        async for part in parts:
            last = part[-1].id
            wanted = [one for one in part if selected.wants(one)]
            if not wanted and last - sent >= KEPT:
                wanted = [skipped(last)]
            if wanted:
                sent = last
                yield wanted


async def _follow(
    source: EventSource, after: int, describe: DescribeError
) -> AsyncGenerator[Sequence[StreamEvent]]:
    buffer, was_behind = source.buffer, True
    while True:
        events = buffer.after(after)
        if events is None and not was_behind:
            yield [notice(DROPPED, {"last": after, "reason": "the reader was too slow"})]
            return
        was_behind = events is None
        try:
            if events is None:
                events = await asyncio.to_thread(source.read, after)
        except AttractorError as error:
            yield _farewell(error, after, describe)
            return
        for part in _parts(events):
            yield part
            after = part[-1].id
        if not events:
            if buffer.end is not None:
                yield _farewell(buffer.end, after, describe)
                return
            await buffer.wait()


def _parts(events: Sequence[StreamEvent]) -> Iterator[Sequence[StreamEvent]]:
    """Split events into parts that are sent together."""
    begin = size = 0
    for number, event in enumerate(events, 1):
        size += len(event.frame)
        if size >= SENT_BYTES or number == len(events):
            yield events[begin:number]
            begin, size = number, 0


def _farewell(
    end: AttractorError | JsonObject, last: int, describe: DescribeError
) -> Sequence[StreamEvent]:
    if isinstance(end, AttractorError):
        return [notice("problem", describe(end)), notice("end", {"last": last})]
    return [notice("end", {**end, "last": last})]


S = TypeVar("S", bound=EventSource)


class Sources(Generic[S]):
    """The sources with readers: the first reader starts a source, the last one stops it."""

    def __init__(self, start: Callable[[Path], S]) -> None:
        self._start = start
        self._started: dict[Path, S] = {}
        self._readers: dict[Path, int] = {}

    @asynccontextmanager
    async def watch(self, folder: Path) -> AsyncGenerator[S]:
        """Yield the source of a folder."""
        source = self._started.get(folder) or self._start(folder)
        self._started[folder] = source
        self._readers[folder] = self._readers.get(folder, 0) + 1
        try:
            yield source
        finally:
            self._readers[folder] -= 1
            if not self._readers[folder]:
                del self._readers[folder], self._started[folder]
                await source.stop()

    def __len__(self) -> int:
        """Return the number of sources with readers."""
        return len(self._started)
