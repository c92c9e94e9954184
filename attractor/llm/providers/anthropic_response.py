"""Translates answers and streams of Anthropic's Messages API (7.5, 7.7)."""

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject, parse_object
from attractor.llm.errors import error_from_status_code
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.providers.omissions import call_id, finish_reason, response_id, usage_warnings
from attractor.llm.request import ToolCall
from attractor.llm.response import Reason, Response, Usage, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType, StreamStart
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.headers import ANTHROPIC_LIMITS, read_rate_limit
from attractor.llm.transport.http import Reply
from attractor.llm.transport.stream_reading import Step, StreamOrigin, finish_event, provider_event

_REASONS: Mapping[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# An estimate if the provider does not count thinking tokens (3.9).
_LETTERS_A_TOKEN = 4
# Keys with fields of their own; others are kept as provider data.
_TEXT = {"type", "text"}
_CALL = {"type", "id", "name", "input"}


def read_response(
    reply: Reply,
    warnings: Sequence[Warning],
    *,
    provider: str,
    model: str,
    seed: str | None = None,
) -> Response:
    """Translate an answer; the seed determines missing ids."""
    body = reply.body
    drawn = uuid.uuid4().hex if seed is None else seed
    blocks = enumerate(body.objects("content"))
    content = [read_part(block, provider, call_id(drawn, n)) for n, block in blocks]
    usage = body.object("usage")
    return Response(
        id=response_id(body.text_or_none("id"), drawn),
        model=body.text_or_none("model") or model,
        provider=provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=finish_reason(body.text_or_none("stop_reason"), _REASONS, content),
        usage=read_usage(usage, content),
        raw=body.raw,
        warnings=[*warnings, *usage_warnings(usage)],
        rate_limit=read_rate_limit(reply.headers, ANTHROPIC_LIMITS),
    )


def read_part(block: Fields, provider: str, own_id: str) -> ContentPart:
    """Translate a content block; `own_id` is for a call without an id."""
    kind = block.text("type")
    kept = ProviderData(provider, block.raw)
    match kind:
        case "text":
            # A text may have citations.
            more = kept if any(block.raw[key] for key in block.raw.keys() - _TEXT) else None
            return ContentPart(ContentKind.TEXT, text=block.text("text"), provider_data=more)
        case "tool_use":
            # The text of an incomplete call in a stream.
            written = block.raw.get("input")
            arguments = written if isinstance(written, str) else block.object("input").raw
            call = ToolCallData(block.text_or_none("id") or own_id, block.text("name"), arguments)
            rest = {key: value for key, value in block.raw.items() if key not in _CALL}
            own = ProviderData(provider, rest) if rest else None
            return ContentPart(ContentKind.TOOL_CALL, tool_call=call, provider_data=own)
        case "thinking":
            text = block.text_or_none("thinking") or ""
            thought = ThinkingData(text, block.text_or_none("signature"))
            return ContentPart(ContentKind.THINKING, thinking=thought, provider_data=kept)
        case "redacted_thinking":
            hidden = ThinkingData(block.text_or_none("data") or "", redacted=True)
            return ContentPart(ContentKind.REDACTED_THINKING, thinking=hidden, provider_data=kept)
        case _:
            return ContentPart(f"{provider}.{kind}", provider_data=kept)


def read_usage(usage: Fields, content: Sequence[ContentPart] = ()) -> Usage:
    """Return the usage; thinking that is not counted is estimated from the content."""
    thought = usage.object("output_tokens_details").count_or_none("thinking_tokens")
    if thought is None:
        texts = [
            part.thinking.text
            for part in content
            if part.kind == ContentKind.THINKING and part.thinking
        ]
        thought = math.ceil(sum(map(len, texts)) / _LETTERS_A_TOKEN) if texts else None
    return Usage(
        input_tokens=usage.count("input_tokens"),
        output_tokens=usage.count("output_tokens"),
        reasoning_tokens=thought,
        cache_read_tokens=usage.count_or_none("cache_read_input_tokens"),
        cache_write_tokens=usage.count_or_none("cache_creation_input_tokens"),
        raw=usage.raw,
    )


@dataclass(frozen=True)
class Block:
    """A content block of a stream so far, and the input text of the block."""

    raw: JsonObject
    written: str = ""

    @property
    def kind(self) -> Json:
        """The type of the block."""
        return self.raw.get("type")

    @property
    def whole(self) -> JsonObject:
        """The complete block."""
        if not self.written:
            return self.raw
        value = parse_object(self.written)
        # Incomplete JSON is reported to the model when the call is executed.
        return {**self.raw, "input": self.written if value is None else value}


def grow(block: Block, delta: Fields) -> Block:
    """Add a delta to a block; unknown deltas are ignored."""
    match delta.text("type"):
        case "text_delta":
            return _longer(block, "text", "text", delta)
        case "thinking_delta":
            return _longer(block, "thinking", "thinking", delta, default="")
        case "signature_delta":
            return _longer(block, "thinking", "signature", delta, default="")
        case "input_json_delta":
            return replace(block, written=block.written + delta.text("partial_json"))
        case "citations_delta":
            before = block.raw.get("citations")
            cited = before if isinstance(before, list) else []
            citations: Json = [*cited, dict(delta.object("citation").raw)]
            return replace(block, raw={**block.raw, "citations": citations})
        case _:
            return block


def _longer(
    block: Block, kind: str, key: str, delta: Fields, *, default: str | None = None
) -> Block:
    before = block.raw.get(key) or ""
    if block.kind != kind or not isinstance(before, str):
        raise delta.error("type", f"allowed in a block of type {block.kind}")
    piece = default if delta.raw.get(key) is None and default is not None else delta.text(key)
    return replace(block, raw={**block.raw, key: before + piece})


# Statuses of errors inside successful answers, by type.
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
# The pieces of a block may follow.
_DEFAULTS: Mapping[str, JsonObject] = {"text": {"text": ""}, "thinking": {"thinking": ""}}


@dataclass(frozen=True)
class AnthropicStream:
    """The state of a stream: the message so far."""

    origin: StreamOrigin
    model: str
    # For missing ids.
    seed: str
    message: JsonObject | None = None
    open: Mapping[int, Block] = field(default_factory=dict[int, Block])
    done: Mapping[int, JsonObject] = field(default_factory=dict[int, JsonObject])


def step(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    """Process an event of the server."""
    return _STEPS.get(event.text("type"), _other)(state, event)


def _other(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    return Step(state, [provider_event(event.raw)])


def _message_start(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    origin, message = state.origin, event.object("message")
    limits = read_rate_limit(origin.headers, ANTHROPIC_LIMITS)
    start = StreamStart(
        response_id(message.text_or_none("id"), state.seed),
        message.text_or_none("model") or state.model,
        origin.provider,
        origin.warnings,
        limits,
    )
    started = replace(state, message=message.raw)
    return Step(started, [StreamEvent(StreamEventType.STREAM_START, start=start)])


def _block_start(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    blocks = {*state.open, *state.done}
    index, block = _index(event, len(blocks)), event.object("content_block")
    if index in blocks:
        raise event.error("index", "the index of a new block")
    defaults = _DEFAULTS.get(block.text("type"), {})
    raw = {**defaults, **block.raw}
    match block.text("type"):
        case "text":
            events = [StreamEvent(StreamEventType.TEXT_START, text_id=_text_id(index))]
            if text := block.text_or_none("text"):
                events.append(_text_delta(index, text))
        case "tool_use":
            raw["id"] = block.text_or_none("id") or call_id(state.seed, index)
            call = ToolCall(str(raw["id"]), block.text("name"), {})
            events = [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=call)]
        case kind if kind in _THOUGHTS:
            events = [StreamEvent(StreamEventType.REASONING_START)]
            if block.text_or_none("thinking"):
                events.append(_thought_delta(block.text("thinking")))
        case _:
            events = [provider_event(event.raw)]
    return Step(replace(state, open={**state.open, index: Block(raw)}), events)


def _block_delta(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    (index, block), delta = _open(state, event), event.object("delta")
    updated = replace(state, open={**state.open, index: grow(block, delta)})
    match delta.text("type"):
        case "text_delta":
            return Step(updated, [_text_delta(index, delta.text("text"))])
        case "thinking_delta":
            return Step(updated, [_thought_delta(delta.text_or_none("thinking") or "")])
        case "signature_delta":
            return Step(updated)
        case "input_json_delta" if block.kind == "tool_use":
            raw, piece = block.raw, delta.text("partial_json")
            call = ToolCall(str(raw.get("id")), str(raw.get("name")), {}, piece)
            return Step(updated, [StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=call)])
        case _:
            return _other(updated, event)


def _block_stop(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    index, block = _open(state, event)
    raw = block.whole
    still_open = {other: state.open[other] for other in state.open if other != index}
    known = replace(state, open=still_open, done={**state.done, index: raw})
    return Step(known, _ended(raw, index, event, state))


def _ended(
    raw: JsonObject, index: int, event: Fields, state: AnthropicStream
) -> Sequence[StreamEvent]:
    provider = state.origin.provider
    block = stream_fields(raw, provider=provider, path="a block")
    part = read_part(block, provider, call_id(state.seed, index))
    if part.tool_call is not None:
        call = ToolCall.from_data(part.tool_call)
        return [StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)]
    if part.thinking is not None:
        # The raw block contains the signature and redacted thinking.
        text = None if part.thinking.redacted else part.thinking.text
        return [StreamEvent(StreamEventType.REASONING_END, text=text, raw=raw)]
    if part.text is not None:
        text_id = _text_id(index)
        return [StreamEvent(StreamEventType.TEXT_END, text_id=text_id, text=part.text)]
    return [provider_event(event.raw)]


def _message_delta(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    message = _begun(state, event)
    newer = {key: count for key, count in event.object("usage").raw.items() if count is not None}
    usage = {**message.object("usage").raw, **newer}
    raw = {**message.raw, **event.object("delta").raw, "usage": usage}
    return Step(replace(state, message=raw))


def _message_stop(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    message, origin = _begun(state, event), state.origin
    if state.open:
        raise event.error("type", "allowed inside a block")
    content: list[Json] = [dict(state.done[index]) for index in sorted(state.done)]
    body = stream_fields({**message.raw, "content": content}, provider=origin.provider)
    response = read_response(
        Reply(body, origin.headers),
        origin.warnings,
        provider=origin.provider,
        model=state.model,
        seed=state.seed,
    )
    return Step(state, [finish_event(response)])


def _error(state: AnthropicStream, event: Fields) -> Step[AnthropicStream]:
    details = event.object("error")
    kind = details.text_or_none("type")
    message = details.text_or_none("message") or "no reason given"
    # Unknown errors are retried (6.3).
    raise error_from_status_code(
        _FAILURES.get(kind or "", 500),
        message,
        provider=state.origin.provider,
        error_code=kind,
        raw=event.raw,
    )


def _begun(state: AnthropicStream, event: Fields) -> Fields:
    if state.message is None:
        raise event.error("type", "the start of a message")
    return stream_fields(state.message, provider=state.origin.provider, path="the message")


def _open(state: AnthropicStream, event: Fields) -> tuple[int, Block]:
    """Return the block of an event with its index; an only open block needs no index."""
    index = _index(event, next(iter(state.open), 0) if len(state.open) == 1 else -1)
    block = state.open.get(index)
    if block is None:
        raise event.error("index", "the index of an open block")
    return index, block


def _index(event: Fields, default: int) -> int:
    given = event.count_or_none("index")
    return default if given is None else given


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
