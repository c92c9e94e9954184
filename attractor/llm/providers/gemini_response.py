"""Reads an answer of Gemini's generateContent (7.5)."""

import uuid
from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import Json
from attractor.llm.content import (
    ContentKind,
    ContentPart,
    ImageData,
    ProviderData,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.errors import ContentFilterError, ServerError
from attractor.llm.fields import Fields
from attractor.llm.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.images import read_image
from attractor.llm.message import Message, Role
from attractor.llm.response import FinishReason, Reason, Response, Usage, Warning
from attractor.llm.transport import Reply

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
# What our own fields hold of a part; whatever else it says is kept beside them.
_HELD = {"text", "functionCall"}


def read_response(
    reply: Reply,
    warnings: Sequence[Warning],
    *,
    provider: str,
    model: str,
    seed: str | None = None,
) -> Response:
    """Translate an answer, or raise what kept the model from giving one.

    The seed makes the ids that the provider did not give.
    """
    body = reply.body
    candidate = _candidate(body, provider)
    drawn = uuid.uuid4().hex if seed is None else seed
    content = list(_content(candidate.object("content"), provider, drawn))
    return Response(
        id=read_id(body, drawn),
        model=body.text_or_none("modelVersion") or model,
        provider=provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=_finish_reason(candidate.text_or_none("finishReason"), content),
        usage=_usage(body.object("usageMetadata")),
        raw=body.raw,
        warnings=warnings,
        # This provider tells no limits itself; what stands before it may, by the usual names.
        rate_limit=read_rate_limit(reply.headers, OPENAI_LIMITS),
    )


def read_id(body: Fields, seed: str) -> str:
    """Return an answer's id; some gateways leave it out."""
    return body.text_or_none("responseId") or f"response_{seed}"


def _candidate(body: Fields, provider: str) -> Fields:
    """Return the first candidate, for no other was asked for."""
    raise_blocked(body, provider)
    candidates = body.objects("candidates")
    if not candidates:
        raise ServerError(
            f"{provider} answered without a candidate",
            provider=provider,
            status_code=200,
            raw=body.raw,
        )
    return candidates[0]


def raise_blocked(body: Fields, provider: str) -> None:
    """Raise what a prompt was blocked for, if it was."""
    blocked = body.object("promptFeedback").text_or_none("blockReason")
    if blocked and not body.raw.get("candidates"):
        raise ContentFilterError(
            f"{provider} blocked the prompt: {blocked}",
            provider=provider,
            status_code=200,
            error_code=blocked,
            raw=body.raw,
            hint="say it in other words, or set safetySettings in the provider's options",
        )


def _content(content: Fields, provider: str, seed: str) -> Iterator[ContentPart]:
    # Who is cut off while thinking has said nothing.
    if content.raw.get("parts") is None:
        return
    parts = [part for part in content.objects("parts") if part.raw]
    yield from (read_part(one, provider, call_id(seed, n)) for n, one in enumerate(parts))


def call_id(seed: str, index: int) -> str:
    """Return the id of a call, for the provider seldom gives one."""
    return f"call_{seed}_{index}"


def read_part(part: Fields, provider: str, own_id: str) -> ContentPart:
    """Translate one part; the id is for a call to which the provider gave none."""
    if part.raw.get("functionCall") is not None:
        return _call(part, provider, own_id)
    text = part.text_or_none("text")
    if text is None:
        named = next((key for key in part.raw if key not in _HELD), "part")
        kept = ProviderData(provider, part.raw)
        if (image := _image(part.raw.get("inlineData"))) is not None:
            return ContentPart(ContentKind.IMAGE, image=image, provider_data=kept)
        return ContentPart(f"{provider}.{named}", provider_data=kept)
    if part.raw.get("thought") is True:
        thought = ThinkingData(text, part.text_or_none("thoughtSignature"))
        kept = ProviderData(provider, part.raw)
        return ContentPart(ContentKind.THINKING, thinking=thought, provider_data=kept)
    return ContentPart(ContentKind.TEXT, text=text, provider_data=_kept(_rest(part), provider))


def _image(data: Json) -> ImageData | None:
    return read_image(data.get("data"), data.get("mimeType")) if isinstance(data, dict) else None


def _call(part: Fields, provider: str, own_id: str) -> ContentPart:
    call = part.object("functionCall")
    theirs = call.text_or_none("id")
    rest = _rest(part)
    if theirs:
        rest["functionCall"] = {"id": theirs}
    data = ToolCallData(theirs or own_id, call.text("name"), call.object("args").raw)
    return ContentPart(ContentKind.TOOL_CALL, tool_call=data, provider_data=_kept(rest, provider))


def _rest(part: Fields) -> dict[str, Json]:
    return {key: value for key, value in part.raw.items() if key not in _HELD}


def _kept(rest: dict[str, Json], provider: str) -> ProviderData | None:
    return ProviderData(provider, rest) if rest else None


def _finish_reason(why: str | None, content: Sequence[ContentPart]) -> FinishReason:
    reason = _REASONS.get(why or "", "other")
    if reason == "stop" and any(part.tool_call for part in content):
        reason = "tool_calls"
    return FinishReason(reason, why)


def _usage(usage: Fields) -> Usage:
    thought = usage.count_or_none("thoughtsTokenCount")
    return Usage(
        # What its own tools read and what it thought is counted apart here, and paid for as these.
        input_tokens=usage.count("promptTokenCount") + usage.count("toolUsePromptTokenCount"),
        output_tokens=usage.count("candidatesTokenCount") + (thought or 0),
        reasoning_tokens=thought,
        cache_read_tokens=usage.count_or_none("cachedContentTokenCount"),
        raw=usage.raw,
    )
