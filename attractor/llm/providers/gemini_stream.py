"""Reads a stream of Gemini's streamGenerateContent (7.7)."""

from collections.abc import Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import ProviderError, error_from_status_code
from attractor.llm.fields import Fields
from attractor.llm.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.providers.gemini_errors import read_error
from attractor.llm.providers.gemini_response import (
    call_id,
    raise_blocked,
    read_id,
    read_part,
    read_response,
)
from attractor.llm.stream_event import StreamEvent, StreamEventType, StreamStart
from attractor.llm.streaming import Origin, Step, fields_of, finish, pass_on
from attractor.llm.tools import ToolCall
from attractor.llm.transport import Reply

_PLAIN = frozenset({"text", "thought"})


@dataclass(frozen=True)
class GeminiStream:
    """The answer as far as it came: pieces of one text or thought are one part of it."""

    origin: Origin
    model: str
    # For the ids that the provider does not give.
    seed: str
    has_begun: bool = False
    body: JsonObject = field(default_factory=dict[str, Json])
    candidate: JsonObject = field(default_factory=dict[str, Json])
    parts: Sequence[JsonObject] = ()
    # Whether the last part is a text or thought that may go on.
    is_open: bool = False


def step(state: GeminiStream, event: Fields) -> Step[GeminiStream]:
    """Take one chunk of the answer."""
    _raise_failure(event, state.origin.provider)
    told: list[StreamEvent] = [] if state.has_begun else [_start(state, event)]
    raise_blocked(event, state.origin.provider)
    body = {**state.body, **_said(event.raw, but="candidates")}
    state = replace(state, has_begun=True, body=body)
    if event.raw.get("candidates"):
        candidate = event.objects("candidates")[0]
        merged = {**state.candidate, **_said(candidate.raw, but="content")}
        state, more = _content(replace(state, candidate=merged), candidate.object("content"))
        told += more
        if candidate.text_or_none("finishReason"):
            told += _closing(state)
            state = replace(state, is_open=False)
    return Step(state, told)


def is_whole(state: GeminiStream) -> bool:
    """Tell whether the model said why it stopped."""
    return bool(state.candidate.get("finishReason"))


def end(state: GeminiStream) -> Sequence[StreamEvent]:
    """Tell that the answer is whole, if the model said why it stopped."""
    if not is_whole(state):
        return ()
    origin = state.origin
    parts: list[Json] = [dict(one) for one in state.parts]
    candidate: Json = {**state.candidate, "content": {"role": "model", "parts": parts}}
    body = fields_of({**state.body, "candidates": [candidate]}, provider=origin.provider)
    response = read_response(
        Reply(body, origin.headers),
        origin.warnings,
        provider=origin.provider,
        model=state.model,
        seed=state.seed,
    )
    return [*_closing(state), finish(response)]


def _raise_failure(event: Fields, provider: str) -> None:
    if event.raw.get("error") is None:
        return
    details = event.object("error")
    error = error_from_status_code(
        details.count("code") or 500,
        details.text_or_none("message") or "no reason given",
        provider=provider,
        raw=event.raw,
    )
    raise read_error(error) if isinstance(error, ProviderError) else error


def _start(state: GeminiStream, event: Fields) -> StreamEvent:
    origin = state.origin
    start = StreamStart(
        read_id(event, state.seed),
        event.text_or_none("modelVersion") or state.model,
        origin.provider,
        origin.warnings,
        read_rate_limit(origin.headers, OPENAI_LIMITS),
    )
    return StreamEvent(StreamEventType.STREAM_START, start=start)


def _said(raw: JsonObject, *, but: str) -> dict[str, Json]:
    return {key: value for key, value in raw.items() if key != but and value is not None}


def _content(state: GeminiStream, content: Fields) -> Step[GeminiStream]:
    told: list[StreamEvent] = []
    if content.raw.get("parts") is None:
        return Step(state)
    for part in content.objects("parts"):
        # A last piece is often an empty text, which a whole answer would not have.
        if part.raw and part.raw != {"text": ""}:
            state, more = _part(state, part)
            told += more
    return Step(state, told)


def _part(state: GeminiStream, part: Fields) -> Step[GeminiStream]:
    if part.raw.get("functionCall") is not None or part.text_or_none("text") is None:
        return _whole_part(state, part)
    if state.is_open and _goes_on(state.parts[-1], part.raw):
        last = state.parts[-1]
        longer = {**last, **part.raw, "text": f"{last['text']}{part.text('text')}"}
        grown = replace(state, parts=[*state.parts[:-1], longer])
        return Step(grown, _delta(grown, part))
    grown = replace(state, parts=[*state.parts, part.raw], is_open=True)
    kind = StreamEventType.REASONING_START if _is_thought(part.raw) else StreamEventType.TEXT_START
    begun = StreamEvent(kind, text_id=None if _is_thought(part.raw) else _text_id(grown))
    return Step(grown, [*_closing(state), begun, *_delta(grown, part)])


def _goes_on(last: JsonObject, piece: JsonObject) -> bool:
    """Tell whether a piece belongs to the part before it: a signature is a part's end."""
    if _is_thought(last) != _is_thought(piece):
        return False
    return last.keys() <= _PLAIN and piece.keys() <= {*_PLAIN, "thoughtSignature"}


def _whole_part(state: GeminiStream, part: Fields) -> Step[GeminiStream]:
    provider = state.origin.provider
    own_id = call_id(state.seed, len(state.parts))
    read = read_part(part, provider, own_id)
    known = replace(state, parts=[*state.parts, part.raw], is_open=False)
    if read.tool_call is None:
        return Step(known, [*_closing(state), pass_on(part.raw)])
    call = ToolCall.from_data(read.tool_call)
    begun = StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=ToolCall(call.id, call.name, {}))
    ended = StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    return Step(known, [*_closing(state), begun, ended])


def _delta(state: GeminiStream, part: Fields) -> Sequence[StreamEvent]:
    piece = part.text("text")
    if not piece:
        return ()
    if _is_thought(part.raw):
        return [StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)]
    return [StreamEvent(StreamEventType.TEXT_DELTA, delta=piece, text_id=_text_id(state))]


def _closing(state: GeminiStream) -> Sequence[StreamEvent]:
    if not state.is_open:
        return ()
    last = state.parts[-1]
    text = str(last["text"])
    if _is_thought(last):
        return [StreamEvent(StreamEventType.REASONING_END, text=text)]
    return [StreamEvent(StreamEventType.TEXT_END, text_id=_text_id(state), text=text)]


def _is_thought(part: JsonObject) -> bool:
    return part.get("thought") is True


def _text_id(state: GeminiStream) -> str:
    return f"text_{len(state.parts) - 1}"
