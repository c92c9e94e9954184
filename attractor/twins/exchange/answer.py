"""The answer of a twin, and its reply over HTTP."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    model_validator,
)

from attractor.base.dataclasses import dataclass
from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration
from attractor.base.patterns import linear_search

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LONGEST_S = 2.0
_SEARCH = "import json, re, sys; sys.exit(re.search(*json.load(sys.stdin)) is None)"
_MESSAGE_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except InvalidDuration as cause:
        # The only kind of exception that pydantic collects.
        raise ValueError(f"{cause.message}: {cause.hint}") from cause


SEALED = {"sealed": True}
"""The context of validation of a sealed suite, whose patterns may be of Python's `re`."""


def _pattern(value: str, info: ValidationInfo) -> str:
    if info.context != SEALED:
        linear_search(value)
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]


def search_text(pattern: str, text: str) -> bool:
    """Return whether a pattern matches somewhere: by RE2, or a sealed one that it lacks by `re`.

    Python's `re` may search for years, and nothing stops it but the end of its process: a text that
    takes longer than `_LONGEST_S` does not match.
    """
    try:
        return linear_search(pattern)(text)
    except ValueError:
        asked = json.dumps([pattern, text]).encode()
        command = [sys.executable, "-ISc", _SEARCH]
        try:
            done = subprocess.run(command, input=asked, timeout=_LONGEST_S, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0


def _require_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not (value.isprintable() and value.isascii()):
            raise ValueError(f"invalid header {name!r}: {value!r}")
        if name.lower() in _MESSAGE_HEADERS:
            raise ValueError(f"the twin sets the header {name!r} itself: remove it")
    return headers


Duration = Annotated[timedelta, BeforeValidator(_duration, json_schema_input_type=str)]


class ScriptTable(BaseModel):
    """A table of a script or a service; immutable, unknown names are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ToolUse(ScriptTable):
    """A tool call; `raw_arguments` is for text that is not JSON."""

    name: str
    arguments: dict[str, JsonValue] = {}
    raw_arguments: str | None = None


class Tokens(ScriptTable):
    """The token usage of an answer; the twin counts the numbers that are not set."""

    input: int | None = Field(default=None, ge=0)
    output: int | None = Field(default=None, ge=0)
    reasoning: int | None = Field(default=None, ge=0)
    cache_read: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        """Reject numbers if a part exceeds the total."""
        cached = self.cache_read + self.cache_write
        if self.input is not None and cached > self.input:
            raise ValueError(
                f"input must be at least {cached}, because input includes cache_read and "
                f"cache_write"
            )
        if self.output is not None and (self.reasoning or 0) > self.output:
            raise ValueError(
                f"output must be at least {self.reasoning}, because output includes reasoning"
            )
        return self

    def whole_input(self, counted: int) -> int:
        """Return the tokens of the whole prompt (default: counted).

        The cached tokens may exceed the length of a short prompt in a test.
        """
        return (
            max(counted, self.cache_read + self.cache_write) if self.input is None else self.input
        )


class FaultKind(StrEnum):
    """The kinds of fault."""

    STATUS = "status"
    REFUSED = "refused"
    HANG = "hang"
    SLOW = "slow"
    CUT = "cut"
    MALFORMED = "malformed"
    CONTENT_LENGTH = "content_length"


_KEYS = {
    FaultKind.STATUS: ("status", "message", "code", "retry_after", "after"),
    FaultKind.REFUSED: (),
    FaultKind.HANG: ("after",),
    FaultKind.SLOW: ("pause", "size"),
    FaultKind.CUT: ("after",),
    FaultKind.MALFORMED: ("body", "after"),
    FaultKind.CONTENT_LENGTH: (),
}


_AFTER_ONE_EVENT = (FaultKind.CUT, FaultKind.MALFORMED)


class Fault(ScriptTable):
    """A fault in place of an answer, or in the middle of one."""

    kind: Annotated[FaultKind, Field(strict=False)]
    status: int = Field(default=500, ge=400, le=599)
    message: str = "the script says so"
    code: str | None = None
    retry_after: Duration | None = None
    body: str = '{"this is": not JSON'
    after: int | None = Field(default=None, ge=0)
    pause: Duration = timedelta(milliseconds=10)
    size: int = Field(default=16, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1, strict=False)

    @property
    def events_before(self) -> int:
        """The number of events of a stream before the fault."""
        return int(self.kind in _AFTER_ONE_EVENT) if self.after is None else self.after

    @model_validator(mode="after")
    def _has_known_keys(self) -> Self:
        taken = _KEYS[self.kind]
        for name in sorted(self.model_fields_set - {"kind", "probability", *taken}):
            known = ", ".join(taken) or "none"
            raise ValueError(
                f"invalid key {name!r} of the fault {self.kind.value!r}; valid keys: {known}"
            )
        return self


class Answer(ScriptTable):
    """The answer of a model: text, tool calls, thoughts and timing."""

    text: str = ""
    thinking: str | None = None
    redacted_thinking: str | None = None
    tool_calls: Annotated[tuple[ToolUse, ...], Field(strict=False)] = ()
    finish: Literal["stop", "tool_calls", "length", "content_filter"] | None = None
    usage: Tokens = Tokens()
    delay: Duration = timedelta()
    pace: Duration = timedelta()
    headers: Annotated[dict[str, str], AfterValidator(_require_headers)] = {}
    fault: Fault | None = None

    @property
    def finished_by(self) -> Literal["stop", "tool_calls", "length", "content_filter"]:
        """The reason why the model stopped (default: derived from the answer)."""
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


_BYTES = 7


def is_drawn(probability: float, seed: int, place: str, use: int) -> bool:
    """Return whether a random fault happens at this use of a rule or a route.

    The seed makes the result reproducible.
    """
    if probability >= 1:
        return True
    draw = hashlib.sha256(json.dumps([seed, place, use]).encode()).digest()[:_BYTES]
    return int.from_bytes(draw, "big") < probability * 256**_BYTES


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
    `pauses` contains a time for each piece. A reply that does not begin sends no status.
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
    warning: str = ""

    def pause_before(self, piece: int) -> timedelta:
        """Return the pause before the piece with this number; the first is 0."""
        if not piece:
            return timedelta()
        return self.pauses[piece - 1] if self.pauses else self.pause

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


def whole(status: int, body: bytes, headers: Mapping[str, str], *, rule: str = "") -> Reply:
    """Return a reply with one JSON body and a Content-Length."""
    lower = {name.lower(): value for name, value in headers.items()}
    with_conversation = {"content-type": JSON, **lower, "content-length": str(len(body))}
    return Reply(status, (body,), with_conversation, rule)


def streamed(pieces: Sequence[bytes], headers: Mapping[str, str], *, rule: str = "") -> Reply:
    """Return a reply with a stream of events, without a Content-Length."""
    lower = {name.lower(): value for name, value in headers.items()}
    return Reply(200, tuple(pieces), {"content-type": STREAM, **lower}, rule)


_MISSING = 1


def apply_fault(reply: Reply, fault: Fault) -> Reply:
    """Return the reply with the fault applied.

    To cut a reply that is not a stream, its body is split into two halves, which count as two
    events. STATUS and MALFORMED leave the reply unchanged: these faults are applied when the
    content is written.
    """
    match fault.kind:
        case FaultKind.REFUSED:
            return replace(reply, pieces=(), begins=False, ending=ReplyEnd.DROPPED)
        case FaultKind.HANG:
            cut = _cut(reply, fault)
            return replace(cut, begins=fault.events_before > 0, ending=ReplyEnd.SILENT)
        case FaultKind.CUT:
            return replace(_cut(reply, fault), ending=ReplyEnd.DROPPED)
        case FaultKind.SLOW:
            starts = range(0, len(reply.body), fault.size)
            slices = tuple(reply.body[start : start + fault.size] for start in starts)
            return replace(reply, pieces=slices, pause=fault.pause)
        case FaultKind.CONTENT_LENGTH:
            length = str(len(reply.body) + _MISSING)
            headers = {**reply.headers, "content-length": length}
            return replace(reply, headers=headers, ending=ReplyEnd.DROPPED)
        case FaultKind.STATUS | FaultKind.MALFORMED:
            # These faults change the content, and are applied when it is written.
            return reply


def events_before(fault: Fault, events: int) -> int:
    """Return the number of events before a fault: at most all events except the last.

    Therefore the fault also happens in the formats that need only a few events for an answer.
    """
    return max(0, min(fault.events_before, events - 1))


def _cut(reply: Reply, fault: Fault) -> Reply:
    pieces = reply.pieces
    if "content-length" in reply.headers:
        half = len(reply.body) // 2
        pieces = (reply.body[:half], reply.body[half:])
    return replace(reply, pieces=tuple(pieces[: events_before(fault, len(pieces))]))
