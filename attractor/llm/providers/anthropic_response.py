"""Reads an answer of Anthropic's Messages API (7.5)."""

import math
from collections.abc import Mapping, Sequence

from attractor.llm.content import (
    ContentKind,
    ContentPart,
    ProviderData,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.fields import Fields
from attractor.llm.headers import ANTHROPIC_LIMITS, read_rate_limit
from attractor.llm.message import Message, Role
from attractor.llm.response import FinishReason, Reason, Response, Usage, Warning
from attractor.llm.transport import Reply

_REASONS: Mapping[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
# Where the provider does not count what was thought: about four letters make a token (3.9).
_LETTERS_A_TOKEN = 4
# What our own fields hold of a block; whatever else it says is kept beside them.
_TEXT = {"type", "text"}
_CALL = {"type", "id", "name", "input"}


def read_response(reply: Reply, warnings: Sequence[Warning], *, provider: str) -> Response:
    """Translate an answer."""
    body = reply.body
    content = [read_part(block, provider) for block in body.objects("content")]
    why = body.text_or_none("stop_reason")
    return Response(
        id=body.text("id"),
        model=body.text("model"),
        provider=provider,
        message=Message(Role.ASSISTANT, content),
        finish_reason=FinishReason(_REASONS.get(why or "", "other"), why),
        usage=_usage(body.object("usage"), content),
        raw=body.raw,
        warnings=warnings,
        rate_limit=read_rate_limit(reply.headers, ANTHROPIC_LIMITS),
    )


def read_part(block: Fields, provider: str) -> ContentPart:
    """Translate one content block."""
    kind = block.text("type")
    kept = ProviderData(provider, block.raw)
    match kind:
        case "text":
            # Beside its words it may say where they come from.
            more = kept if any(block.raw[key] for key in block.raw.keys() - _TEXT) else None
            return ContentPart(ContentKind.TEXT, text=block.text("text"), provider_data=more)
        case "tool_use":
            # In a stream a call may break off: what there is of its text stands here then.
            written = block.raw.get("input")
            arguments = written if isinstance(written, str) else block.object("input").raw
            call = ToolCallData(block.text("id"), block.text("name"), arguments)
            rest = {key: value for key, value in block.raw.items() if key not in _CALL}
            own = ProviderData(provider, rest) if rest else None
            return ContentPart(ContentKind.TOOL_CALL, tool_call=call, provider_data=own)
        case "thinking":
            thought = ThinkingData(block.text("thinking"), block.text_or_none("signature"))
            return ContentPart(ContentKind.THINKING, thinking=thought, provider_data=kept)
        case "redacted_thinking":
            hidden = ThinkingData(block.text("data"), redacted=True)
            return ContentPart(ContentKind.REDACTED_THINKING, thinking=hidden, provider_data=kept)
        case _:
            return ContentPart(f"{provider}.{kind}", provider_data=kept)


def _usage(usage: Fields, content: Sequence[ContentPart]) -> Usage:
    told = usage.object("output_tokens_details").count_or_none("thinking_tokens")
    return Usage(
        input_tokens=usage.count("input_tokens"),
        output_tokens=usage.count("output_tokens"),
        reasoning_tokens=_thought_tokens(content) if told is None else told,
        cache_read_tokens=usage.count_or_none("cache_read_input_tokens"),
        cache_write_tokens=usage.count_or_none("cache_creation_input_tokens"),
        raw=usage.raw,
    )


def _thought_tokens(content: Sequence[ContentPart]) -> int | None:
    thoughts = [
        part.thinking.text
        for part in content
        if part.kind == ContentKind.THINKING and part.thinking
    ]
    return math.ceil(sum(map(len, thoughts)) / _LETTERS_A_TOKEN) if thoughts else None
