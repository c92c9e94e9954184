"""What OpenAI's Responses API takes, and what it refuses.

What may be said in a message to OpenAI's Responses API, and by whom.

How OpenAI asks for a key and writes errors, on either of its wires.

The fields that requests to OpenAI may have, on either of its wires.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from attractor.base.json import JsonObject
from attractor.twins.errors import NotSpoken, Rejection
from attractor.twins.exchange.conversation import Speaker, Turn
from attractor.twins.wires.request_body import (
    IMAGES,
    check_body,
    is_fetched,
    is_intact,
    read_data_url,
    spoken,
    unknown_fields,
)

_SAID = ("output_text", "refusal")
_SHOWN = ("input_text", "input_image", "input_file")


class Content(Protocol):
    """One part of a message, or of what a tool answered."""

    type: str
    image_url: str | None
    file_id: str | None
    file_data: str | None
    file_url: str | None
    filename: str | None


def check_content(content: Sequence[Content], place: str, *, by_model: bool) -> None:
    """Refuse what the provider would: the wrong sort, or a file that is none."""
    taken = _SAID if by_model else _SHOWN
    for index, one in enumerate(content):
        path = f"{place}[{index}]"
        if one.type not in taken:
            known = ", ".join(repr(kind) for kind in taken)
            raise _refused(f"Invalid value: '{one.type}'. Supported values are: {known}.")
        if one.type == "input_image" and one.file_id is None:
            _check_image(one.image_url or "", f"{path}.image_url")
        if one.type == "input_file":
            _check_file(one, path)


def _check_image(url: str, path: str) -> None:
    found = read_data_url(url)
    if found is None and not is_fetched(url):
        raise _refused(f"Invalid '{path}'. Expected a valid URL, but got a value with an error.")
    if found is not None and not (found.is_base64 and found.media_type in IMAGES):
        raise _refused(
            f"Invalid '{path}'. Expected a base64-encoded data URL with an image MIME type "
            f"(e.g. 'data:image/png;base64,aW1n'), but got '{found.media_type}'."
        )


def _check_file(file: Content, path: str) -> None:
    given = [one for one in (file.file_id, file.file_data, file.file_url) if one is not None]
    if len(given) != 1:
        raise _refused(
            f"Invalid '{path}'. Give exactly one of 'file_id', 'file_data' and 'file_url'."
        )
    if file.file_url is not None and not is_fetched(file.file_url):
        raise _refused(f"Invalid '{path}.file_url'. Expected a valid URL.")
    if file.file_data is None:
        return
    found = read_data_url(file.file_data)
    if found is None or not found.is_base64 or "/" not in found.media_type:
        raise _refused(
            f"Invalid '{path}.file_data'. Expected a base64-encoded data URL "
            "(e.g. 'data:application/pdf;base64,JVBERg==')."
        )
    if not file.filename:
        raise _refused(f"Missing required parameter: '{path}.filename'.")


def _refused(message: str) -> Rejection:
    return Rejection(400, message)


_TYPES = {429: "requests", 401: "invalid_request_error"}
_NOT_SPOKEN = {404: "unknown_url", 405: "method_not_supported"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def require_key(headers: Mapping[str, str]) -> None:
    """Refuse who shows no key."""
    if not headers.get("authorization", "").removeprefix("Bearer").strip():
        raise Rejection(401, "You didn't provide an API key.", code="invalid_api_key")


def check_fields(body: JsonObject, known: AbstractSet[str]) -> None:
    """Refuse a field that the interface does not have."""
    for name in unknown_fields(body, known):
        raise Rejection(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def error_code(rejection: Rejection) -> str | None:
    """Return the provider's code of an error, None where it has none."""
    if isinstance(rejection, NotSpoken):
        return _NOT_SPOKEN.get(rejection.status)
    return rejection.code or _CODES.get(rejection.status)


def write_error(rejection: Rejection) -> JsonObject:
    """Write an error as the provider would."""
    fallback = "server_error" if rejection.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": rejection.message,
            "type": _TYPES.get(rejection.status, fallback),
            "param": rejection.param,
            "code": error_code(rejection),
        }
    }


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
# What other servers of Chat Completions take beside: this wire stands in for them too.
_OF_OTHERS = frozenset(
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
CHAT_FIELDS = OPENAI_CHAT_FIELDS | _OF_OTHERS


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Content(_Loose):
    type: str
    text: str = ""
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class ResponseItem(_Loose):
    """One item of what was said so far, of any type."""

    type: str = "message"
    role: str = ""
    content: str | list[_Content] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Content] = ""
    encrypted_content: str | None = None

    @property
    def text(self) -> str:
        """What is said in it."""
        return spoken(self.content or "")


class ResponseBody(_Loose):
    """A request's body."""

    model: str
    input: str | list[ResponseItem]
    instructions: str | None = None
    include: list[str] | None = None
    stream: bool | None = False
    previous_response_id: str | None = None
    conversation: object = None

    @property
    def items(self) -> Sequence[ResponseItem]:
        """What was said so far as items, also where it is one text."""
        if isinstance(self.input, str):
            return [ResponseItem(role="user", content=self.input)]
        return self.input


def read_body(body: JsonObject) -> ResponseBody:
    """Return the body with its types, or raise the Rejection the provider would answer with."""
    check_fields(body, RESPONSE_FIELDS)
    asked = check_body(ResponseBody, body)
    _check_is_whole(asked)
    _check_calls(asked.items)
    _check_reasoning(asked.items)
    for index, one in enumerate(asked.items):
        _check_item(one, f"input[{index}]")
    return asked


def read_system(asked: ResponseBody) -> str:
    """Return the instructions as one text."""
    said = [asked.instructions or "", *(one.text for one in asked.items if _instructs(one))]
    return "\n".join(filter(None, said))


def read_turns(item: ResponseItem) -> Iterator[Turn]:
    """Yield what an item says."""
    if item.type == "function_call_output":
        yield Turn(Speaker.TOOL, spoken(item.output))
    elif item.type == "function_call":
        yield Turn(Speaker.ASSISTANT, f"{item.name}({item.arguments})")
    elif item.role == "user":
        yield Turn(Speaker.USER, item.text)
    elif not _instructs(item):
        yield Turn(Speaker.ASSISTANT, item.text)


def _check_is_whole(asked: ResponseBody) -> None:
    """A twin keeps nothing between requests: it cannot go on with what was said in another one."""
    for name in ("previous_response_id", "conversation"):
        if getattr(asked, name):
            told = f"this twin keeps no conversations: send all of it in `input`, without `{name}`"
            raise Rejection(400, told, code="unsupported_parameter")


def _instructs(item: ResponseItem) -> bool:
    return item.role in {"system", "developer"}


def _check_calls(items: Sequence[ResponseItem]) -> None:
    """Every call has its result and every result its call, as the provider wants it."""
    called = {one.call_id for one in items if one.type == "function_call"}
    answered = {one.call_id for one in items if one.type == "function_call_output"}
    for call_id in sorted(called - answered):
        raise Rejection(400, f"No tool output found for function call {call_id}.")
    for call_id in sorted(answered - called):
        raise Rejection(400, f"No tool call found for function call output with call_id {call_id}.")


def _check_item(item: ResponseItem, place: str) -> None:
    if item.type == "message" and isinstance(item.content, list):
        check_content(item.content, f"{place}.content", by_model=item.role == "assistant")
    if isinstance(item.output, list):
        check_content(item.output, f"{place}.output", by_model=False)


def _check_reasoning(items: Sequence[ResponseItem]) -> None:
    for index, one in enumerate(items):
        if one.type == "reasoning" and not is_intact(one.encrypted_content or ""):
            raise Rejection(
                400,
                f"The encrypted content of input[{index}] could not be verified.",
                code="invalid_encrypted_content",
            )
