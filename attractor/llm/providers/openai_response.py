"""Reads an answer of OpenAI's Responses API (7.5)."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import JsonObject
from attractor.llm.content import (
    ContentKind,
    ContentPart,
    ProviderData,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.errors import SDKError, error_from_status_code
from attractor.llm.fields import Fields
from attractor.llm.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.images import read_image
from attractor.llm.message import Message, Role
from attractor.llm.response import FinishReason, Reason, Response, Usage, Warning
from attractor.llm.transport import Reply

_INCOMPLETE: Mapping[str, Reason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
FAILURES = {"rate_limit_exceeded": 429, "server_error": 500}
"""A good status can carry a failure; these are the statuses it would have had, by its code."""

OF_MESSAGES = ("phase",)
"""What is said of a whole message and has to come back with it."""


def read_response(reply: Reply, warnings: Sequence[Warning], *, provider: str) -> Response:
    """Translate an answer, or raise what it failed of."""
    body = reply.body
    _raise_failure(body, provider)
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


def _raise_failure(body: Fields, provider: str) -> None:
    if body.text_or_none("status") != "failed":
        return
    raise failure(body.object("error"), provider, body.raw)


def failure(details: Fields, provider: str, raw: JsonObject) -> SDKError:
    """Return the error that the words of a failure stand for."""
    code = details.text_or_none("code")
    message = details.text_or_none("message") or "no reason given"
    # What went wrong at the provider may have a type alone.
    word = code or details.text_or_none("type") or ""
    return error_from_status_code(
        FAILURES.get(word, 400), message, provider=provider, error_code=code, raw=raw
    )


def read_item(item: Fields, provider: str) -> Iterator[ContentPart]:
    """Translate one item of the output."""
    kind = item.text("type")
    if kind == "message":
        about = {key: item.raw[key] for key in OF_MESSAGES if item.raw.get(key) is not None}
        kept = ProviderData(provider, about) if about else None
        yield from (_said(one, kept) for one in item.objects("content"))
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


def _said(content: Fields, kept: ProviderData | None) -> ContentPart:
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
