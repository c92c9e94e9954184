"""What a model says piece by piece, in one form for every provider (3.13, 3.14)."""

from collections.abc import Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.errors import SDKError
from attractor.llm.generate_result import StepResult
from attractor.llm.response import FinishReason, RateLimitInfo, Response, Usage, Warning
from attractor.llm.tools import ToolCall


class StreamEventType(StrEnum):
    """What a stream event tells."""

    STREAM_START = "stream_start"
    TEXT_START = "text_start"
    TEXT_DELTA = "text_delta"
    TEXT_END = "text_end"
    REASONING_START = "reasoning_start"
    REASONING_DELTA = "reasoning_delta"
    REASONING_END = "reasoning_end"
    TOOL_CALL_START = "tool_call_start"
    TOOL_CALL_DELTA = "tool_call_delta"
    TOOL_CALL_END = "tool_call_end"
    FINISH = "finish"
    ERROR = "error"
    PROVIDER_EVENT = "provider_event"


@dataclass(frozen=True)
class StreamStart:
    """What is known of an answer when it begins."""

    id: str
    model: str
    provider: str
    warnings: Sequence[Warning] = ()
    rate_limit: RateLimitInfo | None = None


@dataclass(frozen=True)
class StreamEvent:
    """One piece of an answer; `type` says which fields are filled.

    The `tool_call` of a TOOL_CALL_DELTA holds the new piece alone, in `raw_arguments`. What ends a
    text or a thought has the whole of it in `text`. `response` is there at the FINISH, `start` at
    the STREAM_START. The event that stands between two steps is a plain `step_finish` (5.9) and has
    the `step` that ended, with what came of its tools.
    """

    type: StreamEventType | str
    delta: str | None = None
    text_id: str | None = None
    reasoning_delta: str | None = None
    tool_call: ToolCall | None = None
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    response: Response | None = None
    error: SDKError | None = None
    raw: JsonObject | None = None
    start: StreamStart | None = None
    text: str | None = None
    step: StepResult | None = None
