"""Writes what a model said as a record, and reads it back, so that it can be given back to it.

What is a provider's own (thoughts with their signatures, items of its own) goes along. Where a
secret was replaced in such a thing, it is left out: its provider would not take it back.
"""

import json
from collections.abc import Iterable

from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.engine.errors import RecordBroken
from attractor.engine.json_files import Fields
from attractor.engine.secrets import PLACEHOLDER
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData,
)

_MEDIA = (ContentKind.IMAGE, ContentKind.AUDIO, ContentKind.DOCUMENT, ContentKind.TOOL_RESULT)


def parts_to_record(parts: Iterable[ContentPart]) -> list[Json]:
    """Return the parts of an answer as a record; of a picture only that there was one."""
    return [_part_to_record(one) for one in parts]


def answer_from_record(parts: Iterable[Fields]) -> Message:
    """Read an answer back, without what no provider would take back."""
    read = (_part_from_record(one) for one in parts)
    return Message(Role.ASSISTANT, tuple(part for part in read if not _is_spoilt(part)))


def _part_to_record(part: ContentPart) -> dict[str, Json]:
    if part.kind in _MEDIA:
        return {"kind": ContentKind.TEXT.value, "text": f"[{part.kind} left out]"}
    record: dict[str, Json] = {"kind": str(part.kind)}
    if part.text is not None:
        record["text"] = part.text
    if call := part.tool_call:
        arguments = call.arguments
        record["call"] = {
            "id": call.id,
            "name": call.name,
            "type": call.type,
            "arguments": arguments if isinstance(arguments, str) else dict(arguments),
        }
    if thought := part.thinking:
        record["thinking"] = {
            "text": thought.text,
            "signature": thought.signature,
            "redacted": thought.redacted,
        }
    if own := part.provider_data:
        record["own"] = {"provider": own.provider, "item": dict(own.item), "model": own.model}
    return record


def _part_from_record(fields: Fields) -> ContentPart:
    kind = fields.text("kind")
    try:
        return ContentPart(
            ContentKind(kind) if kind in list(ContentKind) else kind,
            text=fields.text("text") if fields.has("text") else None,
            tool_call=_call(fields.inner("call")) if fields.has("call") else None,
            thinking=_thought(fields.inner("thinking")) if fields.has("thinking") else None,
            provider_data=_own(fields.inner("own")) if fields.has("own") else None,
        )
    except UsageError as cause:
        raise RecordBroken(f"what a model said cannot be read: {cause.message}") from cause


def _call(fields: Fields) -> ToolCallData:
    text = fields.all().get("arguments")
    arguments: JsonObject | str = text if isinstance(text, str) else fields.members("arguments")
    return ToolCallData(fields.text("id"), fields.text("name"), arguments, fields.text("type"))


def _thought(fields: Fields) -> ThinkingData:
    signature = fields.text("signature") if fields.has("signature") else None
    return ThinkingData(fields.text("text"), signature, fields.flag("redacted"))


def _own(fields: Fields) -> ProviderData:
    model = fields.text("model") if fields.has("model") else None
    return ProviderData(fields.text("provider"), fields.members("item"), model)


def _is_spoilt(part: ContentPart) -> bool:
    """Tell whether a part holds what has to come back whole, and does not."""
    if part.thinking:
        return PLACEHOLDER in part.thinking.text or PLACEHOLDER in (part.thinking.signature or "")
    if part.provider_data:
        return PLACEHOLDER in json.dumps(part.provider_data.item, ensure_ascii=False)
    return False
