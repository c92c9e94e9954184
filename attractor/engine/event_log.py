"""The journal of a run: every event, chained, without secrets, and handed to whoever watches."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import RLock

from attractor.base.broadcast import Broadcast, Missed, Stream, Subscription
from attractor.base.clock import Clock
from attractor.base.errors import NotCanonical
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, Head, Link, seal
from attractor.base.journal import Journal, TornLine
from attractor.base.json import JsonObject
from attractor.engine.events import NO_PLACE, Place
from attractor.engine.secrets import Redactor


class EventLog:
    """The one writer of `events.jsonl`; threads may share it."""

    def __init__(self, path: Path, *, run_id: str, clock: Clock, redactor: Redactor) -> None:
        self._run_id = run_id
        self._clock = clock
        self._redactor = redactor
        self._broadcast = Broadcast[Event]()
        self._lock = RLock()
        self._journal = Journal.open(path)
        self._head = GENESIS

    @property
    def torn(self) -> TornLine | None:
        """What a writer that died left of a line; it was cut off on opening."""
        return self._journal.torn

    @property
    def head(self) -> Head:
        """Where the chain ends."""
        return self._head

    @property
    def offset(self) -> int:
        """The byte after the last line."""
        return self._journal.offset

    def go_on_from(self, head: Head) -> None:
        """Set where the chain ends: what the lines there were verified to."""
        self._head = head

    def append(
        self,
        kind: str,
        data: JsonObject,
        *,
        place: Place = NO_PLACE,
        sync: bool = False,
        is_plain: bool = False,
    ) -> Event:
        """Write one event; without `sync` a power failure may lose it until the next sync.

        Data that is known to be plain JSON is not checked for that.
        """
        with self._lock:
            event = Event(
                time=self._clock.now(),
                run_id=self._run_id,
                type=kind,
                node=place.node,
                visit=place.visit,
                attempt=place.attempt,
                branch=place.branch,
                data=dict(data),
            )
            event, link = self._sealed(event, is_plain=is_plain)
            self._journal.append(link.line, sync=sync)
            before, self._head = self._head, link.head
            sealed = event.sealed(link.head.seq, prev=before.hash, own=link.head.hash)
            self._broadcast.publish(sealed)
            return sealed

    def _sealed(self, event: Event, *, is_plain: bool) -> tuple[Event, Link]:
        """Chain an event; secrets are looked for in the line as it would be written."""
        try:
            link = seal(event.to_record(), self._head, is_plain=is_plain)
        except NotCanonical:
            link = None
        if link is None or self._redactor.finds_in(link.line):
            event = replace(event, data=self._redactor.members(event.data))
            link = seal(event.to_record(), self._head)
        return event, link

    def sync(self) -> None:
        """Make all events last through a power failure; others may be written meanwhile."""
        self._journal.sync()

    def subscribe(self, callback: Callable[[Event | Missed], None]) -> Subscription[Event]:
        """Call back for each event from now on."""
        return self._broadcast.subscribe(callback)

    def stream(self) -> Stream[Event]:
        """Return an async iterator over the events from now on."""
        return self._broadcast.stream()

    def close(self) -> None:
        """Let another process write, and watchers have what is left."""
        self._journal.close()
        self._broadcast.close()
