"""Writes the parts of a message as Anthropic's content blocks (7.3)."""

import json
from collections.abc import Iterator, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.content import (
    ContentKind,
    ContentPart,
    ImageData,
    ThinkingData,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.images import inline
from attractor.llm.message import Role
from attractor.llm.providers.anthropic_documents import write_document
from attractor.llm.providers.refusals import no_audio, no_such_part
from attractor.llm.tools import ToolCall

_OURS = frozenset(ContentKind)


def write_parts(
    parts: Sequence[ContentPart], role: Role, provider: str, model: str
) -> Iterator[Json]:
    """Yield a block for every part that this provider can take."""
    for part in parts:
        kept = part.provider_data
        if kept is not None and kept.provider == provider:
            # What another model thought is refused: it is not this one that signed it.
            if part.thinking is None or kept.is_of(model):
                yield _kept(part, kept.item)
        elif part.text is not None:
            yield from _text(part.text)
        elif part.thinking is not None:
            # Nobody else's thoughts are valid here.
            yield from () if kept else _thinking(part.kind, part.thinking)
        elif part.kind in _OURS:
            yield _block(part, role, provider)


def _kept(part: ContentPart, item: JsonObject) -> Json:
    """Return a block as it came; of a call it is only what our own fields do not hold."""
    return dict(item) if part.tool_call is None else {**_call(part.tool_call), **item}


def _text(text: str) -> Iterator[Json]:
    # The provider refuses empty texts.
    if text:
        yield {"type": "text", "text": text}


def _thinking(kind: str, thought: ThinkingData) -> Iterator[Json]:
    if thought.redacted or kind == ContentKind.REDACTED_THINKING:
        yield {"type": "redacted_thinking", "data": thought.text}
    elif thought.signature is not None:
        yield {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def _block(part: ContentPart, role: Role, provider: str) -> Json:
    if part.image is not None:
        return _image(part.image)
    if part.document is not None:
        return write_document(part.document, provider)
    if part.tool_call is not None:
        return _call(part.tool_call)
    if part.tool_result is not None:
        return _result(part.tool_result, provider)
    raise no_audio(provider) if part.audio else no_such_part(part, role, provider)


def _call(data: ToolCallData) -> dict[str, Json]:
    call = ToolCall.from_data(data)
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}


def _image(image: ImageData) -> Json:
    found = inline(image)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": found.media_type, "data": found.data}
    return {"type": "image", "source": dict(source)}


def _result(result: ToolResultData, provider: str) -> Json:
    content = result.content
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    shown: list[Json] = []
    if result.image_data is not None:
        shown.append(_image(ImageData(None, result.image_data, result.image_media_type)))
    if result.document is not None:
        shown.append(write_document(result.document, provider))
    failed: dict[str, Json] = {"is_error": True} if result.is_error else {}
    return {
        "type": "tool_result",
        "tool_use_id": result.tool_call_id,
        "content": [*_text(text), *shown] if shown else text,
        **failed,
    }
