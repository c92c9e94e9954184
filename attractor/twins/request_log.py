"""What a twin was asked, in order, and how often the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from attractor.base.canonical import Json, content_hash, parse_json
from attractor.base.errors import NotCanonical
from attractor.base.late_dataclass import dataclass
from attractor.twins.exchange import Arrival
from attractor.twins.reply import Reply

# A key is a secret, also a key to a twin: somebody may have pointed the wrong client here.
_SECRET = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "proxy-authorization", "cookie"}
)
_HIDDEN = "[hidden]"


@dataclass(frozen=True)
class LoggedRequest:
    """One request, and which rule answered it with which status: 0 if none, no rule if none did."""

    number: int
    wire: str
    headers: Mapping[str, str]
    body: Json
    path: str
    from_path: Mapping[str, str]
    attempt: int
    rule: str
    status: int

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        return asdict(self)


class RequestLog:
    """Remembers every request."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._seen = Counter[str]()

    @property
    def entries(self) -> Sequence[LoggedRequest]:
        """All requests so far; safe to read from another thread."""
        return self._entries.copy()

    def count_attempt(self, wire: str, body: bytes) -> int:
        """Return how often this very request has come by now."""
        name = content_hash(wire.encode() + body)
        self._seen[name] += 1
        return self._seen[name]

    def add(self, arrival: Arrival, reply: Reply) -> None:
        """Remember a request and its reply."""
        headers = {
            name: _HIDDEN if name.lower() in _SECRET else value
            for name, value in arrival.headers.items()
        }
        self._entries.append(
            LoggedRequest(
                number=len(self._entries) + 1,
                wire=arrival.wire.name,
                headers=headers,
                body=_readable(arrival.body),
                # What stands behind it may hold a key.
                path=arrival.target.partition("?")[0],
                from_path=dict(arrival.from_path),
                attempt=arrival.attempt,
                rule=reply.rule,
                status=reply.status if reply.begins else 0,
            )
        )


def _readable(body: bytes) -> Json:
    try:
        return parse_json(body)
    except NotCanonical:
        return body.decode("utf-8", "replace")
