"""What Gemini's generateContent takes, and what it refuses.

What may be shown in a request to Gemini's generateContent.

Thought signatures of Gemini's: bytes in base64, which come back in either of its alphabets.

An answer of Gemini's as the chunks of a stream.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby, pairwise
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.conversation import Speaker, Turn
from attractor.twins.exchange.wire import ServerEvent, in_words, record_at, records_at, text_at
from attractor.twins.wires.request_body import (
    check_body,
    enclose,
    is_base64,
    is_intact,
    seal,
    unknown_fields,
)

_TAKEN = re.compile(r"(image|audio|video|text)/[\w.+-]+|application/(pdf|json)")
# What may stand within a result of a function.
_IN_RESULTS = re.compile(r"image/(png|jpeg|webp)|application/pdf|text/plain")


def find_media_fault(mime_type: str, data: str | None, *, in_result: bool = False) -> str:
    """Return what the provider would say of a file; one without data is fetched from elsewhere."""
    taken = _IN_RESULTS if in_result else _TAKEN
    if not taken.fullmatch(mime_type):
        return f"Unsupported MIME type: {mime_type}"
    if data is not None and not is_base64(data):
        return "Invalid value (TYPE_BYTES): Base64 decoding failed."
    return ""


# What a client may say in the place of a signature, for a call that was made elsewhere.
_UNSIGNED = (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go")
_PLAIN = str.maketrans("-_", "+/")


def sign_thought(thinking: str) -> str:
    """Return the signature of a thought that is shown."""
    return seal(thinking)


def sign(thinking: str) -> str:
    """Return the signature that carries a thought which is not shown."""
    return base64.b64encode(enclose(thinking).encode()).decode()


def is_signature(found: str, *, thought: str | None = None) -> bool:
    """Tell whether a signature is as it was made, for a thought that is shown or for none."""
    if found.encode() in _UNSIGNED:
        return True
    signed = _signed(found)
    if thought is not None:
        return signed == _signed(seal(thought)) or signed in _UNSIGNED
    return signed in _UNSIGNED or is_intact(signed.decode("utf-8", "replace"))


def _signed(signature: str) -> bytes:
    padded = signature.rstrip("=") + "=" * (-len(signature.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded.translate(_PLAIN), validate=True)
    except (binascii.Error, ValueError):
        return b""


_ROLES = ("user", "model")
_OLDER = re.compile(r"gemini-[12]\b")
_NOT_FETCHED = 'Unknown name "fileData" at function_response.parts: Cannot find field.'
_SHOWN = ("result", "output", "error")
_NAMES = (
    *("model", "contents", "tools", "tool_config", "safety_settings", "system_instruction"),
    *("generation_config", "cached_content", "service_tier", "store"),
)
_FIELDS = frozenset({*_NAMES, *map(to_camel, _NAMES)})
_FIELDS_TO_COUNT = frozenset(
    {"model", "contents", "generate_content_request", "generateContentRequest"}
)


class _Loose(BaseModel):
    # The provider takes its names in both spellings.
    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)


class _Call(_Loose):
    name: str = Field(min_length=1)
    args: dict[str, object] | None = None


class _Inline(_Loose):
    mime_type: str
    data: str


class _File(_Loose):
    mime_type: str = "application/octet-stream"
    file_uri: str = Field(min_length=1)


class _Shown(_Loose):
    inline_data: _Inline | None = None
    file_data: _File | None = None

    def fault(self, *, in_result: bool = False) -> str:
        """Return what is wrong with what is shown."""
        if self.inline_data is not None:
            shown = self.inline_data
            return find_media_fault(shown.mime_type, shown.data, in_result=in_result)
        if self.file_data is None:
            return ""
        return _NOT_FETCHED if in_result else find_media_fault(self.file_data.mime_type, None)


class _Response(_Loose):
    name: str = Field(min_length=1)
    response: dict[str, object]
    parts: list[_Shown] = []


class Part(_Shown):
    """One part of what was said, of any sort."""

    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: _Call | None = None
    function_response: _Response | None = None


class Content(_Loose):
    """What one side said."""

    role: str = "user"
    parts: list[Part] = Field(min_length=1)

    @property
    def calls(self) -> Sequence[str]:
        """The names of the functions it calls."""
        return [one.function_call.name for one in self.parts if one.function_call]

    @property
    def responses(self) -> Sequence[str]:
        """The names of the functions whose results it brings."""
        return [one.function_response.name for one in self.parts if one.function_response]


class _Thinking(_Loose):
    include_thoughts: bool | None = None


class _Config(_Loose):
    thinking_config: _Thinking | None = None


class ContentBody(_Loose):
    """A request's body, with the model from its path."""

    model: str
    contents: list[Content] = Field(min_length=1)
    system_instruction: Content | None = None
    generation_config: _Config | None = None

    @property
    def wants_thoughts(self) -> bool:
        """Whether thoughts are to be shown."""
        thinking = self.generation_config and self.generation_config.thinking_config
        return bool(thinking and thinking.include_thoughts)


def read_body(body: JsonObject) -> ContentBody:
    """Return the body with its types, or raise the Rejection the provider would answer with."""
    _check_fields(body, _FIELDS)
    asked = check_body(ContentBody, body)
    if any(one.role not in _ROLES for one in asked.contents):
        raise Rejection(400, "Please use a valid role: user, model.")
    _check_media(asked.contents)
    contents = _joined(asked.contents)
    _check_calls(contents)
    _check_signatures(contents)
    if not _OLDER.match(asked.model):
        _check_signed(contents)
    return asked


def read_count(body: JsonObject) -> ContentBody:
    """Return what is to be counted: contents, or a whole request for an answer to them."""
    _check_fields(body, _FIELDS_TO_COUNT)
    whole = body.get("generateContentRequest", body.get("generate_content_request"))
    if whole is None:
        return read_body(body)
    if not isinstance(whole, dict) or "contents" in body:
        raise Rejection(400, "Please give either contents or a generateContentRequest.")
    # The model stands in the path; what the inner request says has to be written, no more.
    return read_body({**whole, "model": body["model"]})


def read_system(asked: ContentBody) -> str:
    """Return the instructions as one text."""
    parts = asked.system_instruction.parts if asked.system_instruction else []
    return "\n".join(one.text for one in parts if one.text)


def read_turns(content: Content) -> Iterator[Turn]:
    """Yield what was said, part by part."""
    for part in content.parts:
        if part.function_response:
            yield Turn(Speaker.TOOL, _shown(part.function_response.response))
        elif content.role == "user":
            yield Turn(Speaker.USER, part.text or "")
        else:
            yield Turn(Speaker.ASSISTANT, _said(part))


def _check_fields(body: JsonObject, known: AbstractSet[str]) -> None:
    for name in unknown_fields(body, known):
        told = f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
        raise Rejection(400, told)


def _said(part: Part) -> str:
    call = part.function_call
    if call is None:
        return "" if part.thought else part.text or ""
    return f"{call.name}({json.dumps(call.args or {}, ensure_ascii=False)})"


def _shown(response: dict[str, object]) -> str:
    """Return a result as the text it was, where it was one."""
    (key, *others) = response or [""]
    value = response.get(key)
    if key in _SHOWN and not others and isinstance(value, str):
        return value
    return json.dumps(response, ensure_ascii=False)


def _joined(contents: Sequence[Content]) -> Sequence[Content]:
    """Make one content of what a side said in a row: a client may keep a stream chunk by chunk."""
    return [
        Content(role=role, parts=[part for one in said for part in one.parts])
        for role, said in groupby(contents, key=lambda one: one.role)
    ]


def _check_calls(contents: Sequence[Content]) -> None:
    """Every call is answered in the content after it, and nothing else is."""
    nothing = Content(parts=[Part()])
    for index, (before, now) in enumerate(pairwise([nothing, *contents, nothing])):
        if len(before.calls) != len(now.responses):
            raise Rejection(
                400,
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn.",
            )
        if sorted(before.calls) != sorted(now.responses):
            raise Rejection(
                400,
                f"contents[{index}]: functions called are {', '.join(before.calls)}, but results "
                f"are of {', '.join(now.responses)}.",
            )


def _check_media(contents: Sequence[Content]) -> None:
    for part in (part for content in contents for part in content.parts):
        within = part.function_response.parts if part.function_response else []
        faults = [part.fault(), *(one.fault(in_result=True) for one in within)]
        if fault := next(filter(None, faults), ""):
            raise Rejection(400, fault)


def _check_signatures(contents: Sequence[Content]) -> None:
    thought = ""
    for part in (part for content in contents for part in content.parts):
        # What was streamed in pieces is signed at the last of them.
        thought = thought + (part.text or "") if part.thought else ""
        found = part.thought_signature
        if found is None:
            continue
        if not is_signature(found, thought=thought if part.thought else None):
            raise Rejection(400, "Corrupted thought signature.")
        thought = ""


def _check_signed(contents: Sequence[Content]) -> None:
    """The first call of every step is signed, from where the user spoke last."""
    spoken = [n for n, one in enumerate(contents) if one.role == "user" and not one.responses]
    for index, content in enumerate(contents):
        called = [one for one in content.parts if one.function_call]
        if called and index > max(spoken, default=-1) and not called[0].thought_signature:
            raise Rejection(
                400,
                "Function call is missing a thought_signature in functionCall parts: function "
                f"call {content.calls[0]!r}, contents[{index}].",
            )


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
