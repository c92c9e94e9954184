"""Translates answers and streams of OpenAI's Responses API (7.5, 7.7)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.errors import SDKError, error_from_status_code
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData,
    read_image,
)
from attractor.llm.request import ToolCall
from attractor.llm.response import FinishReason, Reason, Response, Usage, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType, StreamStart
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.transport.http import Reply
from attractor.llm.transport.stream_reading import Step, StreamOrigin, finish_event, provider_event

_INCOMPLETE: Mapping[str, Reason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
FAILURES = {"rate_limit_exceeded": 429, "server_error": 500}
"""Statuses of errors inside successful answers, by code."""

MESSAGE_PROPERTIES = ("phase",)
"""Properties of a message that are sent back together with the message."""


def read_response(reply: Reply, warnings: Sequence[Warning], *, provider: str) -> Response:
    """Translate an answer, or raise its error."""
    body = reply.body
    _raise_error(body, provider)
    content = [part for item in body.objects("output") for part in read_item(item, provider)]
    return Response(
        id=body.text("id"),
        model=body.text("model"),
        provider=provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=_finish_reason(body, content),
        usage=_usage(body.object("usage")),
        raw=body.raw,
        warnings=warnings,
        rate_limit=read_rate_limit(reply.headers, OPENAI_LIMITS),
    )


def _raise_error(body: Fields, provider: str) -> None:
    if body.text_or_none("status") != "failed":
        return
    raise failure(body.object("error"), provider, body.raw)


def failure(details: Fields, provider: str, raw: JsonObject) -> SDKError:
    """Return the error for the code and message of a failure."""
    code = details.text_or_none("code")
    message = details.text_or_none("message") or "no reason given"
    # Some failures have a type only.
    word = code or details.text_or_none("type") or ""
    return error_from_status_code(
        FAILURES.get(word, 400), message, provider=provider, error_code=code, raw=raw
    )


def read_item(item: Fields, provider: str) -> Iterator[ContentPart]:
    """Translate an item of the output."""
    kind = item.text("type")
    if kind == "message":
        about = {key: item.raw[key] for key in MESSAGE_PROPERTIES if item.raw.get(key) is not None}
        kept = ProviderData(provider, about) if about else None
        yield from (_text_part(one, kept) for one in item.objects("content"))
    elif kind == "function_call":
        call = ToolCallData(item.text("call_id"), item.text("name"), item.text("arguments"))
        yield ContentPart(ContentKind.TOOL_CALL, tool_call=call)
    elif kind == "reasoning":
        summary = [one.text_or_none("text") or "" for one in item.objects("summary")]
        thought = ThinkingData("\n\n".join(summary))
        kept = ProviderData(provider, item.raw)
        yield ContentPart(ContentKind.THINKING, thinking=thought, provider_data=kept)
    else:
        kept = ProviderData(provider, item.raw)
        drawn = read_image(item.raw.get("result"), f"image/{item.raw.get('output_format', 'png')}")
        if kind == "image_generation_call" and drawn is not None:
            yield ContentPart(ContentKind.IMAGE, image=drawn, provider_data=kept)
        else:
            yield ContentPart(f"{provider}.{kind}", provider_data=kept)


def _text_part(content: Fields, kept: ProviderData | None) -> ContentPart:
    key = "refusal" if content.text("type") == "refusal" else "text"
    return ContentPart(ContentKind.TEXT, text=content.text(key), provider_data=kept)


def _finish_reason(body: Fields, content: Sequence[ContentPart]) -> FinishReason:
    status = body.text_or_none("status")
    if status == "incomplete":
        why = body.object("incomplete_details").text_or_none("reason")
        return FinishReason(_INCOMPLETE.get(why or "", "other"), why)
    if status not in ("completed", None):
        return FinishReason("other", status)
    called = any(part.tool_call for part in content)
    return FinishReason("tool_calls" if called else "stop", status)


def _usage(usage: Fields) -> Usage:
    return Usage(
        input_tokens=usage.count("input_tokens"),
        output_tokens=usage.count("output_tokens"),
        reasoning_tokens=usage.object("output_tokens_details").count_or_none("reasoning_tokens"),
        cache_read_tokens=usage.object("input_tokens_details").count_or_none("cached_tokens"),
        raw=usage.raw,
    )


_PARAGRAPH = "\n\n"


@dataclass(frozen=True)
class OpenAIStream:
    """The state of a stream; the provider repeats the whole answer at the end of the stream."""

    origin: StreamOrigin
    # Keys of texts and thoughts that have started, and of thoughts with visible text.
    keys: frozenset[str] = frozenset()
    calls: Mapping[int, ToolCall] = field(default_factory=dict[int, ToolCall])
    items: Mapping[int, JsonObject] = field(default_factory=dict[int, JsonObject])

    def with_keys(self, *keys: str) -> "OpenAIStream":
        """Return the state with further members."""
        return replace(self, keys=self.keys | {*keys}) if self.keys.isdisjoint(keys) else self


def step(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    """Process an event of the server."""
    return _STEPS.get(event.text("type"), _other)(state, event)


def end(state: OpenAIStream) -> Sequence[StreamEvent]:
    """Return no events: the provider marks the end itself."""
    return ()


def _other(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    return Step(state, [provider_event(event.raw)])


def _created(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    origin, body = state.origin, event.object("response")
    limits = read_rate_limit(origin.headers, OPENAI_LIMITS)
    start = StreamStart(
        body.text("id"), body.text("model"), origin.provider, origin.warnings, limits
    )
    return Step(state, [StreamEvent(StreamEventType.STREAM_START, start=start)])


def _item_added(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, item = event.count("output_index"), event.object("item")
    match item.text("type"):
        case "function_call":
            call = ToolCall(item.text("call_id"), item.text("name"), {})
            started = replace(state, calls={**state.calls, index: call})
            return Step(started, [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=call)])
        case "reasoning":
            started = state.with_keys(_thought(index))
            return Step(started, [StreamEvent(StreamEventType.REASONING_START)])
        case "message":
            return Step(state)
        case _:
            return _other(state, event)


def _text_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    key = _text(event.count("output_index"), event.count("content_index"))
    started = [] if key in state.keys else [StreamEvent(StreamEventType.TEXT_START, text_id=key)]
    piece = StreamEvent(StreamEventType.TEXT_DELTA, delta=event.text("delta"), text_id=key)
    return Step(state.with_keys(key), [*started, piece])


def _thought_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index = event.count("output_index")
    return _think(state, index, event.text("delta"))


def _thought_part(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    if not event.count("summary_index"):
        return Step(state)
    return _think(state, event.count("output_index"), _PARAGRAPH)


def _think(state: OpenAIStream, index: int, piece: str) -> Step[OpenAIStream]:
    key = _thought(index)
    started = [] if key in state.keys else [StreamEvent(StreamEventType.REASONING_START)]
    shown = StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)
    return Step(state.with_keys(key).with_keys(_shown(index)), [*started, shown])


def _arguments_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    call = state.calls.get(event.count("output_index"))
    if call is None:
        raise event.error("output_index", "the index of a call that has started")
    piece = replace(call, raw_arguments=event.text("delta"))
    return Step(state, [StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=piece)])


def _item_done(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, item = event.count("output_index"), event.object("item")
    parts = list(read_item(item, state.origin.provider))
    known = replace(state, items={**state.items, index: item.raw})
    match item.text("type"):
        case "message":
            events = [
                one for n, part in enumerate(parts) for one in _text_events(state, index, n, part)
            ]
            return Step(known.with_keys(*(_text(index, n) for n, _ in enumerate(parts))), events)
        case "function_call":
            return Step(known, _called(state, index, parts[0]))
        case "reasoning":
            return Step(known, _thought_of(state, index, parts[0]))
        case _:
            return _other(known, event)


def _text_events(
    state: OpenAIStream, index: int, n: int, part: ContentPart
) -> Sequence[StreamEvent]:
    key = _text(index, n)
    ended = StreamEvent(StreamEventType.TEXT_END, text_id=key, text=part.text)
    if key in state.keys:
        return [ended]
    started = StreamEvent(StreamEventType.TEXT_START, text_id=key)
    return [started, StreamEvent(StreamEventType.TEXT_DELTA, delta=part.text, text_id=key), ended]


def _called(state: OpenAIStream, index: int, part: ContentPart) -> Sequence[StreamEvent]:
    if part.tool_call is None:
        return ()
    call = ToolCall.from_data(part.tool_call)
    ended = StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    if index in state.calls:
        return [ended]
    started = ToolCall(call.id, call.name, {})
    return [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=started), ended]


def _thought_of(state: OpenAIStream, index: int, part: ContentPart) -> Sequence[StreamEvent]:
    text = part.thinking.text if part.thinking else ""
    events: list[StreamEvent] = []
    if _thought(index) not in state.keys:
        events.append(StreamEvent(StreamEventType.REASONING_START))
    if text and _shown(index) not in state.keys:
        events.append(StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=text))
    return [*events, StreamEvent(StreamEventType.REASONING_END, text=text)]


def _whole(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    origin = state.origin
    raw = {**event.object("response").raw}
    raw["status"] = event.text("type").rpartition(".")[2]
    if not raw.get("output"):
        # Some gateways do not repeat the output.
        raw["output"] = [dict(state.items[index]) for index in sorted(state.items)]
    reply = Reply(stream_fields(raw, provider=origin.provider), origin.headers)
    response = read_response(reply, origin.warnings, provider=origin.provider)
    return Step(state, [finish_event(response)])


def _error(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    # The details are in the event itself or in its "error".
    details = event if event.raw.get("error") is None else event.object("error")
    raise failure(details, state.origin.provider, event.raw)


def _text(index: int, n: int) -> str:
    return f"text_{index}_{n}"


def _thought(index: int) -> str:
    return f"thought_{index}"


def _shown(index: int) -> str:
    return f"shown_{index}"


_STEPS: Mapping[str, Callable[[OpenAIStream, Fields], Step[OpenAIStream]]] = {
    "response.created": _created,
    "response.output_item.added": _item_added,
    "response.output_text.delta": _text_delta,
    "response.refusal.delta": _text_delta,
    "response.reasoning_summary_part.added": _thought_part,
    "response.reasoning_summary_text.delta": _thought_delta,
    "response.function_call_arguments.delta": _arguments_delta,
    "response.output_item.done": _item_done,
    "response.completed": _whole,
    "response.incomplete": _whole,
    "response.failed": _whole,
    "error": _error,
}
