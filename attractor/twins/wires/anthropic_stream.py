"""A message of Anthropic's as the events of a stream."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from attractor.base.json import Json, JsonObject
from attractor.twins.server_events import (
    ServerEvent,
    in_letters,
    in_words,
    json_text,
    record_at,
    records_at,
    text_at,
)

_Told: TypeAlias = tuple[str, Mapping[str, Json]]


def stream_message(message: JsonObject) -> Iterator[ServerEvent]:
    """Yield the events that together say a message."""
    for kind, more in _told(message):
        yield ServerEvent({"type": kind, **more}, kind)


def stream_error(error: JsonObject) -> ServerEvent:
    """Return the event that ends a stream with an error."""
    return ServerEvent(error, "error")


def _told(message: JsonObject) -> Iterator[_Told]:
    used = dict(record_at(message, "usage"))
    begun: Json = {**used, "output_tokens": 1}
    nothing: Json = []
    start: Json = {**message, "content": nothing, "stop_reason": None, "usage": begun}
    yield "message_start", {"message": start}
    for index, block in enumerate(records_at(message, "content")):
        yield "content_block_start", {"index": index, "content_block": _opened(block)}
        if not index:
            yield "ping", {}
        for delta in _deltas(block):
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ended = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    yield "message_delta", {"delta": ended, "usage": used}
    yield "message_stop", {}


def _opened(block: JsonObject) -> Json:
    """Return a block as it begins: without what deltas will bring."""
    nothing: dict[str, Json] = {}
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": nothing}
        case _:
            return dict(block)


def _deltas(block: JsonObject) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for piece in in_words(text_at(block, "text")):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in in_words(text_at(block, "thinking")):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": text_at(block, "signature")}
        case "tool_use":
            given = record_at(block, "input")
            written = json_text(given) if given else ""
            # The provider begins with an empty one, and leaves it at that for an empty input.
            for piece in ["", *in_letters(written)]:
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            return
