"""Translates answers and streams of Chat Completions (7.5, 7.7, 7.10)."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import get_args

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
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
from attractor.llm.providers.openai_response import failure
from attractor.llm.request import ToolCall
from attractor.llm.response import Reason, Response, Usage, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType, StreamStart
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.transport.http import Reply
from attractor.llm.transport.stream_reading import Step, StreamOrigin, finish_event, provider_event

THOUGHTS = ("reasoning_content", "reasoning")
"""Fields with thinking; the first field with a value is used."""

_REASONS: Mapping[str, Reason] = {
    **{reason: reason for reason in get_args(Reason)},
    "function_call": "tool_calls",
    "eos": "stop",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}


def read_thoughts(message: Fields, provider: str) -> Iterator[ContentPart]:
    """Yield the thinking of a message; the field name is kept as provider data."""
    for name in THOUGHTS:
        if thought := message.text_or_none(name):
            kept = ProviderData(provider, {name: thought})
            thinking = ThinkingData(thought)
            yield ContentPart(ContentKind.THINKING, thinking=thinking, provider_data=kept)
            return


def read_usage(usage: Fields) -> Usage:
    """Return the usage, as far as it was counted."""
    cached = usage.object("prompt_tokens_details").count_or_none("cached_tokens")
    thought = usage.object("completion_tokens_details").count_or_none("reasoning_tokens")
    return Usage(
        input_tokens=usage.count("prompt_tokens"),
        output_tokens=usage.count("completion_tokens"),
        reasoning_tokens=thought,
        # The second is DeepSeek's name.
        cache_read_tokens=usage.count_or_none("prompt_cache_hit_tokens")
        if cached is None
        else cached,
        raw=usage.raw or None,
    )


@dataclass(frozen=True)
class ChatDialect:
    """A provider and a model, and the functions for the provider's variant of Chat Completions.

    `rename` converts the model name of an answer; if the answer has no model name, `rename`
    converts the requested name.
    """

    provider: str
    model: str
    rename: Callable[[str], str] = str
    thoughts: Callable[[Fields, str], Iterator[ContentPart]] = read_thoughts
    usage: Callable[[Fields], Usage] = read_usage

    def model_of(self, body: Fields) -> str:
        """Return the name of the model that answered."""
        return self.rename(body.text_or_none("model") or self.model)


def read_response(
    reply: Reply, warnings: Sequence[Warning], *, speaker: ChatDialect, seed: str | None = None
) -> Response:
    """Translate an answer, or raise its error; the seed determines missing ids."""
    body = reply.body
    raise_error(body, speaker.provider)
    choices = body.objects("choices")
    if not choices:
        raise body.error("choices", "a list with an answer")
    drawn = uuid.uuid4().hex if seed is None else seed
    content = list(_content(choices[0].object("message"), speaker, drawn))
    usage = body.object("usage")
    return Response(
        id=response_id(body.text_or_none("id"), drawn),
        model=speaker.model_of(body),
        provider=speaker.provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=finish_reason(choices[0].text_or_none("finish_reason"), _REASONS, content),
        usage=speaker.usage(usage),
        raw=body.raw,
        warnings=[*warnings, *usage_warnings(usage)],
        rate_limit=read_rate_limit(reply.headers, OPENAI_LIMITS),
    )


def raise_error(body: Fields, provider: str) -> None:
    """Raise the error inside a successful answer, if any."""
    error = body.raw.get("error")
    if error is None:
        return
    raise failure(error if isinstance(error, dict) else {"message": error}, provider, body.raw)


def _content(message: Fields, speaker: ChatDialect, seed: str) -> Iterator[ContentPart]:
    yield from speaker.thoughts(message, speaker.provider)
    for name in ("content", "refusal"):
        if text := message.text_or_none(name):
            yield ContentPart(ContentKind.TEXT, text=text)
    for index, call in enumerate(message.objects_or_none("tool_calls")):
        function = call.object("function")
        tool = function.text("name")
        if not tool:
            raise function.error("name", "a tool's name")
        # Some servers send an object instead of a text.
        given = function.raw.get("arguments")
        arguments = given if isinstance(given, dict) else function.text_or_none("arguments") or ""
        made = ToolCallData(call.text_or_none("id") or call_id(seed, index), tool, arguments)
        yield ContentPart(ContentKind.TOOL_CALL, tool_call=made)


@dataclass(frozen=True)
class PartialCalls:
    """The tool calls of a stream so far; the position of each call is stored by index.

    Servers differ: some omit the index or the id, some use one index for all calls, some send the
    arguments as an object.
    """

    made: Sequence[JsonObject] = ()
    places: Mapping[int, int] = field(default_factory=dict[int, int])


def add_call_pieces(calls: PartialCalls, pieces: Sequence[Fields], seed: str) -> Step[PartialCalls]:
    """Add the pieces of a chunk to the tool calls; the seed determines missing ids."""
    events: list[StreamEvent] = []
    for piece in pieces:
        calls, more = _grow(calls, piece, seed)
        events += more
    return Step(calls, events)


def _grow(calls: PartialCalls, piece: Fields, seed: str) -> Step[PartialCalls]:
    index, function = piece.count_or_none("index"), piece.object("function")
    place = _place(calls, piece, index)
    known: JsonObject = {"id": piece.text_or_none("id") or call_id(seed, place)}
    if place < len(calls.made):
        known = calls.made[place]
    name = _name(known) or function.text_or_none("name") or ""
    arguments, given = _arguments(known), function.raw.get("arguments")
    if isinstance(given, dict):
        arguments = given
    else:
        more = function.text_or_none("arguments") or ""
        arguments = arguments + more if isinstance(arguments, str) else arguments
    call: JsonObject = {
        **known,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    made = [*calls.made[:place], call, *calls.made[place + 1 :]]
    places = calls.places if index is None else {**calls.places, index: place}
    return Step(PartialCalls(made, places), _piece_events(known, call, function))


def _place(calls: PartialCalls, piece: Fields, index: int | None) -> int:
    """Return the position of the tool call of a piece; a new call is added at the end."""
    own_id, name = piece.text_or_none("id"), piece.object("function").text_or_none("name")
    last = len(calls.made) - 1
    place = last if index is None else calls.places.get(index, len(calls.made))
    if not 0 <= place <= last:
        return len(calls.made)
    if not name or own_id == calls.made[place]["id"]:
        return place
    # A name begins a call, unless it is repeated with an index.
    is_repeated = not own_id and index is not None
    return place if is_repeated or not _name(calls.made[place]) else len(calls.made)


def _name(call: JsonObject) -> str:
    function = call.get("function")
    return str(function["name"]) if isinstance(function, dict) else ""


def _arguments(call: JsonObject) -> Json:
    function = call.get("function")
    return function["arguments"] if isinstance(function, dict) else ""


def _piece_events(known: JsonObject, call: JsonObject, function: Fields) -> Sequence[StreamEvent]:
    """Return the events of a piece; a call begins when its name is known."""
    name = _name(call)
    if not name:
        return ()
    has_begun = bool(_name(known))
    given = function.raw.get("arguments") if has_begun else _arguments(call)
    piece = given if isinstance(given, str) else json.dumps(given) if given else ""
    bare = ToolCall(str(call["id"]), name, {})
    started = [] if has_begun else [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=bare)]
    if not piece:
        return started
    delta = ToolCall(bare.id, name, {}, piece)
    return [*started, StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=delta)]


_TEXTS = ("content", "refusal")


@dataclass(frozen=True)
class ChatStream:
    """The state of a stream: the answer so far, and the unfinished text or thought."""

    origin: StreamOrigin
    speaker: ChatDialect
    # For missing ids.
    seed: str
    has_begun: bool = False
    body: JsonObject = field(default_factory=dict[str, Json])
    choice: JsonObject = field(default_factory=dict[str, Json])
    message: JsonObject = field(default_factory=dict[str, Json])
    calls: PartialCalls = PartialCalls()
    # The open field, where its current section began, and the number of sections.
    open: str = ""
    since: int = 0
    turns: int = 0


def step(state: ChatStream, event: Fields) -> Step[ChatStream]:
    """Process a chunk of the answer."""
    raise_error(event, state.origin.provider)
    if not {"choices", "usage"} & event.raw.keys():
        return Step(state, [provider_event(event.raw)])
    state = replace(state, body={**state.body, **event.without("choices")})
    events: list[StreamEvent] = []
    for choice in event.objects_or_none("choices"):
        # Options may request several answers; only the first is used.
        if not choice.count("index"):
            state, more = _choice(state, choice)
            events += more
    return Step(state, events)


def is_whole(state: ChatStream) -> bool:
    """Return whether the model gave a finish reason."""
    return bool(state.choice.get("finish_reason"))


def end(state: ChatStream) -> Sequence[StreamEvent]:
    """Return the last events, if the model gave a finish reason."""
    if not is_whole(state):
        return ()
    origin = state.origin
    calls: list[Json] = [dict(call) for call in state.calls.made]
    message: Json = {**state.message, **({"tool_calls": calls} if calls else {})}
    choices: Json = [{**state.choice, "message": message}]
    whole = {**state.body, "object": "chat.completion", "choices": choices}
    response = read_response(
        Reply(stream_fields(whole, provider=origin.provider), origin.headers),
        origin.warnings,
        speaker=state.speaker,
        seed=state.seed,
    )
    ended = [
        StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call) for call in response.tool_calls
    ]
    return [*_closing(state), *ended, finish_event(response)]


def _choice(state: ChatStream, choice: Fields) -> Step[ChatStream]:
    events = [] if state.has_begun else [_start(state)]
    merged = {**state.choice, **choice.without("delta")}
    state = replace(state, has_begun=True, choice=merged)
    delta = choice.object("delta")
    role = delta.text_or_none("role")
    if role:
        state = replace(state, message={**state.message, "role": role})
    pieces = [(name, delta.text_or_none(name)) for name in (*THOUGHTS, *_TEXTS)]
    if pieces[0][1]:
        # Some servers send thinking in both fields.
        del pieces[1]
    for name, piece in pieces:
        if piece:
            state, more = _add_text(state, name, piece)
            events += more
    if call_pieces := delta.objects_or_none("tool_calls"):
        calls, more = add_call_pieces(state.calls, call_pieces, state.seed)
        events += [*_closing(state), *more]
        state = replace(state, calls=calls, open="")
    return Step(state, events)


def _start(state: ChatStream) -> StreamEvent:
    origin = state.origin
    body = stream_fields(state.body, provider=origin.provider)
    start = StreamStart(
        response_id(body.text_or_none("id"), state.seed),
        state.speaker.model_of(body),
        origin.provider,
        origin.warnings,
        read_rate_limit(origin.headers, OPENAI_LIMITS),
    )
    return StreamEvent(StreamEventType.STREAM_START, start=start)


def _add_text(state: ChatStream, name: str, piece: str) -> Step[ChatStream]:
    before = str(state.message.get(name, ""))
    updated = replace(state, message={**state.message, name: before + piece})
    if state.open == name:
        return Step(updated, [_delta(updated, piece)])
    turned = replace(updated, open=name, since=len(before), turns=state.turns + 1)
    is_thought = name in THOUGHTS
    kind = StreamEventType.REASONING_START if is_thought else StreamEventType.TEXT_START
    started = StreamEvent(kind, text_id=None if is_thought else _text_id(turned))
    return Step(turned, [*_closing(state), started, _delta(turned, piece)])


def _delta(state: ChatStream, piece: str) -> StreamEvent:
    if state.open in THOUGHTS:
        return StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)
    return StreamEvent(StreamEventType.TEXT_DELTA, delta=piece, text_id=_text_id(state))


def _closing(state: ChatStream) -> Sequence[StreamEvent]:
    if not state.open:
        return ()
    text = str(state.message[state.open])[state.since :]
    if state.open in THOUGHTS:
        return [StreamEvent(StreamEventType.REASONING_END, text=text)]
    return [StreamEvent(StreamEventType.TEXT_END, text_id=_text_id(state), text=text)]


def _text_id(state: ChatStream) -> str:
    return f"text_{state.turns}"
