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
    """The end of a reply."""

    COMPLETE = "complete"
    DROPPED = "dropped"
    SILENT = "silent"


@dataclass(frozen=True)
class Reply:
    """The bytes of a reply with their timing, and fields for the log.

    `pieces` are the events of a stream, or one body. `pause` is the time between two pieces, unless
    `pauses` has one for each. A reply that does not begin sends no status.
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
        """Return the pause before a piece, counted from 0."""
        if not piece:
            return timedelta()
        return self.pauses[piece - 1] if self.pauses else self.pause

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


def whole(status: int, body: bytes, headers: Mapping[str, str], *, rule: str = "") -> Reply:
    """Return a reply with one JSON body and its length."""
    lower = {name.lower(): value for name, value in headers.items()}
    with_conversation = {"content-type": JSON, **lower, "content-length": str(len(body))}
    return Reply(status, (body,), with_conversation, rule)


def streamed(pieces: Sequence[bytes], headers: Mapping[str, str], *, rule: str = "") -> Reply:
    """Return a reply with a stream of events, without a length."""
    lower = {name.lower(): value for name, value in headers.items()}
    return Reply(200, tuple(pieces), {"content-type": STREAM, **lower}, rule)


_MISSING = 1


def apply_fault(reply: Reply, fault: Fault) -> Reply:
    """Return a reply with a fault; a body counts as two events, its halves."""
    match fault.kind:
        case FaultKind.REFUSED:
            return replace(reply, pieces=(), begins=False, ending=ReplyEnd.DROPPED)
        case FaultKind.HANG:
            cut = _cut(reply, fault)
            return replace(cut, begins=fault.events_before > 0, ending=ReplyEnd.SILENT)
        case FaultKind.CUT:
            return replace(_cut(reply, fault), ending=ReplyEnd.DROPPED)
        case FaultKind.SLOW:
            return replace(reply, pieces=_slices(reply.body, fault.size), pause=fault.pause)
        case FaultKind.CONTENT_LENGTH:
            length = str(len(reply.body) + _MISSING)
            headers = {**reply.headers, "content-length": length}
            return replace(reply, headers=headers, ending=ReplyEnd.DROPPED)
        case FaultKind.STATUS | FaultKind.MALFORMED:
            # These change the content, and are applied where it is written.
            return reply


def events_before(fault: Fault, events: int) -> int:
    """Return the number of events before a fault: at most all but the last.

    So the fault happens on every wire, however many events the answer has there.
    """
    return max(0, min(fault.events_before, events - 1))


def _cut(reply: Reply, fault: Fault) -> Reply:
    pieces = reply.pieces
    if "content-length" in reply.headers:
        half = len(reply.body) // 2
        pieces = (reply.body[:half], reply.body[half:])
    return replace(reply, pieces=tuple(pieces[: events_before(fault, len(pieces))]))


def _slices(body: bytes, size: int) -> tuple[bytes, ...]:
    return tuple(body[start : start + size] for start in range(0, len(body), size))
