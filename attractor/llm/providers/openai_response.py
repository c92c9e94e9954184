"""Translates answers and streams of OpenAI's Responses API (7.5, 7.7)."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
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
from attractor.llm.providers.omissions import call_id, response_id, usage_warnings
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
# Statuses of failures, by code or type.
_FAILURES = {
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
}
# Beginnings of the codes and types of rejected requests.
_REJECTED = ("invalid_", "unsupported_", "image_", "empty_image")

MESSAGE_PROPERTIES = ("phase",)
"""Properties of a message that are sent back together with the message."""


def read_response(
    reply: Reply,
    warnings: Sequence[Warning],
    *,
    provider: str,
    model: str,
    seed: str | None = None,
) -> Response:
    """Translate an answer, or raise its error; the seed determines missing ids."""
    body = reply.body
    if body.text_or_none("status") == "failed":
        raise failure(body.object("error").raw, provider, body.raw)
    drawn = uuid.uuid4().hex if seed is None else seed
    content = [
        part
        for index, item in enumerate(body.objects("output"))
        for part in read_item(item, provider, call_id(drawn, index))
    ]
    usage = body.object("usage")
    return Response(
        id=response_id(body.text_or_none("id"), drawn),
        model=body.text_or_none("model") or model,
        provider=provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=_finish_reason(body, content),
        usage=read_usage(usage),
        raw=body.raw,
        warnings=[*warnings, *usage_warnings(usage)],
        rate_limit=read_rate_limit(reply.headers, OPENAI_LIMITS),
    )


def failure(details: JsonObject, provider: str, raw: JsonObject) -> SDKError:
    """Return the error of a failure inside a successful answer.

    The code is an HTTP status, a word, or missing. Unknown failures, such as an overloaded server,
    are retried (6.3).
    """
    code = details.get("code")
    words = [str(word) for word in (code, details.get("type")) if word]
    named = (
        _FAILURES.get(word, 400)
        for word in words
        if word in _FAILURES or word.startswith(_REJECTED)
    )
    status = code if isinstance(code, int) and 400 <= code <= 599 else next(named, 500)
    return error_from_status_code(
        status,
        str(details.get("message") or "no reason given"),
        provider=provider,
        error_code=next(iter(words), None),
        raw=raw,
    )


def read_item(item: Fields, provider: str, own_id: str) -> Iterator[ContentPart]:
    """Translate an item of the output; `own_id` is for a call without an id."""
    kind = item.text("type")
    if kind == "message":
        about = {key: item.raw[key] for key in MESSAGE_PROPERTIES if item.raw.get(key) is not None}
        kept = ProviderData(provider, about) if about else None
        for content in item.objects("content"):
            key = "refusal" if content.text_or_none("type") == "refusal" else "text"
            yield ContentPart(ContentKind.TEXT, text=content.text(key), provider_data=kept)
    elif kind == "function_call":
        call = ToolCallData(
            item.text_or_none("call_id") or own_id,
            item.text("name"),
            item.text_or_none("arguments") or "",
        )
        yield ContentPart(ContentKind.TOOL_CALL, tool_call=call)
    elif kind == "reasoning":
        summary = [text.text_or_none("text") or "" for text in item.objects_or_none("summary")]
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


def _finish_reason(body: Fields, content: Sequence[ContentPart]) -> FinishReason:
    status = body.text_or_none("status")
    if status == "incomplete":
        why = body.object("incomplete_details").text_or_none("reason")
        return FinishReason(_INCOMPLETE.get(why or "", "other"), why)
    if status not in ("completed", None):
        return FinishReason("other", status)
    called = any(part.tool_call for part in content)
    return FinishReason("tool_calls" if called else "stop", status)


def read_usage(usage: Fields) -> Usage:
    """Return the usage, as far as it was counted."""
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
    model: str
    # For missing ids.
    seed: str
    body: JsonObject = field(default_factory=dict[str, Json])
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


def _other(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    return Step(state, [provider_event(event.raw)])


def _created(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    origin, body = state.origin, event.object("response")
    limits = read_rate_limit(origin.headers, OPENAI_LIMITS)
    start = StreamStart(
        response_id(body.text_or_none("id"), state.seed),
        body.text_or_none("model") or state.model,
        origin.provider,
        origin.warnings,
        limits,
    )
    known = replace(state, body=_given(body.raw))
    return Step(known, [StreamEvent(StreamEventType.STREAM_START, start=start)])


def _given(raw: JsonObject) -> dict[str, Json]:
    return {key: value for key, value in raw.items() if value is not None}


def _index(state: OpenAIStream, event: Fields) -> int:
    """Return the index of an item (default: by its id, otherwise a new or the newest item)."""
    given = event.count_or_none("output_index")
    if given is not None:
        return given
    name = event.raw.get("item_id") or event.object("item").raw.get("id")
    known = [index for index, item in state.items.items() if name and item.get("id") == name]
    newest = max(state.items, default=-1)
    return known[-1] if known else max(newest + ("item" in event.raw), 0)


def _item_added(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, item = _index(state, event), event.object("item")
    state = replace(state, items={**state.items, index: _given(item.raw)})
    match item.text("type"):
        case "function_call":
            id_, name = item.text_or_none("call_id"), item.text_or_none("name")
            if not id_ or not name:
                # Told when the item is done.
                return Step(state)
            call = ToolCall(id_, name, {})
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
    key = _text(_index(state, event), event.count("content_index"))
    started = [] if key in state.keys else [StreamEvent(StreamEventType.TEXT_START, text_id=key)]
    piece = StreamEvent(StreamEventType.TEXT_DELTA, delta=event.text("delta"), text_id=key)
    return Step(state.with_keys(key), [*started, piece])


def _thought_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    return _think(state, _index(state, event), event.text_or_none("delta") or "")


def _thought_part(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    if not event.count("summary_index"):
        return Step(state)
    return _think(state, _index(state, event), _PARAGRAPH)


def _think(state: OpenAIStream, index: int, piece: str) -> Step[OpenAIStream]:
    key = _thought(index)
    started = [] if key in state.keys else [StreamEvent(StreamEventType.REASONING_START)]
    shown = StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)
    return Step(state.with_keys(key).with_keys(_shown(index)), [*started, shown])


def _arguments_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, piece = _index(state, event), event.text("delta")
    item = state.items.get(index, {})
    if item.get("type") != "function_call":
        raise event.error("output_index", "the index of a call that has started")
    longer = {**item, "arguments": f"{item.get('arguments', '')}{piece}"}
    known = replace(state, items={**state.items, index: longer})
    if index not in state.calls:
        return Step(known)
    delta = replace(state.calls[index], raw_arguments=piece)
    return Step(known, [StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=delta)])


def _item_done(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, item = _index(state, event), event.object("item")
    provider, own_id = state.origin.provider, call_id(state.seed, index)
    item = stream_fields(
        _with_known(state, index, item.raw), provider=provider, path="an event.item"
    )
    parts = list(read_item(item, provider, own_id))
    known = replace(state, items={**state.items, index: item.raw})
    match item.text("type"):
        case "message":
            keys = [_text(index, n) for n, _ in enumerate(parts)]
            events: list[StreamEvent] = []
            for key, part in zip(keys, parts, strict=True):
                if key not in state.keys:
                    delta = StreamEvent(StreamEventType.TEXT_DELTA, delta=part.text, text_id=key)
                    events += [StreamEvent(StreamEventType.TEXT_START, text_id=key), delta]
                events.append(StreamEvent(StreamEventType.TEXT_END, text_id=key, text=part.text))
            return Step(known.with_keys(*keys), events)
        case "function_call":
            return Step(known, _called(state, index, parts[0]))
        case "reasoning":
            return Step(known, _thought_of(state, index, parts[0]))
        case _:
            return _other(known, event)


def _with_known(state: OpenAIStream, index: int, item: JsonObject) -> JsonObject:
    """Return an item, completed by earlier events about it."""
    known = state.items.get(index, {})
    is_same = all(item.get(key) in (None, known.get(key)) for key in ("type", "id"))
    return {**known, **_given(item)} if is_same else item


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
    raw = {**state.body, **_given(event.object("response").raw)}
    raw["status"] = event.text("type").rpartition(".")[2]
    # Some gateways do not repeat the output.
    output = raw.get("output") or [dict(state.items[index]) for index in sorted(state.items)]
    if isinstance(output, list):
        raw["output"] = [
            dict(_with_known(state, index, item)) if isinstance(item, dict) else item
            for index, item in enumerate(output)
        ]
    response = read_response(
        Reply(stream_fields(raw, provider=origin.provider), origin.headers),
        origin.warnings,
        provider=origin.provider,
        model=state.model,
        seed=state.seed,
    )
    return Step(state, [finish_event(response)])


def _error(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    # The details are in the event itself or in its "error".
    inner = event.raw.get("error")
    details = event.without("type") if inner is None else event.object("error").raw
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
