"""What a model says piece by piece, in one form for every provider (3.13, 3.14).

Puts the answer together that a stream tells in pieces (4.4).
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.errors import SDKError, StreamError
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    Role,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.response import FinishReason, RateLimitInfo, Response, StepResult, Usage, Warning
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


_UNFINISHED = FinishReason("other")
_NOBODY = StreamStart("", "", "")


class StreamAccumulator:
    """Collects stream events; at the end it has what `complete` would have answered.

    The FINISH brings the whole answer, with all that no other event tells, such as signatures. Who
    changes the pieces on their way has to change that answer too. Another STREAM_START begins anew.
    """

    def __init__(self) -> None:
        self._begin(_NOBODY)

    def process(self, event: StreamEvent) -> None:
        """Take one more event of the stream."""
        self._seen = True
        match event.type:
            case StreamEventType.STREAM_START:
                self._begin(event.start or _NOBODY)
            case StreamEventType.FINISH:
                self._whole = event.response or self._so_far(event)
            case StreamEventType.ERROR:
                self._error = event.error
            case _:
                self._add(event)

    def response(self) -> Response:
        """Return the whole answer; raises what the stream ended with when it did not finish."""
        if self._whole is not None:
            return self._whole
        raise self._error or StreamError("the stream has not come to its end")

    @property
    def partial_response(self) -> Response | None:
        """The answer as far as it came, None before it begins."""
        if self._whole is not None:
            return self._whole
        return self._so_far() if self._seen else None

    def _begin(self, start: StreamStart) -> None:
        self._seen = start is not _NOBODY
        self._start = start
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[str, ToolCallData] = {}
        # Every part in the order in which it began: a text, a thought or a call by its key.
        self._order: list[tuple[ContentKind, str]] = []
        self._whole: Response | None = None
        self._error: SDKError | None = None

    def _add(self, event: StreamEvent) -> None:
        if event.type == StreamEventType.REASONING_START:
            self._piece(ContentKind.THINKING, f"thought {len(self._order)}", "")
        elif event.type == StreamEventType.REASONING_DELTA:
            self._piece(ContentKind.THINKING, self._newest_thought(), event.reasoning_delta or "")
        elif event.type in (StreamEventType.TEXT_START, StreamEventType.TEXT_DELTA):
            self._piece(ContentKind.TEXT, f"text {event.text_id}", event.delta or "")
        elif event.tool_call is not None:
            self._call(event.tool_call, is_piece=event.type == StreamEventType.TOOL_CALL_DELTA)

    def _newest_thought(self) -> str:
        thoughts = [key for kind, key in self._order if kind is ContentKind.THINKING]
        return thoughts[-1] if thoughts else "thought"

    def _piece(self, kind: ContentKind, key: str, piece: str) -> None:
        if key not in self._texts:
            self._order.append((kind, key))
        self._texts.setdefault(key, []).append(piece)

    def _call(self, call: ToolCall, *, is_piece: bool) -> None:
        known = self._calls.get(call.id)
        if known is None:
            self._order.append((ContentKind.TOOL_CALL, call.id))
        arguments = call.arguments if call.raw_arguments is None else call.raw_arguments
        if is_piece and known and isinstance(known.arguments, str):
            arguments = known.arguments + (call.raw_arguments or "")
        elif not is_piece and known is None and not arguments:
            # What has only begun is written piece by piece from here on.
            arguments = ""
        self._calls[call.id] = ToolCallData(call.id, call.name, arguments)

    def _so_far(self, finish: StreamEvent | None = None) -> Response:
        start = self._start
        said = Message(Role.ASSISTANT, [self._part(kind, key) for kind, key in self._order])
        told = Response(
            start.id,
            start.model,
            start.provider,
            said,
            _UNFINISHED,
            Usage(),
            warnings=start.warnings,
            rate_limit=start.rate_limit,
        )
        if finish is None:
            return told
        reason, usage = finish.finish_reason or _UNFINISHED, finish.usage or Usage()
        return replace(told, finish_reason=reason, usage=usage)

    def _part(self, kind: ContentKind, key: str) -> ContentPart:
        if kind is ContentKind.TOOL_CALL:
            return ContentPart(kind, tool_call=self._calls[key])
        text = "".join(self._texts[key])
        if kind is ContentKind.THINKING:
            return ContentPart(kind, thinking=ThinkingData(text))
        return ContentPart(kind, text=text)
