"""The latest requests to a twin, bounded in number and size."""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Generic, Protocol, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, content_hash, parse_json
from attractor.twins.exchange.reply import Reply
from attractor.twins.recordings.redaction import HIDDEN, is_secret
from attractor.twins.server.replies import Arrival

KEEP = 10_000


_MOST_BYTES = 256 * 1024 * 1024


class Logged(Protocol):
    """One request in a log."""

    @property
    def number(self) -> int:
        """Its place among all that came; the first is 1."""
        ...

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        ...


L = TypeVar("L", bound=Logged)


class BoundedLog(Generic[L]):
    """Keeps the latest requests, by their number and by what their bodies take."""

    def __init__(self, keep: int = KEEP, most_bytes: int = _MOST_BYTES) -> None:
        self._keep, self._most_bytes = keep, most_bytes
        self._kept = deque[tuple[L, int]]()
        self._bytes = 0
        self.count = 0
        """How many came, kept or not."""

    @property
    def entries(self) -> Sequence[L]:
        """The requests that are kept; safe to read from another thread."""
        return [entry for entry, _ in self._kept.copy()]

    @property
    def dropped(self) -> int:
        """How many older ones are kept no more."""
        return self.count - len(self._kept)

    def add(self, entry: L, size: int) -> L:
        """Keep a request whose body has this size, and drop what is too much."""
        self.count += 1
        self._kept.append((entry, size))
        self._bytes += size
        # The newest one is kept, whatever its size.
        while len(self._kept) > max(1, self._keep) or (
            self._bytes > self._most_bytes and len(self._kept) > 1
        ):
            self._bytes -= self._kept.popleft()[1]
        return entry

    def forget(self) -> None:
        """Begin anew, with the number 1."""
        self._kept.clear()
        self._bytes = self.count = 0


_MOST_SEEN = 200_000


@dataclass(frozen=True)
class LoggedRequest:
    """One request, and which rule answered it with which status: 0 if none, no rule if none did.

    `at` is in seconds since the twin began, by its clock. An error says why the twin refused it.
    """

    number: int
    at: float
    wire: str
    method: str
    headers: Mapping[str, str]
    content: bytes
    path: str
    from_path: Mapping[str, str]
    model: str
    step: int | None
    attempt: int
    rule: str
    status: int
    error: str = ""

    @property
    def body(self) -> Json:
        """What its body says: JSON, else a text."""
        try:
            return parse_json(self.content)
        except NotCanonical:
            return self.content.decode("utf-8", "replace")

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        told: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(self)}
        del told["content"]
        return told | {"headers": dict(self.headers), "body": self.body}


class RequestLog:
    """Remembers the latest requests."""

    def __init__(self, kept: BoundedLog[LoggedRequest] | None = None) -> None:
        self.kept = kept or BoundedLog[LoggedRequest]()
        self._seen = OrderedDict[str, int]()

    def count_attempt(self, wire: str, body: bytes) -> int:
        """Return how often this very request has come by now."""
        name = content_hash(wire.encode() + body)
        count = self._seen.pop(name, 0) + 1
        self._seen[name] = count
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)
        return count

    def add(self, arrival: Arrival, reply: Reply, at: float = 0.0) -> LoggedRequest:
        """Remember a request and its reply."""
        entry = _entry(self.kept.count + 1, arrival, reply, at)
        return self.kept.add(entry, len(entry.content))

    def forget(self) -> None:
        """Begin anew, with the number 1."""
        self.kept.forget()
        self._seen.clear()


def _entry(number: int, arrival: Arrival, reply: Reply, at: float) -> LoggedRequest:
    return LoggedRequest(
        number=number,
        at=round(at, 6),
        wire=arrival.wire.name,
        method=arrival.method,
        headers={
            name: HIDDEN if is_secret(name) else value for name, value in arrival.headers.items()
        },
        content=arrival.body,
        # What stands behind it may hold a key.
        path=arrival.path,
        from_path=dict(arrival.from_path),
        model=reply.model,
        step=reply.step,
        attempt=arrival.attempt,
        rule=reply.rule,
        status=reply.status if reply.begins else 0,
        error=reply.error,
    )
