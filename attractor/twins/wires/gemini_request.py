"""Reads and checks requests to Gemini's generateContent."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from attractor.base.json import JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.wire import Speaker, Turn
from attractor.twins.wires.request_body import (
    check_body,
    check_fields,
    enclose,
    is_intact,
    reject,
    seal,
)

_MEDIA = re.compile(r"(image|audio|video|text)/[\w.+-]+|application/(pdf|json)")
_RESULT_MEDIA = re.compile(r"image/(png|jpeg|webp)|application/pdf|text/plain")
# A client may send these in place of a signature, for a call that another model made.
_PLACEHOLDERS = (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go")
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
_ROLES = ("user", "model")
_WITHOUT_SIGNATURES = re.compile(r"gemini-[12]\b")
_TEXT_RESULTS = ("result", "output", "error")
_NAMES = (
    *("model", "contents", "tools", "tool_config", "safety_settings", "system_instruction"),
    *("generation_config", "cached_content", "service_tier", "store"),
)
_FIELDS = frozenset({*_NAMES, *map(to_camel, _NAMES)})
_COUNT_FIELDS = frozenset(
    {"model", "contents", "generate_content_request", "generateContentRequest"}
)


def sign_thought(thinking: str) -> str:
    """Return the signature of a visible thought."""
    return seal(thinking)


def sign(thinking: str) -> str:
    """Return the signature that contains a hidden thought."""
    return base64.b64encode(enclose(thinking).encode()).decode()


def is_signature(signature: str, *, thought: str | None = None) -> bool:
    """Return whether the signature of a thought is unchanged; None is a hidden `thought`."""
    if signature.encode() in _PLACEHOLDERS:
        return True
    content = _decoded(signature)
    if thought is not None:
        return content == _decoded(seal(thought)) or content in _PLACEHOLDERS
    return content in _PLACEHOLDERS or is_intact(content.decode("utf-8", "replace"))


def _decoded(data: str) -> bytes:
    """Return the bytes of base64 in either alphabet, padded or not; nothing for other texts."""
    padded = data.rstrip("=") + "=" * (-len(data.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded.translate(_STANDARD_ALPHABET), validate=True)
    except (binascii.Error, ValueError):
        return b""


class _Loose(BaseModel):
    # The provider accepts its names in both spellings.
    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)


class _Call(_Loose):
    name: str = Field(min_length=1)
    args: dict[str, object] | None = None


class _InlineData(_Loose):
    mime_type: str
    data: str


class _FileData(_Loose):
    mime_type: str = "application/octet-stream"
    file_uri: str = Field(min_length=1)


class _MediaPart(_Loose):
    inline_data: _InlineData | None = None
    file_data: _FileData | None = None

    @property
    def is_valid(self) -> bool:
        """Whether a message can contain this part."""
        inline, file = self.inline_data, self.file_data
        if inline is not None:
            return bool(_MEDIA.fullmatch(inline.mime_type)) and bool(_decoded(inline.data))
        return file is None or bool(_MEDIA.fullmatch(file.mime_type))

    @property
    def is_valid_in_result(self) -> bool:
        """Whether the result of a function can contain this part."""
        inline = self.inline_data
        if inline is None:
            return self.file_data is None
        return bool(_RESULT_MEDIA.fullmatch(inline.mime_type)) and bool(_decoded(inline.data))


class _Response(_Loose):
    name: str = Field(min_length=1)
    response: dict[str, object]
    parts: list[_MediaPart] = []


class Part(_MediaPart):
    """One part of a content, of any type."""

    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: _Call | None = None
    function_response: _Response | None = None


class Content(_Loose):
    """The parts of one role."""

    role: str = "user"
    parts: list[Part] = Field(min_length=1)

    @property
    def calls(self) -> Sequence[str]:
        """The names of the functions that are called."""
        return [part.function_call.name for part in self.parts if part.function_call]

    @property
    def responses(self) -> Sequence[str]:
        """The names of the functions that have results."""
        return [part.function_response.name for part in self.parts if part.function_response]


class _Thinking(_Loose):
    include_thoughts: bool | None = None


class _Config(_Loose):
    thinking_config: _Thinking | None = None


class _Declaration(_Loose):
    name: str


class _Tool(_Loose):
    function_declarations: list[_Declaration] | None = None


class ContentBody(_Loose):
    """The body of a request, with the model from the path."""

    model: str
    contents: list[Content] = Field(min_length=1)
    system_instruction: Content | None = None
    tools: list[_Tool] | None = None
    generation_config: _Config | None = None

    @property
    def wants_thoughts(self) -> bool:
        """Whether the client requests visible thoughts."""
        thinking = self.generation_config and self.generation_config.thinking_config
        return bool(thinking and thinking.include_thoughts)


def read_body(body: JsonObject) -> ContentBody:
    """Return the body with its types, or raise the Rejection of the provider."""
    check_fields(body, _FIELDS)
    request = check_body(ContentBody, body)
    for index, content in enumerate(request.contents):
        if content.role not in _ROLES:
            reject(f"contents[{index}].role", "must be user or model")
        for part in content.parts:
            results = part.function_response.parts if part.function_response else []
            if not (part.is_valid and all(media.is_valid_in_result for media in results)):
                reject(f"contents[{index}]", "invalid inline data or file")
    # Consecutive contents of one role are joined: a client may store each chunk of a stream.
    contents = [
        Content(role=role, parts=[part for content in group for part in content.parts])
        for role, group in groupby(request.contents, key=lambda content: content.role)
    ]
    _check_calls(contents)
    _check_signatures(contents)
    if not _WITHOUT_SIGNATURES.match(request.model):
        _check_calls_are_signed(contents)
    return request


def read_count_body(body: JsonObject) -> ContentBody:
    """Return the body of a request to count tokens: contents, or a whole request."""
    check_fields(body, _COUNT_FIELDS)
    inner = body.get("generateContentRequest", body.get("generate_content_request"))
    if inner is None:
        return read_body(body)
    if not isinstance(inner, dict) or "contents" in body:
        raise Rejection(400, "give either contents or generateContentRequest")
    # The path contains the model; the model in the inner request has no effect.
    return read_body({**inner, "model": body["model"]})


def read_system(request: ContentBody) -> str:
    """Return the instructions as one text."""
    parts = request.system_instruction.parts if request.system_instruction else []
    return "\n".join(part.text for part in parts if part.text)


def read_turns(content: Content) -> Iterator[Turn]:
    """Yield the turns of a content, part by part."""
    for part in content.parts:
        if part.function_response:
            yield Turn(Speaker.TOOL, _result_text(part.function_response.response))
        elif content.role == "user":
            yield Turn(Speaker.USER, part.text or "")
        elif call := part.function_call:
            text = f"{call.name}({json.dumps(call.args or {}, ensure_ascii=False)})"
            yield Turn(Speaker.ASSISTANT, text)
        else:
            yield Turn(Speaker.ASSISTANT, "" if part.thought else part.text or "")


def _result_text(response: dict[str, object]) -> str:
    """Return a tool result as text; a text that the client wrapped is unwrapped."""
    (key, *others) = response or [""]
    value = response.get(key)
    if key in _TEXT_RESULTS and not others and isinstance(value, str):
        return value
    return json.dumps(response, ensure_ascii=False)


def _check_calls(contents: Sequence[Content]) -> None:
    """Require that each content answers exactly the calls of the preceding content."""
    empty = Content(parts=[Part()])
    for index, (before, content) in enumerate(pairwise([empty, *contents, empty])):
        if sorted(before.calls) != sorted(content.responses):
            calls, results = ", ".join(before.calls), ", ".join(content.responses)
            reject(f"contents[{index}]", f"calls of ({calls}) have results of ({results})")


def _check_signatures(contents: Sequence[Content]) -> None:
    thought = ""
    for part in (part for content in contents for part in content.parts):
        # A thought that was streamed in pieces is signed at the last piece.
        thought = thought + (part.text or "") if part.thought else ""
        signature = part.thought_signature
        if signature is None:
            continue
        if not is_signature(signature, thought=thought if part.thought else None):
            reject("thoughtSignature", "changed")
        thought = ""


def _check_calls_are_signed(contents: Sequence[Content]) -> None:
    """Require a signature at the first call of every step after the user's last message."""
    last_user = max(
        (
            index
            for index, content in enumerate(contents)
            if content.role == "user" and not content.responses
        ),
        default=-1,
    )
    for index, content in enumerate(contents):
        calls = [part for part in content.parts if part.function_call]
        if calls and index > last_user and not calls[0].thought_signature:
            reject(f"contents[{index}]", "the function call has no thoughtSignature")
