"""Reads and checks requests to OpenAI's Chat Completions API."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from attractor.base.json import JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.conversation import Speaker, Turn
from attractor.twins.wires.openai_request import UNKNOWN_FIELD
from attractor.twins.wires.request_body import check_body, check_call_ids, check_fields, joined_text

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


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Part(_Loose):
    type: str
    text: str = ""


class _Function(_Loose):
    name: str
    arguments: str


class _Call(_Loose):
    id: str
    type: Literal["function"]
    function: _Function


class ChatMessage(_Loose):
    """One message of any role."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
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


class _Options(_Loose):
    include_usage: bool | None = None


class _Schema(_Loose):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")


class _Format(_Loose):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _Schema | None = None


class _Definition(_Loose):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")


class _Tool(_Loose):
    type: Literal["function"]
    function: _Definition


class ChatBody(_Loose):
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


def read_body(body: JsonObject) -> ChatBody:
    """Return the body with its types, or raise the Rejection of the provider."""
    check_fields(body, CHAT_FIELDS, code=UNKNOWN_FIELD)
    request = check_body(ChatBody, body)
    for problem in _problems(request):
        raise Rejection(400, problem)
    _check_call_results(request.messages)
    return request


def read_system(request: ChatBody) -> str:
    """Return the instructions as one text."""
    messages = [message for message in request.messages if message.role in _INSTRUCTIONS]
    return "\n".join(message.text for message in messages if message.text)


def read_turns(message: ChatMessage) -> Iterator[Turn]:
    """Yield the turns of a message."""
    match message.role:
        case "user":
            yield Turn(Speaker.USER, message.text)
        case "tool":
            yield Turn(Speaker.TOOL, message.text)
        case "assistant":
            yield Turn(Speaker.ASSISTANT, message.text)
            for call in message.calls:
                text = f"{call.function.name}({call.function.arguments})"
                yield Turn(Speaker.ASSISTANT, text)
        case _:
            return


def _problems(request: ChatBody) -> Iterator[str]:
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        yield "max_tokens and max_completion_tokens exclude each other"
    if request.stream_options is not None and not request.stream:
        yield "stream_options needs stream"
    if request.tool_choice is not None and not request.tools:
        yield "tool_choice needs tools"
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
    parts = message.content if isinstance(message.content, list) else []
    has_media = any(part.type not in ("text", "refusal") for part in parts)
    if message.role != "user" and has_media:
        yield f"{place}: only messages of the user may contain more than text"


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
