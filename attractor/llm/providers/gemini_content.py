"""Writes the parts of a message as Gemini's parts (7.3)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.content import (
    AudioData,
    ContentPart,
    DocumentData,
    ImageData,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.errors import InvalidRequestError
from attractor.llm.images import inline, media_type
from attractor.llm.message import Message
from attractor.llm.tools import ToolCall

_OLDER = re.compile(r"(?:models/)?gemini-[12]\b")
_SIGNATURE = "thoughtSignature"
# What the provider says to send where a call was made elsewhere, for no signature fits it.
_UNSIGNED = "skip_thought_signature_validator"
Part = dict[str, Json]


class Called(NamedTuple):
    """A call that results answer by its id: its name, and the provider's own id if it gave one."""

    name: str
    own_id: str | None = None


class Talk(NamedTuple):
    """What the parts of one message depend on beyond themselves."""

    provider: str
    model: str
    calls: Mapping[str, Called]


def is_older(model: str) -> bool:
    """Tell whether a model is of the generations before Gemini 3, which take less."""
    return _OLDER.match(model) is not None


def find_calls(messages: Sequence[Message], provider: str) -> Mapping[str, Called]:
    """Return the calls of a conversation by id, because results say the name and not the id."""
    parts = [part for message in messages for part in message.content]
    return {
        part.tool_call.id: Called(part.tool_call.name, _own_id(_kept(part, provider)))
        for part in parts
        if part.tool_call
    }


def write_parts(parts: Sequence[ContentPart], talk: Talk) -> Iterator[Part]:
    """Yield what stands for each part that this provider can take."""
    for part in parts:
        kept = _valid(part, talk)
        if part.text is not None:
            # The provider refuses empty texts, but what it signed it wants back.
            yield from [{"text": part.text, **kept}] if part.text or kept else []
        elif part.tool_call is not None:
            yield _call(part.tool_call, kept)
        elif part.tool_result is not None:
            yield from _result(part.tool_result, talk)
        elif kept:
            yield kept
        elif media := part.image or part.audio or part.document:
            yield _media(media)


def sign(parts: Sequence[Part], model: str) -> Sequence[Part]:
    """Return the parts of a model's turn, its calls marked when they were made elsewhere."""
    calls = [one for one in parts if "functionCall" in one]
    if not calls or is_older(model) or any(_SIGNATURE in one for one in calls):
        return parts
    return [{**one, _SIGNATURE: _UNSIGNED} if one is calls[0] else one for one in parts]


def _kept(part: ContentPart, provider: str) -> Part:
    """Return what the provider itself had said beside what our fields hold."""
    own = part.provider_data
    return dict(own.item) if own is not None and own.provider == provider else {}


def _valid(part: ContentPart, talk: Talk) -> Part:
    """Return of that what the model takes back: no thought and no signature of another one."""
    kept, own = _kept(part, talk.provider), part.provider_data
    if own is None or own.is_of(talk.model):
        return kept
    return {} if part.thinking else {key: kept[key] for key in kept if key != _SIGNATURE}


def _own_id(kept: Part) -> str | None:
    call = kept.get("functionCall")
    own_id = call.get("id") if isinstance(call, dict) else None
    return own_id if isinstance(own_id, str) else None


def _call(data: ToolCallData, kept: Part) -> Part:
    call = ToolCall.from_data(data)
    own_id = _own_id(kept)
    written: Part = {"name": call.name, "args": dict(call.arguments)}
    return {**kept, "functionCall": written | ({"id": own_id} if own_id else {})}


def _result(result: ToolResultData, talk: Talk) -> Iterator[Part]:
    called = talk.calls.get(result.tool_call_id)
    if called is None:
        raise InvalidRequestError(
            f"the tool result {result.tool_call_id!r} answers no call of the conversation, and "
            f"{talk.provider} wants to know the tool's name",
            provider=talk.provider,
            hint="keep the message with the call before its result",
        )
    written: Part = {"name": called.name, "response": _response(result)}
    if called.own_id:
        written["id"] = called.own_id
    shown = list(_shown(result))
    # Within a result nothing is fetched, and older models take nothing there.
    within = [] if is_older(talk.model) else [one for one in shown if "inlineData" in one]
    if within:
        written["parts"] = list(within)
    yield {"functionResponse": written}
    yield from (one for one in shown if one not in within)


def _response(result: ToolResultData) -> Json:
    content = result.content
    if result.is_error:
        return {"error": _plain(content)}
    return dict(content) if isinstance(content, Mapping) else {"result": _plain(content)}


def _plain(content: str | JsonObject | Sequence[Json]) -> Json:
    if isinstance(content, str):
        return content
    return dict(content) if isinstance(content, Mapping) else list(content)


def _shown(result: ToolResultData) -> Iterator[Part]:
    if result.image_data is not None:
        yield _media(ImageData(data=result.image_data, media_type=result.image_media_type))
    if result.document is not None:
        yield _media(result.document)


def _media(media: ImageData | AudioData | DocumentData) -> Part:
    found = inline(media)
    if found is None:
        return {"fileData": {"mimeType": media_type(media), "fileUri": media.url}}
    return {"inlineData": {"mimeType": found.media_type, "data": found.data}}
