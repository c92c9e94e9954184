"""Translates messages to Anthropic's content blocks, with marks for the cache (7.3, 2.10).

Four cache marks are allowed. They are set on the last tool, on the last system block, and on the
last blocks of the two newest user turns. The mark in the newest turn writes this prompt to the
cache; the mark in the turn before it reads the prompt of the previous request from the cache. The
option `auto_cache = false`, or a mark in the caller's own options, turns this off.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import InvalidRequestError
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    Role,
    ThinkingData,
    ToolCallData,
    ToolResultData,
    file_name,
    inline,
    media_type,
)
from attractor.llm.providers.unsupported import INSTRUCTIONS, unsupported_audio, unsupported_part
from attractor.llm.request import ToolCall

_PDF, _TEXT = "application/pdf", "text/plain"
_TEXTS = ("application/json", "application/xml", "application/yaml", "application/toml")
_KINDS_OF_TEXT = ("+json", "+xml", "+yaml")


def write_document(document: DocumentData, provider: str) -> Json:
    """Return the block of a document, with its name as the title."""
    name = file_name(document)
    title: dict[str, Json] = {"title": name} if name else {}
    return {"type": "document", "source": _source(document, provider), **title}


def _source(document: DocumentData, provider: str) -> Json:
    found, kind = inline(document), media_type(document)
    if found is None:
        if kind != _PDF:
            raise _unsupported(f"a document of type {kind} by its URL", provider)
        return {"type": "url", "url": document.url}
    if kind == _PDF:
        return {"type": "base64", "media_type": kind, "data": found.data}
    if not (kind.startswith("text/") or kind in _TEXTS or kind.endswith(_KINDS_OF_TEXT)):
        raise _unsupported(f"a document of type {kind}", provider)
    try:
        text = found.content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise _unsupported(f"a document of type {kind} that is not UTF-8", provider) from cause
    return {"type": "text", "media_type": _TEXT, "data": text}


def _unsupported(noun: str, provider: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{provider} does not support {noun}",
        provider=provider,
        hint="pass a PDF, or its text as data; openai supports other types too",
    )


_KNOWN = frozenset(ContentKind)


def write_parts(
    parts: Sequence[ContentPart], role: Role, provider: str, model: str
) -> Iterator[Json]:
    """Yield the blocks of parts."""
    for part in parts:
        kept = part.provider_data
        if kept is not None and kept.provider == provider:
            # Thinking of another model is rejected, because its signature is invalid.
            if part.thinking is None or kept.is_valid_for(model):
                # A kept call has only the additional members.
                call = {} if part.tool_call is None else _call(part.tool_call)
                yield {**call, **kept.item}
        elif part.text is not None:
            yield from _text_blocks(part.text)
        elif part.thinking is not None:
            # Thinking of other providers is invalid.
            yield from () if kept else _thinking(part.kind, part.thinking)
        # Parts of a kind that only another provider has are left out.
        elif part.kind in _KNOWN:
            yield _block(part, role, provider)


def _text_blocks(text: str) -> Iterator[Json]:
    # The provider rejects empty texts.
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
    raise unsupported_audio(provider) if part.audio else unsupported_part(part, role, provider)


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
        "content": [*_text_blocks(text), *shown] if shown else text,
        **failed,
    }


_MEDIA = ("image", "document")


def write_turns(messages: Sequence[Message], provider: str, model: str) -> list[Json]:
    """Return the turns of a conversation; adjacent messages of the same role are one turn."""
    turns: list[tuple[str, list[Json]]] = []
    for role, blocks in _role_blocks(messages, provider, model):
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    # The provider rejects tool results after other content.
    return [
        {"role": role, "content": sorted(blocks, key=lambda block: _type(block) != "tool_result")}
        for role, blocks in turns
    ]


def _role_blocks(
    messages: Sequence[Message], provider: str, model: str
) -> Iterator[tuple[str, list[Json]]]:
    for message in messages:
        if message.role in INSTRUCTIONS:
            continue
        blocks = list(write_parts(message.content, message.role, provider, model))
        if message.role is Role.ASSISTANT:
            # Images made by other models; only messages of users may contain images.
            yield "assistant", [block for block in blocks if _type(block) not in _MEDIA]
            blocks = [block for block in blocks if _type(block) in _MEDIA]
        yield "user", blocks


def _type(block: Json) -> Json:
    return block.get("type") if isinstance(block, dict) else None


_KEY = "cache_control"
_MARK: dict[str, Json] = {_KEY: {"type": "ephemeral"}}
_USER_TURNS = 2


class Prompt(NamedTuple):
    """The three parts of a request that can be cached, in the order of the provider."""

    tools: list[Json]
    system: list[Json]
    messages: list[Json]


def mark_for_cache(prompt: Prompt) -> Prompt:
    """Return the prompt with cache marks."""
    turns = list(prompt.messages)
    users = [
        (index, turn)
        for index, turn in enumerate(turns)
        if isinstance(turn, dict) and turn.get("role") == "user"
    ]
    for index, turn in users[-_USER_TURNS:]:
        content = turn.get("content")
        if isinstance(content, list):
            turns[index] = {**turn, "content": _marked_last(content)}
    return Prompt(_marked_last(prompt.tools), _marked_last(prompt.system), turns)


def is_marked(body: JsonObject) -> bool:
    """Return whether a request already contains a mark, or requests automatic marks."""
    turns = [turn.get("content") for turn in _list(body.get("messages")) if isinstance(turn, dict)]
    places = [body.get("tools"), body.get("system"), *turns]
    blocks = [block for place in places for block in _list(place) if isinstance(block, dict)]
    results = [block for block in blocks if block.get("type") == "tool_result"]
    inner = [part for result in results for part in _list(result.get("content"))]
    return _KEY in body or any(
        _KEY in block for block in [*blocks, *inner] if isinstance(block, dict)
    )


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _marked_last(blocks: list[Json]) -> list[Json]:
    if not blocks:
        return []
    last = blocks[-1]
    return [*blocks[:-1], last | _MARK if isinstance(last, dict) else last]
