"""What trouble makes of a reply, as pure functions: the same trouble is the same every time."""

from dataclasses import replace

from attractor.twins.answer import Fault, FaultKind
from attractor.twins.reply import Ending, Reply

_MISSING = 1


def troubled(reply: Reply, fault: Fault) -> Reply:
    """Return what becomes of a reply on its way; a body counts as the two events of its halves."""
    match fault.kind:
        case FaultKind.REFUSED:
            return replace(reply, pieces=(), begins=False, ending=Ending.DROPPED)
        case FaultKind.HANG:
            begun = _begun(reply, fault)
            return replace(begun, begins=fault.events_before > 0, ending=Ending.SILENT)
        case FaultKind.CUT:
            return replace(_begun(reply, fault), ending=Ending.DROPPED)
        case FaultKind.SLOW:
            return replace(reply, pieces=_trickled(reply.body, fault.size), pause=fault.pause)
        case FaultKind.CONTENT_LENGTH:
            length = str(len(reply.body) + _MISSING)
            headers = {**reply.headers, "content-length": length}
            return replace(reply, headers=headers, ending=Ending.DROPPED)
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
