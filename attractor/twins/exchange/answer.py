"""Answers and faults as a script declares them."""

import hashlib
import json
import re
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
    model_validator,
)

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


_OF_THE_MESSAGE = frozenset({"content-length", "transfer-encoding", "connection"})


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except InvalidDuration as cause:
        # Of the errors raised while a model is made, pydantic only gathers this kind.
        raise ValueError(f"{cause.message}: {cause.hint}") from cause


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as cause:
        raise ValueError(f"not a regular expression: {cause}") from cause
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]


def _require_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not (value.isprintable() and value.isascii()):
            raise ValueError(f"no HTTP message can have the header {name!r}: {value!r}")
        if name.lower() in _OF_THE_MESSAGE:
            raise ValueError(f"the header {name!r} follows from what is sent")
    return headers


Duration = Annotated[timedelta, BeforeValidator(_duration)]


class ScriptTable(BaseModel):
    """A table of a script: it cannot be changed and takes no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ToolUse(ScriptTable):
    """A tool the model calls; `raw_arguments` is for a text that is no JSON."""

    name: str
    arguments: dict[str, JsonValue] = {}
    raw_arguments: str | None = None


class Tokens(ScriptTable):
    """How many tokens a call is said to have used; what is left out is counted."""

    input: int | None = Field(default=None, ge=0)
    output: int | None = Field(default=None, ge=0)
    reasoning: int | None = Field(default=None, ge=0)
    cache_read: int = Field(default=0, ge=0)
    cache_write: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Refuse a part that is larger than the whole it is a part of."""
        cached = self.cache_read + self.cache_write
        if self.input is not None and cached > self.input:
            raise ValueError(
                f"cache_read and cache_write are {cached} together, but input is {self.input}; "
                f"input is the whole prompt with both, so write at least {cached}"
            )
        if self.output is not None and (self.reasoning or 0) > self.output:
            raise ValueError(
                f"reasoning is {self.reasoning}, but output is {self.output}; output is all that "
                f"was made, thoughts too, so write at least {self.reasoning}"
            )
        return self

    def whole_input(self, counted: int) -> int:
        """Return how long the whole prompt is: as said, else as counted, with all that is cached.

        What is said to be cached may be more than a short prompt in a test is long.
        """
        return (
            max(counted, self.cache_read + self.cache_write) if self.input is None else self.input
        )


class FaultKind(StrEnum):
    """Which trouble happens."""

    STATUS = "status"
    REFUSED = "refused"
    HANG = "hang"
    SLOW = "slow"
    CUT = "cut"
    MALFORMED = "malformed"
    CONTENT_LENGTH = "content_length"


_TAKES = {
    FaultKind.STATUS: ("status", "message", "code", "retry_after", "after"),
    FaultKind.REFUSED: (),
    FaultKind.HANG: ("after",),
    FaultKind.SLOW: ("pause", "size"),
    FaultKind.CUT: ("after",),
    FaultKind.MALFORMED: ("body", "after"),
    FaultKind.CONTENT_LENGTH: (),
}


_IN_THE_MIDDLE = (FaultKind.CUT, FaultKind.MALFORMED)


class Fault(ScriptTable):
    """Trouble instead of an answer, or in the middle of one."""

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
        """After how many events of a stream it comes."""
        return int(self.kind in _IN_THE_MIDDLE) if self.after is None else self.after

    @model_validator(mode="after")
    def _takes_what_is_said(self) -> Self:
        taken = _TAKES[self.kind]
        for name in sorted(self.model_fields_set - {"kind", "probability", *taken}):
            instead = f"it takes {', '.join(taken)}" if taken else "it takes nothing"
            raise ValueError(f"the fault {self.kind.value!r} does not take {name!r}; {instead}")
        return self


class Answer(ScriptTable):
    """What the model says, calls and thinks, and how long that takes."""

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
        """Why the model stopped: as the script says, else what follows from the answer."""
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


_BYTES = 7


def strikes(probability: float, seed: int, place: str, use: int) -> bool:
    """Tell whether trouble happens the so-many-th time that a rule or a route is used."""
    if probability >= 1:
        return True
    lot = hashlib.sha256(json.dumps([seed, place, use]).encode()).digest()[:_BYTES]
    return int.from_bytes(lot, "big") < probability * 256**_BYTES
