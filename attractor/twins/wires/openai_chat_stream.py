"""A chat completion as the chunks of a stream."""

from collections.abc import Iterator, Mapping

from attractor.base.json import Json, JsonObject
from attractor.twins.server_events import (
    ServerEvent,
    in_letters,
    in_words,
    record_at,
    records_at,
    text_at,
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
