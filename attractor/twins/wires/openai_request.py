"""Reads requests of both OpenAI interfaces: Responses and Chat Completions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from attractor.base.json import JsonObject
from attractor.twins.errors import Rejection, UnknownEndpoint
from attractor.twins.exchange.wire import Speaker, Turn
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

IGNORED_PATHS = (
    *("$.metadata", "$.user", "$.safety_identifier", "$.prompt_cache_key"),
    *("$.prompt_cache_options", "$.prompt_cache_retention"),
)
UNKNOWN_FIELD = "unknown_parameter"
_TYPES = {429: "requests", 401: "invalid_request_error"}
_ENDPOINT_CODES = {404: "unknown_url", 405: "method_not_supported"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_MODEL_PARTS = ("output_text", "refusal")
CREATED = 1_767_225_600
"""The Unix time of every answer and model (2026-01-01), because equal requests get equal bytes."""
TOOL_SEARCH = "tool_search"
_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
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
_COUNT_FIELDS = frozenset(
    {
        *("conversation", "input", "instructions", "model", "parallel_tool_calls", "personality"),
        *("previous_response_id", "reasoning", "text", "tool_choice", "tools", "truncation"),
    }
)


def require_key(headers: Mapping[str, str]) -> None:
    """Reject a request without an API key."""
    if not headers.get("authorization", "").removeprefix("Bearer").strip():
        raise Rejection(401, "the API key is missing", code="invalid_api_key")


def write_error(rejection: Rejection) -> JsonObject:
    """Return an error in the provider's format."""
    fallback = "server_error" if rejection.status >= 500 else "invalid_request_error"
    code = rejection.code or _CODES.get(rejection.status)
    if isinstance(rejection, UnknownEndpoint):
        code = _ENDPOINT_CODES.get(rejection.status)
    return {
        "error": {
            "message": rejection.message,
            "type": _TYPES.get(rejection.status, fallback),
            "param": rejection.param,
            "code": code,
        }
    }


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


class _ResponseTool(_Loose):
    """A tool, or a namespace of tools."""

    type: str = ""
    name: str = ""
    tools: "list[_ResponseTool]" = []


class ResponseItem(_Loose):
    """One item of the conversation, of any type."""

    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    # A search for tools by the provider has no id.
    call_id: str | None = ""
    name: str = ""
    # A search for tools has an object.
    arguments: str | dict[str, object] = ""
    input: str = ""
    tools: list[_ResponseTool] = []
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
    tools: list[_ResponseTool] | None = None
    previous_response_id: str | None = None
    conversation: object = None

    @property
    def items(self) -> Sequence[ResponseItem]:
        """The conversation as items; a string is one message of the user."""
        if isinstance(self.input, str):
            return [ResponseItem(role="user", content=self.input)]
        return self.input


def service_tier(body: JsonObject) -> str:
    """Return the service tier of an answer."""
    asked = body.get("service_tier")
    return asked if isinstance(asked, str) and asked != "auto" else "default"


def read_count_body(body: JsonObject) -> ResponseBody:
    """Return the body of a request to count tokens, or raise the Rejection of the provider."""
    check_fields(body, _COUNT_FIELDS, code=UNKNOWN_FIELD)
    return read_body(body)


def read_body(body: JsonObject) -> ResponseBody:
    """Return the body with its types, or raise the Rejection of the provider."""
    check_fields(body, RESPONSE_FIELDS, code=UNKNOWN_FIELD)
    request = check_body(ResponseBody, body)
    for name in ("previous_response_id", "conversation"):
        if getattr(request, name):
            problem = "this twin stores no conversations: send the whole conversation in `input`"
            reject(name, problem, code="unsupported_parameter")
    check_call_ids(
        {item.call_id or "" for item in request.items if item.type in _CALLS},
        {item.call_id or "" for item in request.items if item.type in _RESULTS},
    )
    for index, item in enumerate(request.items):
        _check_item(item, f"input[{index}]")
    return request


class OfferedTools(NamedTuple):
    """The names of the tools that a request offers, and of those that take a text."""

    names: Sequence[str]
    custom: Sequence[str]
    namespaces: Mapping[str, str]


def read_tools(request: ResponseBody) -> OfferedTools:
    """Return the tools of a request, also those in a namespace or found by a search."""
    found = [tool for item in request.items for tool in item.tools]
    tools = list(_flat([*(request.tools or ()), *found]))
    custom = [tool.name for _, tool in tools if tool.type == "custom"]
    namespaces = {tool.name: namespace for namespace, tool in tools if namespace}
    names = [tool.name or TOOL_SEARCH for _, tool in tools if tool.name or tool.type == TOOL_SEARCH]
    return OfferedTools(names, custom, namespaces)


def _flat(
    tools: Sequence[_ResponseTool], namespace: str = ""
) -> Iterator[tuple[str, _ResponseTool]]:
    """Yield tools, each with its namespace."""
    for tool in tools:
        if tool.type == "namespace":
            yield from _flat(tool.tools, tool.name)
        else:
            yield namespace, tool


def read_system(request: ResponseBody) -> str:
    """Return the instructions as one text."""
    instructions = [item.text for item in request.items if item.is_instruction]
    return "\n".join(filter(None, [request.instructions or "", *instructions]))


def read_turns(item: ResponseItem) -> Iterator[Turn]:
    """Yield the turns of an item."""
    if item.type == "tool_search_call":
        yield Turn(Speaker.ASSISTANT, f"{TOOL_SEARCH}({json.dumps(item.arguments)})")
    elif item.type == "tool_search_output":
        found = [tool.name for _, tool in _flat(item.tools)]
        yield Turn(Speaker.TOOL, "\n".join(found))
    elif item.type in _RESULTS:
        yield Turn(Speaker.TOOL, joined_text(item.output))
    elif item.type in _CALLS:
        yield Turn(Speaker.ASSISTANT, f"{item.name}({item.arguments or item.input})")
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


OPENAI_CHAT_FIELDS = frozenset(
    {
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias"),
        *("logprobs", "max_completion_tokens", "max_tokens", "messages", "metadata"),
        *("modalities", "model", "moderation", "n", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_options"),
        *("prompt_cache_retention", "reasoning_effort", "response_format"),
        *("safety_identifier", "seed", "service_tier", "stop", "store", "stream"),
        *("stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p"),
        *("user", "verbosity", "web_search_options"),
    }
)
# Fields of other servers that speak Chat Completions.
_FIELDS_OF_OTHERS = frozenset(
    {
        *("best_of", "cache_prompt", "chat_template_kwargs", "enable_thinking", "grammar"),
        *("guided_choice", "guided_grammar", "guided_json", "guided_regex", "ignore_eos"),
        *("include_reasoning", "include_stop_str_in_output", "json_schema", "keep_alive"),
        *("length_penalty", "min_p", "min_tokens", "mirostat", "mirostat_eta", "mirostat_tau"),
        *("models", "num_ctx", "options", "plugins", "prefix", "priority", "provider"),
        *("reasoning", "reasoning_format", "reasoning_split", "repeat_penalty"),
        *("repetition_penalty", "route", "safe_prompt", "search_parameters"),
        *("skip_special_tokens", "slot_id", "stop_token_ids", "structured_outputs", "think"),
        *("thinking", "thinking_budget", "top_a", "top_k", "top_n_sigma", "transforms"),
        *("typical_p", "usage", "use_beam_search", "web_search"),
    }
)
CHAT_FIELDS = OPENAI_CHAT_FIELDS | _FIELDS_OF_OTHERS

_Count = Annotated[int, Field(ge=1)]
_INSTRUCTIONS = ("system", "developer")


class _ChatLoose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _ChatPart(_ChatLoose):
    type: str
    text: str = ""


class _Function(_ChatLoose):
    name: str
    arguments: str


class _Custom(_ChatLoose):
    name: str
    input: str


class _Call(_ChatLoose):
    id: str
    type: Literal["function", "custom"]
    function: _Function | None = None
    custom: _Custom | None = None

    @property
    def text(self) -> str:
        """The call as text."""
        if self.custom:
            return f"{self.custom.name}({self.custom.input})"
        return f"{self.function.name}({self.function.arguments})" if self.function else ""


class ChatMessage(_ChatLoose):
    """One message of any role."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_ChatPart] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        """The text of the message."""
        return joined_text(self.content or "")

    @property
    def calls(self) -> Sequence[_Call]:
        """The tool calls of the message."""
        return self.tool_calls or []


class _Options(_ChatLoose):
    include_usage: bool | None = None


class _Schema(_ChatLoose):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")


class _Format(_ChatLoose):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _Definition(_ChatLoose):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")


class _Tool(_ChatLoose):
    type: Literal["function", "custom"]
    function: _Definition | None = None
    custom: _Definition | None = None


class ChatBody(_ChatLoose):
    """The body of a request."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = False
    stream_options: _Options | None = None
    response_format: _Format | None = None
    tools: list[_Tool] | None = None
    tool_choice: object = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    # A script has one answer to each request.
    n: Literal[1] | None = None


def read_chat_body(body: JsonObject) -> ChatBody:
    """Return the body with its types, or raise the Rejection of the provider."""
    check_fields(body, CHAT_FIELDS, code=UNKNOWN_FIELD)
    request = check_body(ChatBody, body)
    for problem in _problems(request):
        raise Rejection(400, problem)
    _check_call_results(request.messages)
    return request


def read_chat_system(request: ChatBody) -> str:
    """Return the instructions as one text."""
    messages = [message for message in request.messages if message.role in _INSTRUCTIONS]
    return "\n".join(message.text for message in messages if message.text)


def read_chat_tools(request: ChatBody) -> OfferedTools:
    """Return the tools of a request."""
    tools = request.tools or []
    custom = [tool.custom.name for tool in tools if tool.custom]
    return OfferedTools(
        [*(tool.function.name for tool in tools if tool.function), *custom], custom, {}
    )


def read_chat_turns(message: ChatMessage) -> Iterator[Turn]:
    """Yield the turns of a message."""
    match message.role:
        case "user":
            yield Turn(Speaker.USER, message.text)
        case "tool":
            yield Turn(Speaker.TOOL, message.text)
        case "assistant":
            yield Turn(Speaker.ASSISTANT, message.text)
            for call in message.calls:
                yield Turn(Speaker.ASSISTANT, call.text)
        case _:
            return


def _problems(request: ChatBody) -> Iterator[str]:
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        yield "max_tokens and max_completion_tokens cannot be combined"
    if request.stream_options is not None and not request.stream:
        yield "stream_options needs stream"
    if request.tool_choice is not None and not request.tools:
        yield "tool_choice needs tools"
    for index, tool in enumerate(request.tools or ()):
        if (tool.custom if tool.type == "custom" else tool.function) is None:
            yield f"tools[{index}].{tool.type} is missing"
    yield from _format_problems(request)
    for index, message in enumerate(request.messages):
        yield from _message_problems(message, f"messages[{index}]")


def _format_problems(request: ChatBody) -> Iterator[str]:
    if response_format := request.response_format:
        if response_format.type == "json_schema" and response_format.json_schema is None:
            yield "response_format.json_schema is missing"
        words = " ".join(message.text for message in request.messages).casefold()
        if response_format.type == "json_object" and "json" not in words:
            yield "response_format json_object needs the word json in a message"


def _message_problems(message: ChatMessage, place: str) -> Iterator[str]:
    if message.content is None and not (message.role == "assistant" and message.calls):
        yield f"{place}.content is missing"
    for index, call in enumerate(message.calls):
        if (call.custom if call.type == "custom" else call.function) is None:
            yield f"{place}.tool_calls[{index}].{call.type} is missing"
    parts = message.content if isinstance(message.content, list) else []
    has_media = any(part.type not in ("text", "refusal") for part in parts)
    if message.role != "user" and has_media:
        yield f"{place}: only messages of the user can contain images and files"


def _check_call_results(messages: Sequence[ChatMessage]) -> None:
    """Require that the results of tool calls come right after the calls."""
    calls: set[str] = set()
    results: set[str] = set()
    for message in messages:
        if message.role == "tool":
            results.add(message.tool_call_id)
        else:
            check_call_ids(calls, results)
            calls, results = {call.id for call in message.calls}, set()
    check_call_ids(calls, results)
