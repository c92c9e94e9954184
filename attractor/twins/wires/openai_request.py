"""Reads and checks requests to OpenAI's Responses API, and writes OpenAI's errors."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from attractor.base.json import JsonObject
from attractor.twins.errors import Rejection, UnknownEndpoint
from attractor.twins.exchange.conversation import Speaker, Turn
from attractor.twins.wires.request_body import (
    IMAGES,
    check_body,
    check_call_ids,
    check_fields,
    is_intact,
    is_web_url,
    joined_text,
    read_data_url,
    reject,
)

UNKNOWN_FIELD = "unknown_parameter"
_TYPES = {429: "requests", 401: "invalid_request_error"}
_ENDPOINT_CODES = {404: "unknown_url", 405: "method_not_supported"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_MODEL_PARTS = ("output_text", "refusal")
_INPUT_PARTS = ("input_text", "input_image", "input_file")
RESPONSE_FIELDS = frozenset(
    {
        *("background", "client_metadata", "context_management", "conversation", "include"),
        *("input",),
        *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "model"),
        *("moderation", "parallel_tool_calls", "previous_response_id", "prompt"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning"),
        *("safety_identifier", "service_tier", "store", "stream", "stream_options"),
        *("temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p"),
        *("truncation", "user"),
    }
)


def require_key(headers: Mapping[str, str]) -> None:
    """Reject a request without a key."""
    if not headers.get("authorization", "").removeprefix("Bearer").strip():
        raise Rejection(401, "the API key is missing", code="invalid_api_key")


def write_error(rejection: Rejection) -> JsonObject:
    """Return an error in the provider's format."""
    fallback = "server_error" if rejection.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": rejection.message,
            "type": _TYPES.get(rejection.status, fallback),
            "param": rejection.param,
            "code": _error_code(rejection),
        }
    }


def _error_code(rejection: Rejection) -> str | None:
    if isinstance(rejection, UnknownEndpoint):
        return _ENDPOINT_CODES.get(rejection.status)
    return rejection.code or _CODES.get(rejection.status)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Part(_Loose):
    type: str
    text: str = ""
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class ResponseItem(_Loose):
    """One item of the conversation, of any type."""

    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Part] = ""
    encrypted_content: str | None = None

    @property
    def text(self) -> str:
        """The text of the item."""
        return joined_text(self.content or "")

    @property
    def is_instruction(self) -> bool:
        """Whether the item is an instruction."""
        return self.role in {"system", "developer"}


class ResponseBody(_Loose):
    """The body of a request."""

    model: str
    input: str | list[ResponseItem]
    instructions: str | None = None
    include: list[str] | None = None
    stream: bool | None = False
    previous_response_id: str | None = None
    conversation: object = None

    @property
    def items(self) -> Sequence[ResponseItem]:
        """The conversation as items; a string is one message of the user."""
        if isinstance(self.input, str):
            return [ResponseItem(role="user", content=self.input)]
        return self.input


def read_body(body: JsonObject) -> ResponseBody:
    """Return the body with its types, or raise the Rejection of the provider."""
    check_fields(body, RESPONSE_FIELDS, code=UNKNOWN_FIELD)
    request = check_body(ResponseBody, body)
    for name in ("previous_response_id", "conversation"):
        if getattr(request, name):
            problem = "this twin stores no conversations: send all of it in `input`"
            reject(name, problem, code="unsupported_parameter")
    check_call_ids(
        {item.call_id for item in request.items if item.type == "function_call"},
        {item.call_id for item in request.items if item.type == "function_call_output"},
    )
    for index, item in enumerate(request.items):
        _check_item(item, f"input[{index}]")
    return request


def read_system(request: ResponseBody) -> str:
    """Return the instructions as one text."""
    instructions = [item.text for item in request.items if item.is_instruction]
    return "\n".join(filter(None, [request.instructions or "", *instructions]))


def read_turns(item: ResponseItem) -> Iterator[Turn]:
    """Yield the turns of an item."""
    if item.type == "function_call_output":
        yield Turn(Speaker.TOOL, joined_text(item.output))
    elif item.type == "function_call":
        yield Turn(Speaker.ASSISTANT, f"{item.name}({item.arguments})")
    elif item.role == "user":
        yield Turn(Speaker.USER, item.text)
    elif not item.is_instruction:
        yield Turn(Speaker.ASSISTANT, item.text)


def _check_item(item: ResponseItem, place: str) -> None:
    if item.type == "reasoning" and not is_intact(item.encrypted_content or ""):
        reject(place, "changed encrypted_content", code="invalid_encrypted_content")
    if item.type == "message" and isinstance(item.content, list):
        allowed = _MODEL_PARTS if item.role == "assistant" else _INPUT_PARTS
        _check_parts(item.content, allowed, f"{place}.content")
    if isinstance(item.output, list):
        _check_parts(item.output, _INPUT_PARTS, f"{place}.output")


def _check_parts(parts: Sequence[_Part], allowed: Sequence[str], place: str) -> None:
    for index, part in enumerate(parts):
        if part.type not in allowed:
            reject(f"{place}[{index}]", f"the type must be one of {', '.join(allowed)}")
        is_image = part.type == "input_image" and part.file_id is None
        if (is_image and not _is_valid_image(part.image_url or "")) or (
            part.type == "input_file" and not _is_valid_file(part)
        ):
            reject(f"{place}[{index}]", f"invalid {part.type}")


def _is_valid_image(url: str) -> bool:
    data = read_data_url(url)
    return data.is_base64 and data.media_type in IMAGES if data else is_web_url(url)


def _is_valid_file(file: _Part) -> bool:
    sources = [file.file_id, file.file_data, file.file_url]
    if sum(source is not None for source in sources) != 1:
        return False
    if file.file_data is not None:
        data = read_data_url(file.file_data)
        return bool(data and data.is_base64 and "/" in data.media_type and file.filename)
    return file.file_url is None or is_web_url(file.file_url)
