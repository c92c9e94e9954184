"""Translates answers, streams and errors of Gemini's generateContent (7.5, 7.7, 6.4)."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import (
    AccessDeniedError,
    AuthenticationError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    error_from_status_code,
)
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
from attractor.llm.providers.omissions import call_id, finish_reason, response_id, usage_warnings
from attractor.llm.request import ToolCall
from attractor.llm.response import Reason, Response, Usage, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType, StreamStart
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.transport.http import Reply
from attractor.llm.transport.stream_reading import Step, StreamOrigin, finish_event, provider_event

_REASONS: Mapping[str, Reason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}
# Keys with fields of their own; others are kept as provider data.
_HELD = {"text", "functionCall"}


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
    raise_blocked(body, provider)
    candidates = body.objects("candidates")
    if not candidates:
        raise ServerError(
            f"{provider} answered without a candidate",
            provider=provider,
            status_code=200,
            raw=body.raw,
        )
    # Only one is requested.
    candidate = candidates[0]
    drawn = uuid.uuid4().hex if seed is None else seed
    # An answer truncated while thinking has no parts.
    parts = [part for part in candidate.object("content").objects_or_none("parts") if part.raw]
    content = [read_part(part, provider, call_id(drawn, index)) for index, part in enumerate(parts)]
    usage = body.object("usageMetadata")
    return Response(
        id=response_id(body.text_or_none("responseId"), drawn),
        model=body.text_or_none("modelVersion") or model,
        provider=provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=finish_reason(candidate.text_or_none("finishReason"), _REASONS, content),
        usage=read_usage(usage),
        raw=body.raw,
        warnings=[*warnings, *usage_warnings(usage)],
        # Gateways may add limits by the usual names.
        rate_limit=read_rate_limit(reply.headers, OPENAI_LIMITS),
    )


def raise_blocked(body: Fields, provider: str) -> None:
    """Raise a ContentFilterError if the prompt was blocked."""
    blocked = body.object("promptFeedback").text_or_none("blockReason")
    if blocked and not body.raw.get("candidates"):
        raise ContentFilterError(
            f"{provider} blocked the prompt: {blocked}",
            provider=provider,
            status_code=200,
            error_code=blocked,
            raw=body.raw,
            hint="rephrase the prompt, or set safetySettings in the provider's options",
        )


def read_part(part: Fields, provider: str, own_id: str) -> ContentPart:
    """Translate a part; `own_id` is for a call without an id."""
    if part.raw.get("functionCall") is not None:
        call, rest = part.object("functionCall"), _rest(part)
        theirs = call.text_or_none("id")
        if theirs:
            rest["functionCall"] = {"id": theirs}
        made = ToolCallData(theirs or own_id, call.text("name"), call.object("args").raw)
        kept = _kept(rest, provider)
        return ContentPart(ContentKind.TOOL_CALL, tool_call=made, provider_data=kept)
    text = part.text_or_none("text")
    if text is None:
        named = next((key for key in part.raw if key not in _HELD), "part")
        kept = ProviderData(provider, part.raw)
        data = part.raw.get("inlineData")
        if isinstance(data, dict) and (image := read_image(data.get("data"), data.get("mimeType"))):
            return ContentPart(ContentKind.IMAGE, image=image, provider_data=kept)
        return ContentPart(f"{provider}.{named}", provider_data=kept)
    if part.raw.get("thought") is True:
        thought = ThinkingData(text, part.text_or_none("thoughtSignature"))
        kept = ProviderData(provider, part.raw)
        return ContentPart(ContentKind.THINKING, thinking=thought, provider_data=kept)
    return ContentPart(ContentKind.TEXT, text=text, provider_data=_kept(_rest(part), provider))


def _rest(part: Fields) -> dict[str, Json]:
    return {key: value for key, value in part.raw.items() if key not in _HELD}


def _kept(rest: dict[str, Json], provider: str) -> ProviderData | None:
    return ProviderData(provider, rest) if rest else None


def read_usage(usage: Fields) -> Usage:
    """Return the usage, as far as it was counted."""
    thought = usage.count_or_none("thoughtsTokenCount")
    return Usage(
        # Tool prompts and thinking are counted separately, but priced the same.
        input_tokens=usage.count("promptTokenCount") + usage.count("toolUsePromptTokenCount"),
        output_tokens=usage.count("candidatesTokenCount") + (thought or 0),
        reasoning_tokens=thought,
        cache_read_tokens=usage.count_or_none("cachedContentTokenCount"),
        raw=usage.raw,
    )


_BY_CODE: Mapping[str, type[ProviderError]] = {
    "NOT_FOUND": NotFoundError,
    "INVALID_ARGUMENT": InvalidRequestError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": AccessDeniedError,
    "RESOURCE_EXHAUSTED": RateLimitError,
    "UNAVAILABLE": ServerError,
    "INTERNAL": ServerError,
}
_TIMED_OUT = "DEADLINE_EXCEEDED"
# An invalid key is a 400 with this reason.
_WRONG_KEY = "API_KEY_INVALID"
_TOO_LONG = "exceeds the maximum number of tokens"
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?=s$)")


def read_error(error: ProviderError) -> SDKError:
    """Return the error by the gRPC code and the details in the body."""
    body = error.raw.get("error") if error.raw else None
    if not isinstance(body, dict):
        return error
    code = body.get("status")
    name = code if isinstance(code, str) else error.error_code
    listed = body.get("details")
    details: list[JsonObject] = []
    if isinstance(listed, list):
        details = [detail for detail in listed if isinstance(detail, dict)]
    if name == _TIMED_OUT:
        return RequestTimeoutError(error.message)
    asked = error.retry_after
    if asked is None:
        # Other providers use a header.
        delays = [str(detail["retryDelay"]) for detail in details if "retryDelay" in detail]
        found = _SECONDS.match(delays[0]) if delays else None
        asked = float(found[0]) if found else None
    return _kind(error, name, details)(
        error.message,
        provider=error.provider,
        status_code=error.status_code,
        error_code=name,
        retry_after=asked,
        raw=error.raw,
    )


def _kind(
    error: ProviderError, code: str | None, details: Sequence[JsonObject]
) -> type[ProviderError]:
    if any(detail.get("reason") == _WRONG_KEY for detail in details):
        return AuthenticationError
    known = _BY_CODE.get(code or "", type(error))
    if known is not InvalidRequestError:
        return known
    if _TOO_LONG in error.message:
        return ContextLengthError
    # The message has already decided a 400.
    return type(error) if error.status_code == 400 else known


_PLAIN = frozenset({"text", "thought"})
_CONTINUING = frozenset({*_PLAIN, "thoughtSignature"})


@dataclass(frozen=True)
class GeminiStream:
    """The state of a stream: the answer so far, in which pieces of a text or thought are joined."""

    origin: StreamOrigin
    model: str
    # For missing ids.
    seed: str
    has_begun: bool = False
    body: JsonObject = field(default_factory=dict[str, Json])
    candidate: JsonObject = field(default_factory=dict[str, Json])
    parts: Sequence[JsonObject] = ()
    # Whether the last part is a text or thought that may continue.
    is_open: bool = False


def step(state: GeminiStream, event: Fields) -> Step[GeminiStream]:
    """Process a chunk of the answer."""
    _raise_error(event, state.origin.provider)
    events: list[StreamEvent] = [] if state.has_begun else [_start(state, event)]
    raise_blocked(event, state.origin.provider)
    body = {**state.body, **event.without("candidates")}
    state = replace(state, has_begun=True, body=body)
    if event.raw.get("candidates"):
        candidate = event.objects("candidates")[0]
        merged = {**state.candidate, **candidate.without("content")}
        state = replace(state, candidate=merged)
        for part in candidate.object("content").objects_or_none("parts"):
            # The last piece is often an empty text.
            if part.raw and part.raw != {"text": ""}:
                state, more = _part(state, part)
                events += more
        if candidate.text_or_none("finishReason"):
            events += _closing(state)
            state = replace(state, is_open=False)
    return Step(state, events)


def is_whole(state: GeminiStream) -> bool:
    """Return whether the model gave a finish reason."""
    return bool(state.candidate.get("finishReason"))


def end(state: GeminiStream) -> Sequence[StreamEvent]:
    """Return the last events, if the model gave a finish reason."""
    if not is_whole(state):
        return ()
    origin = state.origin
    parts: list[Json] = [dict(part) for part in state.parts]
    candidate: Json = {**state.candidate, "content": {"role": "model", "parts": parts}}
    body = stream_fields({**state.body, "candidates": [candidate]}, provider=origin.provider)
    response = read_response(
        Reply(body, origin.headers),
        origin.warnings,
        provider=origin.provider,
        model=state.model,
        seed=state.seed,
    )
    return [*_closing(state), finish_event(response)]


def _raise_error(event: Fields, provider: str) -> None:
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
        response_id(event.text_or_none("responseId"), state.seed),
        event.text_or_none("modelVersion") or state.model,
        origin.provider,
        origin.warnings,
        read_rate_limit(origin.headers, OPENAI_LIMITS),
    )
    return StreamEvent(StreamEventType.STREAM_START, start=start)


def _part(state: GeminiStream, part: Fields) -> Step[GeminiStream]:
    if part.raw.get("functionCall") is not None or part.text_or_none("text") is None:
        return _whole_part(state, part)
    last: JsonObject = state.parts[-1] if state.is_open else {}
    # A signature ends a part.
    is_same_kind = state.is_open and _is_thought(last) == _is_thought(part.raw)
    if is_same_kind and last.keys() <= _PLAIN and part.raw.keys() <= _CONTINUING:
        longer = {**last, **part.raw, "text": f"{last['text']}{part.text('text')}"}
        updated = replace(state, parts=[*state.parts[:-1], longer])
        return Step(updated, _delta(updated, part))
    updated = replace(state, parts=[*state.parts, part.raw], is_open=True)
    kind = StreamEventType.REASONING_START if _is_thought(part.raw) else StreamEventType.TEXT_START
    started = StreamEvent(kind, text_id=None if _is_thought(part.raw) else _text_id(updated))
    return Step(updated, [*_closing(state), started, *_delta(updated, part)])


def _whole_part(state: GeminiStream, part: Fields) -> Step[GeminiStream]:
    provider = state.origin.provider
    own_id = call_id(state.seed, len(state.parts))
    read = read_part(part, provider, own_id)
    known = replace(state, parts=[*state.parts, part.raw], is_open=False)
    if read.tool_call is None:
        return Step(known, [*_closing(state), provider_event(part.raw)])
    call = ToolCall.from_data(read.tool_call)
    started = StreamEvent(
        StreamEventType.TOOL_CALL_START, tool_call=ToolCall(call.id, call.name, {})
    )
    ended = StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    return Step(known, [*_closing(state), started, ended])


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
