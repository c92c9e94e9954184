"""A reply to a client: its bytes, their timing, and the effect of a fault on it."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.twins.exchange.answer import Fault, FaultKind

JSON = "application/json"


STREAM = "text/event-stream"


class ReplyEnd(StrEnum):
    """How a reply ends."""

    COMPLETE = "complete"
    DROPPED = "dropped"
    SILENT = "silent"


@dataclass(frozen=True)
class Reply:
    """The bytes of a reply, and the times between them.

    Its pieces are the events of a stream, or one whole body. Between two of them is one pause, or
    each its own. What does not begin has no status for its client; what is dropped ends before it
    is complete; what is silent never ends. The rest is for the log: what answered, which model was
    asked in which step, and why a request was refused.
    """

    status: int
    pieces: Sequence[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    rule: str = ""
    delay: timedelta = timedelta()
    pause: timedelta = timedelta()
    begins: bool = True
    ending: ReplyEnd = ReplyEnd.COMPLETE
    pauses: Sequence[timedelta] = ()
    model: str = ""
    step: int | None = None
    error: str = ""

    def pause_before(self, piece: int) -> timedelta:
        """Return how long it rests before a piece, counted from 0."""
        if not piece:
            return timedelta()
        return self.pauses[piece - 1] if self.pauses else self.pause

    @property
    def body(self) -> bytes:
        """All its bytes."""
        return b"".join(self.pieces)


def whole(status: int, body: bytes, headers: Mapping[str, str], *, rule: str = "") -> Reply:
    """Return a reply that is one body of JSON, with its length."""
    said = {name.lower(): value for name, value in headers.items()}
    described = {"content-type": JSON, **said, "content-length": str(len(body))}
    return Reply(status, (body,), described, rule)


def streamed(pieces: Sequence[bytes], headers: Mapping[str, str], *, rule: str = "") -> Reply:
    """Return a reply that is a stream of events, whose length nobody knows before."""
    said = {name.lower(): value for name, value in headers.items()}
    return Reply(200, tuple(pieces), {"content-type": STREAM, **said}, rule)


_MISSING = 1


def troubled(reply: Reply, fault: Fault) -> Reply:
    """Return what becomes of a reply on its way; a body counts as the two events of its halves."""
    match fault.kind:
        case FaultKind.REFUSED:
            return replace(reply, pieces=(), begins=False, ending=ReplyEnd.DROPPED)
        case FaultKind.HANG:
            begun = _begun(reply, fault)
            return replace(begun, begins=fault.events_before > 0, ending=ReplyEnd.SILENT)
        case FaultKind.CUT:
            return replace(_begun(reply, fault), ending=ReplyEnd.DROPPED)
        case FaultKind.SLOW:
            return replace(reply, pieces=_trickled(reply.body, fault.size), pause=fault.pause)
        case FaultKind.CONTENT_LENGTH:
            length = str(len(reply.body) + _MISSING)
            headers = {**reply.headers, "content-length": length}
            return replace(reply, headers=headers, ending=ReplyEnd.DROPPED)
        case FaultKind.STATUS | FaultKind.MALFORMED:
            # These change what is said, and so are made where it is written.
            return reply


def place_of(fault: Fault, events: int) -> int:
    """Return after how many events of a stream trouble comes: before the last one at the latest.

    So it comes on every wire, however many events the same answer has there.
    """
    return max(0, min(fault.events_before, events - 1))


def _begun(reply: Reply, fault: Fault) -> Reply:
    pieces = reply.pieces
    if "content-length" in reply.headers:
        half = len(reply.body) // 2
        pieces = (reply.body[:half], reply.body[half:])
    return replace(reply, pieces=tuple(pieces[: place_of(fault, len(pieces))]))


def _trickled(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[start : start + size] for start in range(0, len(body), size))
