"""The newest events of a stream, which all readers of the stream share.

An event is encoded once, however many readers there are. A reader has no queue of its own, only
the id of its last event, so a reader that stops reading costs nothing. If it falls behind the
buffer, it is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.json import JsonObject, canonical_json

KEPT = 1000
"""The number of events in a buffer."""

KEPT_BYTES = 8 << 20
"""The maximum size of a buffer; its newest event is kept even if it is larger."""


DROPPED = "dropped"
"""The notice to a reader that was too slow."""


PROCESS = "process"
"""The notice that a process took or left the run."""


@dataclass(frozen=True)
class StreamEvent:
    """One event as readers receive it; `id` is 0 for a notice of the server.

    `content` is the record of the event as JSON, and `frame` the event as a server-sent event.
    """

    id: int
    type: str
    node: str
    content: bytes
    frame: bytes


def stream_event(id_: int, type_: str, content: bytes, *, node: str = "") -> StreamEvent:
    """Return an event with its frame; the content is one line."""
    number = b"id: %d\n" % id_ if id_ else b""
    # A custom handler chooses the types of its events.
    name = " ".join(type_.splitlines()).encode()
    frame = b"%sevent: %s\ndata: %s\n\n" % (number, name, content)
    return StreamEvent(id_, type_, node, content, frame)


def notice(type_: str, record: JsonObject) -> StreamEvent:
    """Return a notice of the server to its readers."""
    return stream_event(0, type_, canonical_json(record).encode())


DescribeError = Callable[[AttractorError], JsonObject]
"""Type of a function that returns the record of an error for readers."""


def skipped(id_: int) -> StreamEvent:
    """Return a notice that many events up to an id were not selected: readers resume after it."""
    return stream_event(id_, "skipped", b"{}")


@dataclass(frozen=True)
class EventFilter:
    """The events that a reader wants: by type and node (default: all).

    `wants_process`: also the notices about the process of the run.
    """

    types: frozenset[str] = frozenset()
    node: str = ""
    wants_process: bool = False

    def wants(self, event: StreamEvent) -> bool:
        """Return whether a reader gets an event; every reader gets the other notices."""
        if event.type == PROCESS and not event.id:
            return self.wants_process
        is_selected = not self.types or event.type in self.types
        return not event.id or (is_selected and self.node in ("", event.node))


class EventBuffer:
    """The newest events of one stream; belongs to one event loop.

    `floor` is the id of the event before the oldest event of the buffer. `process` is the last
    notice about the process of a run.
    """

    def __init__(self, floor: int) -> None:
        self.floor = floor
        self.last = floor
        self.end: AttractorError | JsonObject | None = None
        self.process: StreamEvent | None = None
        self._events: deque[StreamEvent] = deque()
        self._size = 0
        self._changed = asyncio.Event()

    def publish(self, events: Iterable[StreamEvent]) -> None:
        """Append events, and wake up all readers."""
        for event in events:
            self._events.append(event)
            self._size += len(event.frame)
            self.last = event.id
        while len(self._events) > KEPT or (self._size > KEPT_BYTES and len(self._events) > 1):
            oldest = self._events.popleft()
            self._size -= len(oldest.frame)
            self.floor = oldest.id
        self._wake()

    def note_process(self, *, is_live: bool) -> None:
        """Tell the readers whether a process holds the run, if that changed."""
        found = notice(PROCESS, {"live": is_live})
        if found != self.process:
            self.process = found
            self._wake()

    def close(self, end: AttractorError | JsonObject) -> None:
        """Let the readers finish, with a record of the end or an error."""
        self.end = end
        self._wake()

    def after(self, id_: int) -> Sequence[StreamEvent] | None:
        """Return the events after an id; None if some of them are no longer in the buffer."""
        if id_ < self.floor:
            return None
        found: list[StreamEvent] = []
        for event in reversed(self._events):
            if event.id <= id_:
                break
            found.append(event)
        return found[::-1]

    async def wait(self) -> None:
        """Wait until the buffer has new events or is closed."""
        await self._changed.wait()

    def _wake(self) -> None:
        before, self._changed = self._changed, asyncio.Event()
        before.set()
