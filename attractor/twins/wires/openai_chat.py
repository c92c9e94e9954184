"""OpenAI's Chat Completions, implemented for twins; many servers and gateways have the same API."""

from collections.abc import Iterator, Mapping, Sequence

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.exchange.wire import (
    Conversation,
    ServerEvent,
    WireRequest,
    in_letters,
    in_words,
    join_turns,
    record_at,
    records_at,
    text_at,
)
from attractor.twins.wires.openai_request import (
    CREATED,
    IGNORED_PATHS,
    read_chat_body,
    read_chat_system,
    read_chat_tools,
    read_chat_turns,
    require_key,
    service_tier,
    write_error,
)
from attractor.twins.wires.request_body import arguments_text, count_answer, custom_input

_DONE = ServerEvent({}, text="[DONE]")
_THINKING = "reasoning_content"


class OpenAIChatWire:
    """The wire of POST /v1/chat/completions."""

    name = "openai_chat"
    path = "/v1/chat/completions"
    other_paths = ()
    base_path = "/v1"
    variables = ("OPENAI_COMPATIBLE_BASE_URL", "OPENAI_COMPATIBLE_API_KEY")
    ignored_paths = IGNORED_PATHS
    request_id_header = "x-request-id"
    id_paths = ("$.messages[*].tool_calls[*].id", "$.messages[*].tool_call_id")

    def read(self, headers: Mapping[str, str], body: JsonObject) -> Conversation:
        """Read a request, or raise the Rejection of the provider."""
        require_key(headers)
        request = read_chat_body(body)
        turns = join_turns(
            turn for message in request.messages for turn in read_chat_turns(message)
        )
        system = read_chat_system(request)
        offered = read_chat_tools(request)
        return Conversation(self.name, request.model, system, turns, None, *offered)

    def write(self, answer: Answer, request: WireRequest) -> JsonObject:
        """Return an answer in the provider's format."""
        choice: Json = {
            "index": 0,
            "message": _message(answer, request),
            "logprobs": None,
            "finish_reason": answer.finished_by,
        }
        completion: dict[str, Json] = {
            "id": f"chatcmpl-{request.seed}",
            "object": "chat.completion",
            "created": CREATED,
            "model": request.conversation.model,
            "choices": [choice],
            "system_fingerprint": None,
            "service_tier": service_tier(request.body),
        }
        wants_usage = record_at(request.body, "stream_options").get("include_usage") is True
        if self.wants_stream(request.body, self.path) and not wants_usage:
            return completion
        counts = count_answer(answer, request.conversation)
        usage: Json = {
            "prompt_tokens": counts.input,
            "completion_tokens": counts.output,
            "total_tokens": counts.input + counts.output,
            "prompt_tokens_details": {"cached_tokens": counts.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": counts.reasoning, "audio_tokens": 0},
        }
        return {**completion, "usage": usage}

    def wants_stream(self, body: JsonObject, target: str) -> bool:
        """Return whether a request asks for a stream."""
        return body.get("stream") is True

    def stream(self, response: JsonObject) -> Iterator[ServerEvent]:
        """Yield the events of a streamed answer."""
        return _events(response)

    def error_events(
        self, rejection: Rejection, sent: Sequence[ServerEvent]
    ) -> Sequence[ServerEvent]:
        """Return the events with which the provider ends a stream after an error."""
        return [ServerEvent(write_error(rejection))]

    def write_error(self, rejection: Rejection) -> JsonObject:
        """Return an error in the provider's format."""
        return write_error(rejection)


def _message(answer: Answer, request: WireRequest) -> Json:
    calls: list[Json] = [
        {"id": f"call_{request.seed}_{number}", **_call(call, request.conversation)}
        for number, call in enumerate(answer.tool_calls)
    ]
    # OpenAI sends no thoughts here; other servers send them in this field.
    thinking = {} if answer.thinking is None else {_THINKING: answer.thinking}
    return {
        "role": "assistant",
        "content": None if calls and not answer.text else answer.text,
        "refusal": None,
        **thinking,
        **({"tool_calls": calls} if calls else {}),
    }


def _call(call: ToolUse, conversation: Conversation) -> dict[str, Json]:
    if call.name in conversation.custom_tools:
        return {"type": "custom", "custom": {"name": call.name, "input": custom_input(call)}}
    return {
        "type": "function",
        "function": {"name": call.name, "arguments": arguments_text(call)},
    }


def _events(completion: JsonObject) -> Iterator[ServerEvent]:
    """Yield the chunks of a completion, the usage (if requested), and the end mark."""
    (choice,) = records_at(completion, "choices")
    usage = completion.get("usage")
    head = {key: value for key, value in completion.items() if key not in ("choices", "usage")}
    chunk: dict[str, Json] = {**head, "object": "chat.completion.chunk"}
    # A client that requested the usage gets a null in every chunk before it.
    no_usage = {} if usage is None else {"usage": None}
    for delta in _deltas(record_at(choice, "message")):
        piece: Json = {**choice, "delta": dict(delta), "finish_reason": None}
        yield ServerEvent({**chunk, "choices": [_without_message(piece)], **no_usage})
    last: Json = {**choice, "delta": {}}
    yield ServerEvent({**chunk, "choices": [_without_message(last)], **no_usage})
    if usage is not None:
        no_choices: Json = []
        yield ServerEvent({**chunk, "choices": no_choices, "usage": usage})
    yield _DONE


def _without_message(choice: Mapping[str, Json]) -> Json:
    return {key: value for key, value in choice.items() if key != "message"}


def _deltas(message: JsonObject) -> Iterator[JsonObject]:
    """Yield the additions of each chunk to a message, the role first."""
    first_content = None if message["content"] is None else ""
    yield {"role": "assistant", "content": first_content, "refusal": None}
    if _THINKING in message:
        for piece in in_words(text_at(message, _THINKING)) or [""]:
            yield {_THINKING: piece}
    for piece in in_words(text_at(message, "content")):
        yield {"content": piece}
    for index, call in enumerate(records_at(message, "tool_calls")):
        kind = text_at(call, "type")
        given = "input" if kind == "custom" else "arguments"
        called = record_at(call, kind)
        start: Json = {**call, "index": index, kind: {**called, given: ""}}
        yield {"tool_calls": [start]}
        for piece in in_letters(text_at(called, given)):
            more: Json = {"index": index, kind: {given: piece}}
            yield {"tool_calls": [more]}


part = OpenAIChatWire()
