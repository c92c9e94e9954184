"""An answer of Gemini's as the chunks of a stream."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.server_events import ServerEvent, in_words, record_at, records_at, text_at

_METHOD = ":streamGenerateContent"
_LINE_END = "\r\n"
_SIGNATURE = "thoughtSignature"


def wants_stream(target: str) -> bool:
    """Tell whether a path asks for a stream; one that is no event stream is refused."""
    parts = urlsplit(target)
    if not parts.path.endswith(_METHOD):
        return False
    if parse_qs(parts.query).get("alt") != ["sse"]:
        raise Rejection(400, f"this twin streams as {_METHOD[1:]}?alt=sse alone")
    return True


def stream_chunks(response: JsonObject) -> Iterator[ServerEvent]:
    """Yield the chunks that together say an answer; the last one says why and what it took."""
    (candidate,) = records_at(response, "candidates")
    parts = records_at(record_at(candidate, "content"), "parts")
    said = [piece for part in parts for piece in _pieces(part)]
    last: JsonObject = {"text": ""}
    if _is_signed_text(said[-1]):
        # The provider signs words after the last of them.
        last = {**said[-1], "text": ""}
        said[-1] = {"text": said[-1]["text"]}
    usage = record_at(response, "usageMetadata")
    asked = usage.get("promptTokenCount", 0)
    so_far: JsonObject = {"promptTokenCount": asked, "totalTokenCount": asked}
    for piece in said:
        yield _chunk(response, piece, {"index": 0}, so_far)
    yield _chunk(response, last, candidate, usage)


def stream_error(error: JsonObject) -> ServerEvent:
    """Return the chunk that ends a stream with an error."""
    return ServerEvent(error, line_end=_LINE_END)


def _chunk(
    response: JsonObject, part: JsonObject, candidate: JsonObject, usage: JsonObject
) -> ServerEvent:
    parts: Json = [dict(part)]
    content: Json = {"parts": parts, "role": "model"}
    # What it says stands first, whatever else is said about it.
    candidates: Json = [{"content": content} | dict(candidate) | {"content": content}]
    chunk = {**response, "candidates": candidates, "usageMetadata": dict(usage)}
    return ServerEvent(chunk, line_end=_LINE_END)


def _is_signed_text(part: JsonObject) -> bool:
    return "text" in part and _SIGNATURE in part and not part.get("thought")


def _pieces(part: JsonObject) -> Iterator[JsonObject]:
    """Cut up the words of a part, its signature with the last of them; a call comes whole."""
    words = in_words(text_at(part, "text"))
    if not words:
        yield part
        return
    unsigned = {name: value for name, value in part.items() if name != _SIGNATURE}
    yield from ({**unsigned, "text": one} for one in words[:-1])
    yield {**part, "text": words[-1]}
