"""The latest requests to a twin, bounded in number and size."""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Generic, Protocol, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, content_hash, parse_json
from attractor.twins.exchange.reply import Reply
from attractor.twins.recordings.redaction import HIDDEN, is_secret_header
from attractor.twins.server.replies import IncomingRequest

KEEP = 10_000
"""The default number of requests in a log."""
_MAX_BYTES = 256 * 1024 * 1024
_MAX_ATTEMPTS = 200_000


class LogEntry(Protocol):
    """One request in a log."""

    @property
    def number(self) -> int:
        """The number of the request; the first is 1."""
        ...

    def record(self) -> dict[str, object]:
        """Return the request as JSON."""
        ...


L = TypeVar("L", bound=LogEntry)


class BoundedLog(Generic[L]):
    """Keeps the latest requests, limited by number and by the size of their bodies."""

    def __init__(self, keep: int = KEEP, max_bytes: int = _MAX_BYTES) -> None:
        self._keep, self._max_bytes = keep, max_bytes
        self._entries = deque[tuple[L, int]]()
        self._bytes = 0
        self.count = 0
        """The number of all requests, with dropped ones."""

    @property
    def entries(self) -> Sequence[L]:
        """The requests in the log; safe to read from another thread."""
        return [entry for entry, _ in self._entries.copy()]

    @property
    def dropped(self) -> int:
        """The number of older requests that were dropped."""
        return self.count - len(self._entries)

    def add(self, entry: L, size: int) -> L:
        """Add a request with a body of this size, and drop older ones beyond the limits."""
        self.count += 1
        self._entries.append((entry, size))
        self._bytes += size
        # The newest request stays, whatever its size.
        while len(self._entries) > max(1, self._keep) or (
            self._bytes > self._max_bytes and len(self._entries) > 1
        ):
            self._bytes -= self._entries.popleft()[1]
        return entry

    def clear(self) -> None:
        """Drop all requests, and begin with number 1 again."""
        self._entries.clear()
        self._bytes = self.count = 0


@dataclass(frozen=True)
class LoggedRequest:
    """One request to a provider twin.

    `at` is in seconds since the start, by the twin's clock; `rule` is empty and `status` is 0 if
    none answered; `error` is the reason of a rejection.
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
        """The body as JSON, else as text."""
        try:
            return parse_json(self.content)
        except NotCanonical:
            return self.content.decode("utf-8", "replace")

    def record(self) -> dict[str, object]:
        """Return the request as JSON."""
        record: dict[str, object] = {one.name: getattr(self, one.name) for one in fields(self)}
        del record["content"]
        return record | {"headers": dict(self.headers), "body": self.body}


class RequestLog:
    """The latest requests to a provider twin, and the number of attempts of each request."""

    def __init__(self, requests: BoundedLog[LoggedRequest] | None = None) -> None:
        self.requests = requests or BoundedLog[LoggedRequest]()
        self._attempts = OrderedDict[str, int]()

    def count_attempt(self, wire: str, body: bytes) -> int:
        """Return how often this same request came, with this one."""
        key = content_hash(wire.encode() + body)
        count = self._attempts.pop(key, 0) + 1
        self._attempts[key] = count
        if len(self._attempts) > _MAX_ATTEMPTS:
            self._attempts.popitem(last=False)
        return count

    def add(self, incoming: IncomingRequest, reply: Reply, at: float = 0.0) -> LoggedRequest:
        """Add a request and its reply."""
        entry = LoggedRequest(
            number=self.requests.count + 1,
            at=round(at, 6),
            wire=incoming.wire.name,
            method=incoming.method,
            headers={
                name: HIDDEN if is_secret_header(name) else value
                for name, value in incoming.headers.items()
            },
            content=incoming.body,
            # Without the query, which may contain a key.
            path=incoming.path,
            from_path=dict(incoming.from_path),
            model=reply.model,
            step=reply.step,
            attempt=incoming.attempt,
            rule=reply.rule,
            status=reply.status if reply.begins else 0,
            error=reply.error,
        )
        return self.requests.add(entry, len(entry.content))

    def clear(self) -> None:
        """Drop all requests and attempts."""
        self.requests.clear()
        self._attempts.clear()
