"""Events of a streamed answer, the same for every provider, and their accumulation (3.13, 4.4)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.records import write_record
from attractor.llm.errors import SDKError, StreamError
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    Role,
    ThinkingData,
    ToolCallData,
    from_record,
)
from attractor.llm.request import ToolCall
from attractor.llm.response import FinishReason, RateLimitInfo, Response, StepResult, Usage, Warning


class StreamEventType(StrEnum):
    """The kind of a stream event."""

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
    """The properties of an answer that are known at the beginning of the stream."""

    id: str
    model: str
    provider: str
    warnings: Sequence[Warning] = ()
    rate_limit: RateLimitInfo | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "warnings", tuple(self.warnings))


@dataclass(frozen=True)
class StreamEvent:
    """A piece of an answer; `type` decides which fields are set.

    The `tool_call` of a TOOL_CALL_DELTA contains only the new piece, in `raw_arguments`. The last
    event of a text or a thought has the whole text in `text`. FINISH has `response`, STREAM_START
    has `start`. Between two steps there is a `step_finish` event (5.9) with the finished `step`.
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

    def to_dict(self) -> dict[str, Json]:
        """Return the event as JSON, with bytes in base64."""
        return write_record(self)

    @classmethod
    def from_dict(cls, record: JsonObject) -> Self:
        """Return the event of `to_dict`."""
        return from_record(cls, record)

    def with_warnings(self, warnings: Sequence[Warning]) -> Self:
        """Return the event with additional warnings, if it is a STREAM_START or FINISH."""
        if not warnings or (self.start is None and self.response is None):
            return self
        start = self.start
        if start is not None:
            start = replace(start, warnings=[*start.warnings, *warnings])
        response = self.response and self.response.with_warnings(warnings)
        return replace(self, start=start, response=response)


_UNFINISHED = FinishReason("other")
_NO_START = StreamStart("", "", "")


class StreamAccumulator:
    """Accumulates stream events into the response that `complete` would have returned.

    FINISH contains the whole answer, including parts without events of their own, such as
    signatures. Middleware that changes other events must also change the answer in FINISH. Another
    STREAM_START starts again.
    """

    def __init__(self) -> None:
        self._begin(_NO_START)

    def process(self, event: StreamEvent) -> None:
        """Add an event of the stream."""
        self._has_events = True
        match event.type:
            case StreamEventType.STREAM_START:
                self._begin(event.start or _NO_START)
            case StreamEventType.FINISH:
                self._complete = event.response or self._incomplete(event)
            case StreamEventType.ERROR:
                self._error = event.error
            case _:
                self._add(event)

    def response(self) -> Response:
        """Return the complete answer, or raise the error of a stream that did not finish."""
        if self._complete is not None:
            return self._complete
        raise self._error or StreamError("the stream has not ended")

    @property
    def partial_response(self) -> Response | None:
        """The answer so far; None before the answer begins."""
        if self._complete is not None:
            return self._complete
        return self._incomplete() if self._has_events else None

    def _begin(self, start: StreamStart) -> None:
        self._has_events = start is not _NO_START
        self._start = start
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[str, ToolCallData] = {}
        # The parts by kind and key, in the order in which they began.
        self._order: list[tuple[ContentKind, str]] = []
        self._complete: Response | None = None
        self._error: SDKError | None = None

    def _add(self, event: StreamEvent) -> None:
        if event.type == StreamEventType.REASONING_START:
            self._add_text(ContentKind.THINKING, f"thought {len(self._order)}", "")
        elif event.type == StreamEventType.REASONING_DELTA:
            thoughts = [key for kind, key in self._order if kind is ContentKind.THINKING]
            newest = thoughts[-1] if thoughts else "thought"
            self._add_text(ContentKind.THINKING, newest, event.reasoning_delta or "")
        elif event.type in (StreamEventType.TEXT_START, StreamEventType.TEXT_DELTA):
            self._add_text(ContentKind.TEXT, f"text {event.text_id}", event.delta or "")
        elif event.tool_call is not None:
            self._add_call(event.tool_call, is_piece=event.type == StreamEventType.TOOL_CALL_DELTA)

    def _add_text(self, kind: ContentKind, key: str, piece: str) -> None:
        if key not in self._texts:
            self._order.append((kind, key))
        self._texts.setdefault(key, []).append(piece)

    def _add_call(self, call: ToolCall, *, is_piece: bool) -> None:
        known = self._calls.get(call.id)
        if known is None:
            self._order.append((ContentKind.TOOL_CALL, call.id))
        arguments = call.arguments if call.raw_arguments is None else call.raw_arguments
        if is_piece and known and isinstance(known.arguments, str):
            arguments = known.arguments + (call.raw_arguments or "")
        elif not is_piece and known is None and not arguments:
            # The pieces follow.
            arguments = ""
        self._calls[call.id] = ToolCallData(call.id, call.name, arguments)

    def _incomplete(self, finish: StreamEvent | None = None) -> Response:
        start = self._start
        message = Message(Role.ASSISTANT, [self._part(kind, key) for kind, key in self._order])
        response = Response(
            start.id,
            start.model,
            start.provider,
            message,
            _UNFINISHED,
            Usage(),
            warnings=start.warnings,
            rate_limit=start.rate_limit,
        )
        if finish is None:
            return response
        reason, usage = finish.finish_reason or _UNFINISHED, finish.usage or Usage()
        return replace(response, finish_reason=reason, usage=usage)

    def _part(self, kind: ContentKind, key: str) -> ContentPart:
        if kind is ContentKind.TOOL_CALL:
            return ContentPart(kind, tool_call=self._calls[key])
        text = "".join(self._texts[key])
        if kind is ContentKind.THINKING:
            return ContentPart(kind, thinking=ThinkingData(text))
        return ContentPart(kind, text=text)


_WORDS = re.compile(r"\s*\S+\s*$|\s*\S+|\s+$")


def replay(response: Response) -> Iterator[StreamEvent]:
    """Yield the events of a complete answer, texts word by word."""
    start = StreamStart(
        response.id, response.model, response.provider, response.warnings, response.rate_limit
    )
    yield StreamEvent(StreamEventType.STREAM_START, start=start)
    for index, part in enumerate(response.message.content):
        yield from _part(part, f"text_{index}")
    yield StreamEvent(
        StreamEventType.FINISH,
        finish_reason=response.finish_reason,
        usage=response.usage,
        response=response,
    )


def _part(part: ContentPart, text_id: str) -> Iterator[StreamEvent]:
    if part.text is not None:
        yield StreamEvent(StreamEventType.TEXT_START, text_id=text_id)
        for piece in _WORDS.findall(part.text):
            yield StreamEvent(StreamEventType.TEXT_DELTA, text_id=text_id, delta=piece)
        yield StreamEvent(StreamEventType.TEXT_END, text_id=text_id, text=part.text)
    elif part.tool_call is not None:
        call = ToolCall.from_data(part.tool_call)
        start = ToolCall(call.id, call.name, {})
        yield StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=start)
        yield StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    elif part.thinking is not None:
        # Redacted thinking is only in the whole answer.
        text = None if part.thinking.redacted else part.thinking.text
        yield StreamEvent(StreamEventType.REASONING_START)
        if text:
            yield StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=text)
        yield StreamEvent(StreamEventType.REASONING_END, text=text)
