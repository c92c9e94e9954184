"""Reads a stream of Anthropic's Messages API (7.7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import error_from_status_code
from attractor.llm.fields import Fields
from attractor.llm.headers import ANTHROPIC_LIMITS, read_rate_limit
from attractor.llm.providers.anthropic_blocks import Block, grow
from attractor.llm.providers.anthropic_response import read_part, read_response
from attractor.llm.stream_event import StreamEvent, StreamEventType, StreamStart
from attractor.llm.streaming import Origin, Step, fields_of, finish, pass_on
from attractor.llm.tools import ToolCall
from attractor.llm.transport import Reply

# An error within a good answer has a type; these are the statuses it would have had.
_FAILURES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_THOUGHTS = ("thinking", "redacted_thinking")


@dataclass(frozen=True)
class AnthropicStream:
    """The message as far as it came."""

    origin: Origin
    message: JsonObject | None = None
    open: Mapping[int, Block] = field(default_factory=dict[int, Block])
    done: Mapping[int, JsonObject] = field(default_factory=dict[int, JsonObject])


def step(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    """Take one event of the server."""
    return _STEPS.get(event.text("type"), _other)(state, event)


def end(state: AnthropicStream) -> Sequence[StreamEvent]:
    """Tell nothing: the provider says itself when it is done."""
    return ()


def _other(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    return Step(state, [pass_on(event.raw)])


def _message_start(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    origin, message = state.origin, event.object("message")
    limits = read_rate_limit(origin.headers, ANTHROPIC_LIMITS)
    start = StreamStart(
        message.text("id"), message.text("model"), origin.provider, origin.warnings, limits
    )
    begun = replace(state, message=message.raw)
    return Step(begun, [StreamEvent(StreamEventType.STREAM_START, start=start)])


def _block_start(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    index, block = event.count("index"), event.object("content_block")
    if index in state.open or index in state.done:
        raise event.unlike("index", "that of a new block")
    begun = replace(state, open={**state.open, index: Block(block.raw)})
    match block.text("type"):
        case "text":
            told = [StreamEvent(StreamEventType.TEXT_START, text_id=_text_id(index))]
            if block.text("text"):
                told.append(_text_delta(index, block.text("text")))
        case "tool_use":
            call = ToolCall(block.text("id"), block.text("name"), {})
            told = [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=call)]
        case kind if kind in _THOUGHTS:
            told = [StreamEvent(StreamEventType.REASONING_START)]
            if block.text_or_none("thinking"):
                told.append(_thought_delta(block.text("thinking")))
        case _:
            told = [pass_on(event.raw)]
    return Step(begun, told)


def _block_delta(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    index, delta = event.count("index"), event.object("delta")
    block = _open(state, event)
    grown = replace(state, open={**state.open, index: grow(block, delta)})
    match delta.text("type"):
        case "text_delta":
            return Step(grown, [_text_delta(index, delta.text("text"))])
        case "thinking_delta":
            return Step(grown, [_thought_delta(delta.text("thinking"))])
        case "signature_delta":
            return Step(grown)
        case "input_json_delta" if block.kind == "tool_use":
            raw, piece = block.raw, delta.text("partial_json")
            call = ToolCall(str(raw.get("id")), str(raw.get("name")), {}, piece)
            return Step(grown, [StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=call)])
        case _:
            return _other(grown, event)


def _block_stop(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    index = event.count("index")
    raw = _open(state, event).whole
    still = {one: other for one, other in state.open.items() if one != index}
    known = replace(state, open=still, done={**state.done, index: raw})
    return Step(known, _ended(raw, event, state.origin.provider))


def _ended(raw: JsonObject, event: Fields, provider: str) -> Sequence[StreamEvent]:
    part = read_part(fields_of(raw, provider=provider, path="a block"), provider)
    if part.tool_call is not None:
        call = ToolCall.from_data(part.tool_call)
        return [StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)]
    if part.thinking is not None:
        # With the block as it came: it is where the signature and hidden thoughts stand.
        text = None if part.thinking.redacted else part.thinking.text
        return [StreamEvent(StreamEventType.REASONING_END, text=text, raw=raw)]
    if part.text is not None:
        text_id = _text_id(event.count("index"))
        return [StreamEvent(StreamEventType.TEXT_END, text_id=text_id, text=part.text)]
    return [pass_on(event.raw)]


def _message_delta(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    message = _begun(state, event)
    newer = {key: one for key, one in event.object("usage").raw.items() if one is not None}
    usage = {**message.object("usage").raw, **newer}
    raw = {**message.raw, **event.object("delta").raw, "usage": usage}
    return Step(replace(state, message=raw))


def _message_stop(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    message, origin = _begun(state, event), state.origin
    if state.open:
        raise event.unlike("type", "one that may come within a block")
    content: list[Json] = [dict(state.done[index]) for index in sorted(state.done)]
    body = fields_of({**message.raw, "content": content}, provider=origin.provider)
    reply = Reply(body, origin.headers)
    return Step(state, [finish(read_response(reply, origin.warnings, provider=origin.provider))])


def _error(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    details = event.object("error")
    kind = details.text_or_none("type")
    message = details.text_or_none("message") or "no reason given"
    # What nobody foresaw is tried again (6.3).
    raise error_from_status_code(
        _FAILURES.get(kind or "", 500),
        message,
        provider=state.origin.provider,
        error_code=kind,
        raw=event.raw,
    )


def _begun(state: AnthropicStream, event: Fields) -> Fields:
    if state.message is None:
        raise event.unlike("type", "one that a message begins with")
    return fields_of(state.message, provider=state.origin.provider, path="the message")


def _open(state: AnthropicStream, event: Fields) -> Block:
    block = state.open.get(event.count("index"))
    if block is None:
        raise event.unlike("index", "that of a block which has begun")
    return block


def _text_id(index: int) -> str:
    return f"text_{index}"


def _text_delta(index: int, piece: str) -> StreamEvent:
    return StreamEvent(StreamEventType.TEXT_DELTA, delta=piece, text_id=_text_id(index))


def _thought_delta(piece: str) -> StreamEvent:
    return StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)


_STEPS: Mapping[str, Callable[[AnthropicStream, Fields], Step[AnthropicStream]]] = {
    "message_start": _message_start,
    "content_block_start": _block_start,
    "content_block_delta": _block_delta,
    "content_block_stop": _block_stop,
    "message_delta": _message_delta,
    "message_stop": _message_stop,
    "error": _error,
}
