"""The event streams of a server: their sources, readers, and the limit of open streams."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from attractor.base.errors import AttractorError
from attractor.base.json import JsonObject
from attractor.server.errors import TooManyRequests
from attractor.server.events.buffer import (
    DROPPED,
    KEPT,
    DescribeError,
    EventBuffer,
    EventFilter,
    StreamEvent,
    notice,
    skipped,
)
from attractor.server.events.feed import Feed
from attractor.server.events.tails import Tail
from attractor.server.events.worlds import WorldsSource

SENT_BYTES = 1 << 16
"""Waiting events are sent together, up to this size."""


class Source(Protocol):
    """Something that is followed as long as it has readers."""

    @property
    def is_over(self) -> bool:
        """Whether no more events will come."""
        ...

    async def stop(self) -> None:
        """Stop following."""
        ...


class EventSource(Source, Protocol):
    """A stream of events: the newest in a buffer, all others on the disk."""

    async def begin(self, after: int | None) -> int:
        """Wait for the newest events; return the id of the event before a new reader's first one.

        `after` is the id that the reader names; an id that was never given is refused.
        """
        ...

    @property
    def buffer(self) -> EventBuffer:
        """The newest events."""
        ...

    def read(self, after: int) -> Sequence[StreamEvent]:
        """Read some events after an id from the disk; called in a thread."""
        ...


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
                sent = last or sent
                yield wanted


async def _follow(
    source: EventSource, after: int, describe: DescribeError
) -> AsyncGenerator[Sequence[StreamEvent]]:
    buffer, was_behind = source.buffer, True
    process: StreamEvent | None = None
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
            yield _end_notices(error, after, describe)
            return
        # The events that a process wrote before it ended come before the notice of its end.
        before, process = process, process if events else buffer.process
        for part in _parts(events or _changed(before, process)):
            yield part
            after = part[-1].id or after
        if not events:
            if buffer.end is not None:
                yield _end_notices(buffer.end, after, describe)
                return
            await buffer.wait()


def _changed(before: StreamEvent | None, now: StreamEvent | None) -> Sequence[StreamEvent]:
    return [now] if now and now != before else []


def _parts(events: Sequence[StreamEvent]) -> Iterator[Sequence[StreamEvent]]:
    """Split events into parts that are sent together."""
    begin = size = 0
    for number, event in enumerate(events, 1):
        size += len(event.frame)
        if size >= SENT_BYTES or number == len(events):
            yield events[begin:number]
            begin, size = number, 0


def _end_notices(
    end: AttractorError | JsonObject, last: int, describe: DescribeError
) -> Sequence[StreamEvent]:
    if isinstance(end, AttractorError):
        return [notice("problem", describe(end)), notice("end", {"last": last})]
    return [notice("end", {**end, "last": last})]


S = TypeVar("S", bound=Source)


class Sources(Generic[S]):
    """The sources with readers: the first reader starts a source, the last one stops it.

    A source without readers is kept for `linger_s`, for readers that come back.
    """

    def __init__(self, start: Callable[[Path], S], *, linger_s: float = 0) -> None:
        self._start = start
        self._linger_s = linger_s
        self._started: dict[Path, S] = {}
        self._readers = Counter[S]()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    @asynccontextmanager
    async def watch(self, folder: Path) -> AsyncGenerator[S]:
        """Yield the source of a folder; a source that has ended is started again."""
        source = self._started.get(folder)
        if source is None or source.is_over:
            source = self._started[folder] = self._start(folder)
        self._readers[source] += 1
        try:
            yield source
        finally:
            self._readers[source] -= 1
            task = asyncio.create_task(self._leave(folder, source))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _leave(self, folder: Path, source: S) -> None:
        """Stop a source that has no readers, after a while."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), self._linger_s)
        if self._readers[source]:
            return
        if self._started.get(folder) is source:
            del self._started[folder]
        if source in self._readers:
            del self._readers[source]
            await source.stop()

    async def close(self) -> None:
        """Stop the sources without readers now, at the end of the server."""
        self._closed.set()
        await asyncio.gather(*self._leaving)

    def __len__(self) -> int:
        """Return the number of sources that are followed."""
        return len(self._started)


LINGER_S = 30
"""How long the feed is kept without readers: to start it with 100,000 runs takes a second."""

MAX_STREAMS, MAX_STREAMS_EACH = 1024, 256
"""The maximum number of open streams: in all, and of one caller."""


class EventStreams:
    """The sources of all streams, and the open streams of each caller."""

    def __init__(self, state_dir: Path, environ: Mapping[str, str]) -> None:
        self.tails = Sources(Tail)
        self.feeds = Sources(lambda folder: Feed(folder, state_dir), linger_s=LINGER_S)
        self.worlds = Sources(lambda state: WorldsSource(state, environ))
        self._open = Counter[str]()

    def __len__(self) -> int:
        """Return the number of open streams."""
        return self._open.total()

    async def close(self) -> None:
        """Stop all sources without readers, at the end of the server."""
        await self.tails.close()
        await self.feeds.close()
        await self.worlds.close()

    @contextmanager
    def hold(self, caller: str) -> Generator[None]:
        """Count a stream of a caller until the block ends; refuse too many streams."""
        if self._open[caller] >= MAX_STREAMS_EACH or len(self) >= MAX_STREAMS:
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
