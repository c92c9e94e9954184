"""Tells a whole answer as a stream would: for an answer that is there already."""

import re
from collections.abc import Iterator

from attractor.llm.content import ContentPart
from attractor.llm.response import Response
from attractor.llm.stream_event import StreamEvent, StreamEventType, StreamStart
from attractor.llm.tools import ToolCall

_WORDS = re.compile(r"\s*\S+\s*$|\s*\S+|\s+$")


def replay(response: Response) -> Iterator[StreamEvent]:
    """Yield the events of an answer, texts word by word; the FINISH has the whole of it."""
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
        begun = ToolCall(call.id, call.name, {})
        yield StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=begun)
        yield StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    elif part.thinking is not None:
        # What is hidden is opaque: it stands in the whole answer alone.
        text = None if part.thinking.redacted else part.thinking.text
        yield StreamEvent(StreamEventType.REASONING_START)
        if text:
            yield StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=text)
        yield StreamEvent(StreamEventType.REASONING_END, text=text)
