"""Reads an answer of Chat Completions, also where a server leaves things out (7.5, 7.10)."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

from attractor.base.dataclasses import dataclass
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
from attractor.llm.message import Message, Role
from attractor.llm.providers.openai_response import FAILURES
from attractor.llm.response import FinishReason, Reason, Response, Usage, Warning
from attractor.llm.transport import Reply

THOUGHTS = ("reasoning_content", "reasoning")
"""The fields in which servers tell what a model thought; the first that is filled counts."""

_REASONS: Mapping[str, Reason] = {
    **{reason: reason for reason in get_args(Reason)},
    "function_call": "tool_calls",
    "eos": "stop",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
}
# A good status can carry a failure; these are the statuses it would have had.
_FAILURES = {
    **FAILURES,
    "requests": 429,
    "tokens": 429,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "invalid_request_error": 400,
}


def read_thoughts(message: Fields, provider: str) -> Iterator[ContentPart]:
    """Yield what the model thought, kept in the field in which it was told."""
    for field in THOUGHTS:
        if thought := message.text_or_none(field):
            kept = ProviderData(provider, {field: thought})
            thinking = ThinkingData(thought)
            yield ContentPart(ContentKind.THINKING, thinking=thinking, provider_data=kept)
            return


def read_usage(usage: Fields) -> Usage:
    """Return what was used, as far as it was counted."""
    cached = usage.object("prompt_tokens_details").count_or_none("cached_tokens")
    thought = usage.object("completion_tokens_details").count_or_none("reasoning_tokens")
    return Usage(
        input_tokens=usage.count("prompt_tokens"),
        output_tokens=usage.count("completion_tokens"),
        reasoning_tokens=thought,
        # The second is what DeepSeek calls it.
        cache_read_tokens=usage.count_or_none("prompt_cache_hit_tokens")
        if cached is None
        else cached,
        raw=usage.raw or None,
    )


@dataclass(frozen=True)
class Speaker:
    """Who speaks: under which name, by which model, and how what differs is read.

    The model asked is named where the answer names none; `rename` makes ours of either name.
    """

    provider: str
    model: str
    rename: Callable[[str], str] = str
    thoughts: Callable[[Fields, str], Iterator[ContentPart]] = read_thoughts
    usage: Callable[[Fields], Usage] = read_usage

    def model_of(self, body: Fields) -> str:
        """Return the model that answered."""
        return self.rename(body.text_or_none("model") or self.model)


def read_response(
    reply: Reply, warnings: Sequence[Warning], *, speaker: Speaker, seed: str | None = None
) -> Response:
    """Translate an answer, or raise what it failed of; the seed makes the ids that are left out."""
    body = reply.body
    raise_failure(body, speaker.provider)
    choices = body.objects("choices")
    if not choices:
        raise body.unlike("choices", "a list with an answer in it")
    drawn = uuid.uuid4().hex if seed is None else seed
    content = list(_content(choices[0].object("message"), speaker, drawn))
    usage = body.object("usage")
    return Response(
        id=read_id(body, drawn),
        model=speaker.model_of(body),
        provider=speaker.provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=_finish_reason(choices[0].text_or_none("finish_reason"), content),
        usage=speaker.usage(usage),
        raw=body.raw,
        warnings=[*warnings, *_uncounted(usage)],
        rate_limit=read_rate_limit(reply.headers, OPENAI_LIMITS),
    )


def read_id(body: Fields, seed: str) -> str:
    """Return an answer's id; some servers leave it out."""
    return body.text_or_none("id") or f"response_{seed}"


def call_id(seed: str, index: int) -> str:
    """Return the id of a call to which the server gave none."""
    return f"call_{seed}_{index}"


def raise_failure(body: Fields, provider: str) -> None:
    """Raise the error that stands in the place of an answer, if one does."""
    told = body.raw.get("error")
    if told is None:
        return
    raise _failure(told if isinstance(told, dict) else {"message": told}, provider, body.raw)


def _failure(details: JsonObject, provider: str, raw: JsonObject) -> SDKError:
    """Some give an HTTP status as the code, some a word, and some nothing but a message."""
    code, kind = details.get("code"), details.get("type")
    status = code if isinstance(code, int) and 400 <= code <= 599 else None
    words = [str(one) for one in (code, kind) if one]
    named = (_FAILURES[one] for one in words if one in _FAILURES)
    return error_from_status_code(
        status or next(named, 500),
        str(details.get("message") or "no reason given"),
        provider=provider,
        error_code=next(iter(words), None),
        raw=raw,
    )


def _content(message: Fields, speaker: Speaker, seed: str) -> Iterator[ContentPart]:
    yield from speaker.thoughts(message, speaker.provider)
    for field in ("content", "refusal"):
        if text := message.text_or_none(field):
            yield ContentPart(ContentKind.TEXT, text=text)
    for index, call in enumerate(objects_or_none(message, "tool_calls")):
        yield ContentPart(ContentKind.TOOL_CALL, tool_call=_call(call, call_id(seed, index)))


def objects_or_none(fields: Fields, key: str) -> Sequence[Fields]:
    """Return a list of objects, an empty one when there is none."""
    return () if fields.raw.get(key) is None else fields.objects(key)


def _call(call: Fields, own_id: str) -> ToolCallData:
    function = call.object("function")
    name = function.text("name")
    if not name:
        raise function.unlike("name", "a tool's name")
    arguments = function.raw.get("arguments")
    # Some servers write them as an object, where the interface wants a text.
    given = arguments if isinstance(arguments, dict) else function.text_or_none("arguments") or ""
    return ToolCallData(call.text_or_none("id") or own_id, name, given)


def _finish_reason(told: str | None, content: Sequence[ContentPart]) -> FinishReason:
    # Without a word the answer is whole all the same.
    reason = _REASONS.get(told, "other") if told else "stop"
    if reason == "stop" and any(part.tool_call for part in content):
        reason = "tool_calls"
    return FinishReason(reason, told)


def _uncounted(usage: Fields) -> Iterator[Warning]:
    if not usage.raw:
        yield Warning("the server does not tell how many tokens this took", "usage_missing")
