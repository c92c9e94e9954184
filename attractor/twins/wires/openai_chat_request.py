"""What OpenAI's Chat Completions takes, and what it refuses.

A chat completion as the chunks of a stream.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.conversation import Speaker, Turn
from attractor.twins.exchange.wire import (
    ServerEvent,
    in_letters,
    in_words,
    record_at,
    records_at,
    text_at,
)
from attractor.twins.wires.openai_request import CHAT_FIELDS, check_fields
from attractor.twins.wires.request_body import check_body, spoken

_Count = Annotated[int, Field(ge=1)]
_INSTRUCTS = ("system", "developer")


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
    """One message, whoever says it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str = ""

    @property
    def text(self) -> str:
        """What is said in it."""
        return spoken(self.content or "")

    @property
    def calls(self) -> Sequence[_Call]:
        """The tools that are called in it."""
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
    """A request's body."""

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
    # A script has one answer to a request.
    n: Literal[1] | None = None


def read_body(body: JsonObject) -> ChatBody:
    """Return the body with its types, or raise the Rejection the provider would answer with."""
    check_fields(body, CHAT_FIELDS)
    asked = check_body(ChatBody, body)
    fault = next(_faults(asked), "")
    if fault:
        raise Rejection(400, fault)
    _check_calls(asked.messages)
    return asked


def read_system(asked: ChatBody) -> str:
    """Return the instructions as one text."""
    return "\n".join(one.text for one in asked.messages if one.role in _INSTRUCTS and one.text)


def read_turns(message: ChatMessage) -> Iterator[Turn]:
    """Yield what a message says."""
    match message.role:
        case "user":
            yield Turn(Speaker.USER, message.text)
        case "tool":
            yield Turn(Speaker.TOOL, message.text)
        case "assistant":
            yield Turn(Speaker.ASSISTANT, message.text)
            for call in message.calls:
                told = f"{call.function.name}({call.function.arguments})"
                yield Turn(Speaker.ASSISTANT, told)
        case _:
            return


def _faults(asked: ChatBody) -> Iterator[str]:
    """Yield why settings do not go together, and which messages are none."""
    if asked.max_tokens is not None and asked.max_completion_tokens is not None:
        yield (
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        )
    if asked.stream_options is not None and not asked.stream:
        yield "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    if asked.tool_choice is not None and not asked.tools:
        yield (
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are "
            "specified."
        )
    yield from _format_faults(asked)
    for index, message in enumerate(asked.messages):
        yield from _message_faults(message, index)


def _format_faults(asked: ChatBody) -> Iterator[str]:
    wanted = asked.response_format
    if wanted is None:
        return
    if wanted.type == "json_schema" and wanted.json_schema is None:
        yield "Missing required parameter: 'response_format.json_schema'."
    said = " ".join(one.text for one in asked.messages).casefold()
    if wanted.type == "json_object" and "json" not in said:
        yield (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'."
        )


def _message_faults(message: ChatMessage, index: int) -> Iterator[str]:
    if message.content is None and not (message.role == "assistant" and message.calls):
        yield f"Invalid value for 'messages.[{index}].content': expected a string, got null."
    parts = message.content if isinstance(message.content, list) else []
    strange = [part.type for part in parts if part.type not in ("text", "refusal")]
    if message.role != "user" and strange:
        yield (
            f"Invalid 'messages[{index}]'. Content of type '{strange[0]}' is only allowed for "
            f"messages with role 'user', but this message has role '{message.role}'."
        )


def _check_calls(messages: Sequence[ChatMessage]) -> None:
    """The results of calls follow at once, as the provider wants it, and nothing else does."""
    waiting: list[str] = []
    called: set[str] = set()
    for message in messages:
        if message.role != "tool":
            _check_answered(waiting)
            waiting = [one.id for one in message.calls]
            called = set(waiting)
        elif message.tool_call_id in called:
            waiting = [one for one in waiting if one != message.tool_call_id]
        else:
            raise Rejection(
                400,
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding "
                "message with 'tool_calls'.",
            )
    _check_answered(waiting)


def _check_answered(waiting: Sequence[str]) -> None:
    if waiting:
        raise Rejection(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(waiting)}",
        )


_DONE = ServerEvent({}, text="[DONE]")
_THOUGHT = "reasoning_content"


def wants_usage(body: JsonObject) -> bool:
    """Tell whether a request for a stream asks what it takes."""
    return record_at(body, "stream_options").get("include_usage") is True


def stream_completion(completion: JsonObject) -> Iterator[ServerEvent]:
    """Yield the chunks that together say a completion, and what is said behind the last one."""
    (choice,) = records_at(completion, "choices")
    usage = completion.get("usage")
    ahead = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    told: dict[str, Json] = {**ahead, "object": "chat.completion.chunk"}
    # Who asked for the usage is shown that it is still to come.
    uncounted = {} if usage is None else {"usage": None}
    for delta in _deltas(record_at(choice, "message")):
        piece: Json = {**choice, "delta": dict(delta), "finish_reason": None}
        yield ServerEvent({**told, "choices": [_bare(piece)], **uncounted})
    last: Json = {**choice, "delta": {}}
    yield ServerEvent({**told, "choices": [_bare(last)], **uncounted})
    if usage is not None:
        nothing: Json = []
        yield ServerEvent({**told, "choices": nothing, "usage": usage})
    yield _DONE


def _bare(choice: Mapping[str, Json]) -> Json:
    return {key: value for key, value in choice.items() if key != "message"}


def _deltas(message: JsonObject) -> Iterator[JsonObject]:
    """Yield what each chunk adds to a message, first who speaks."""
    begun = None if message["content"] is None else ""
    yield {"role": "assistant", "content": begun, "refusal": None}
    if _THOUGHT in message:
        for piece in in_words(text_at(message, _THOUGHT)) or [""]:
            yield {_THOUGHT: piece}
    for piece in in_words(text_at(message, "content")):
        yield {"content": piece}
    for index, call in enumerate(records_at(message, "tool_calls")):
        function = record_at(call, "function")
        named: Json = {**call, "index": index, "function": {**function, "arguments": ""}}
        yield {"tool_calls": [named]}
        for piece in in_letters(text_at(function, "arguments")):
            more: Json = {"index": index, "function": {"arguments": piece}}
            yield {"tool_calls": [more]}
