"""A response of OpenAI's as the events of a stream."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attractor.base.json import Json, JsonObject
from attractor.twins.exchange.wire import (
    ServerEvent,
    in_letters,
    in_words,
    record_at,
    records_at,
    text_at,
)

_Told: TypeAlias = tuple[str, Mapping[str, Json]]
_NOTHING: Json = []
_NO_CODE = "server_error"


def stream_response(response: JsonObject) -> Iterator[ServerEvent]:
    """Yield the events that together say a response."""
    return _numbered(_told(response))


def stream_error(error: JsonObject, sent: Sequence[ServerEvent]) -> Sequence[ServerEvent]:
    """Return the events that end a stream with an error: it is told, and the response failed.

    The reference shows the error's own fields in its event; what is sent has them in a table.
    """
    said = record_at(error, "error")
    brief: Json = {"code": said["code"] or _NO_CODE, "message": said["message"]}
    failed: Json = {**record_at(sent[0].data, "response"), "status": "failed", "error": brief}
    ends: list[_Told] = [("error", error), ("response.failed", {"response": failed})]
    return list(_numbered(ends, start=len(sent)))


def _numbered(told: Iterable[_Told], start: int = 0) -> Iterator[ServerEvent]:
    for number, (kind, more) in enumerate(told, start):
        yield ServerEvent({"type": kind, "sequence_number": number, **more}, kind)


def _told(response: JsonObject) -> Iterator[_Told]:
    begun: Json = {
        **response,
        "status": "in_progress",
        "incomplete_details": None,
        "output": _NOTHING,
        "usage": None,
    }
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(records_at(response, "output")):
        yield "response.output_item.added", {"output_index": index, "item": _opened(item)}
        yield from _content(item, {"item_id": item["id"], "output_index": index})
        yield "response.output_item.done", {"output_index": index, "item": dict(item)}
    yield f"response.{response['status']}", {"response": dict(response)}


def _opened(item: JsonObject) -> Json:
    """Return an item as it begins: without what events will bring."""
    match item["type"]:
        case "reasoning":
            return {**item, "summary": _NOTHING, "encrypted_content": None}
        case "function_call":
            return {**item, "arguments": "", "status": "in_progress"}
        case _:
            return {**item, "content": _NOTHING, "status": "in_progress"}


def _content(item: JsonObject, place: JsonObject) -> Iterator[_Told]:
    match item["type"]:
        case "reasoning":
            for index, part in enumerate(records_at(item, "summary")):
                yield from _summary(part, {**place, "summary_index": index})
        case "function_call":
            arguments = text_at(item, "arguments")
            for piece in in_letters(arguments):
                yield "response.function_call_arguments.delta", {**place, "delta": piece}
            yield "response.function_call_arguments.done", {**place, "arguments": arguments}
        case _:
            for index, part in enumerate(records_at(item, "content")):
                yield from _words(part, {**place, "content_index": index})


def _summary(part: JsonObject, place: JsonObject) -> Iterator[_Told]:
    text = text_at(part, "text")
    yield "response.reasoning_summary_part.added", {**place, "part": {**part, "text": ""}}
    for piece in in_words(text):
        yield "response.reasoning_summary_text.delta", {**place, "delta": piece}
    yield "response.reasoning_summary_text.done", {**place, "text": text}
    yield "response.reasoning_summary_part.done", {**place, "part": dict(part)}


def _words(part: JsonObject, place: JsonObject) -> Iterator[_Told]:
    text = text_at(part, "text")
    likely: JsonObject = {"logprobs": _NOTHING}
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for piece in in_words(text):
        yield "response.output_text.delta", {**place, "delta": piece, **likely}
    yield "response.output_text.done", {**place, "text": text, **likely}
    yield "response.content_part.done", {**place, "part": dict(part)}
