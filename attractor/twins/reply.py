"""What is sent back to a client: when, in which pieces, and how it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import timedelta
from enum import StrEnum

from attractor.base.dataclasses import dataclass

JSON = "application/json"
STREAM = "text/event-stream"


class Ending(StrEnum):
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
    ending: Ending = Ending.COMPLETE
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
