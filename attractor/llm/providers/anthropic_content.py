"""Writes the parts of a message as Anthropic's content blocks (7.3)."""

import json
from collections.abc import Iterator, Sequence

from attractor.base.canonical import Json
from attractor.llm.content import ContentKind, ContentPart, ImageData, ThinkingData, ToolResultData
from attractor.llm.errors import InvalidRequestError
from attractor.llm.images import inline
from attractor.llm.tools import ToolCall

_OURS = frozenset(ContentKind)


def write_parts(parts: Sequence[ContentPart], provider: str) -> Iterator[Json]:
    """Yield a block for every part that this provider can take."""
    for part in parts:
        kept = part.provider_data
        if kept is not None and kept.provider == provider:
            yield dict(kept.item)
        elif part.text is not None:
            yield from _text(part.text)
        elif part.thinking is not None:
            # Nobody else's thoughts are valid here.
            yield from () if kept else _thinking(part.kind, part.thinking)
        elif part.kind in _OURS:
            yield _block(part, provider)


def _text(text: str) -> Iterator[Json]:
    # The provider refuses empty texts.
    if text:
        yield {"type": "text", "text": text}


def _thinking(kind: str, thought: ThinkingData) -> Iterator[Json]:
    if thought.redacted or kind == ContentKind.REDACTED_THINKING:
        yield {"type": "redacted_thinking", "data": thought.text}
    elif thought.signature is not None:
        yield {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def _block(part: ContentPart, provider: str) -> Json:
    if part.image is not None:
        return _image(part.image)
    if part.tool_call is not None:
        call = ToolCall.from_data(part.tool_call)
        return {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": dict(call.arguments),
        }
    if part.tool_result is not None:
        return _result(part.tool_result)
    raise InvalidRequestError(
        f"content of kind {part.kind} is not supported yet for {provider}", provider=provider
    )


def _image(image: ImageData) -> Json:
    found = inline(image)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    source = {"type": "base64", "media_type": found.media_type, "data": found.data}
    return {"type": "image", "source": dict(source)}


def _result(result: ToolResultData) -> Json:
    content = result.content
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    shown: Json = text
    if result.image_data is not None:
        image = ImageData(data=result.image_data, media_type=result.image_media_type)
        shown = [*_text(text), _image(image)]
    failed: dict[str, Json] = {"is_error": True} if result.is_error else {}
    return {
        "type": "tool_result",
        "tool_use_id": result.tool_call_id,
        "content": shown,
        **failed,
    }
