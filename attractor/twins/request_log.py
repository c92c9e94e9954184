"""What a provider twin was asked, in order, and how often the same.

How often a request came is forgotten when very many others came since.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import fields

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, content_hash, parse_json
from attractor.twins.bounded_log import BoundedLog
from attractor.twins.exchange import Arrival
from attractor.twins.hidden_keys import HIDDEN, is_secret
from attractor.twins.reply import Reply

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
