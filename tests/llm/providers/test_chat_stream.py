import asyncio
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import (
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    RateLimitError,
    SDKError,
    ServerError,
    StreamError,
    StreamEventType,
)
from tests.llm.providers.answers import read_compatible
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import (
    WARNED,
    brief,
    fold,
    hear,
    require_heard,
    sse,
    stream_of,
    whole,
)

NAME = "openai_compatible"
USAGE: Json = {
    "prompt_tokens": 9,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 5},
}
CALL: Json = {
    "id": "c",
    "type": "function",
    "function": {"name": "n", "arguments": '{"a":1}'},
}
OTHER: Json = {"id": "d", "type": "function", "function": {"name": "m", "arguments": ""}}
MESSAGE: Json = {
    "role": "assistant",
    "reasoning_content": "hm so",
    "content": "größe",
    "tool_calls": [CALL, OTHER],
}
HEAD: dict[str, Json] = {"id": "r", "model": "m", "created": 0}
BODY: dict[str, Json] = {
    **HEAD,
    "object": "chat.completion",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": MESSAGE}],
    "usage": USAGE,
}


def piece(reason: str | None = None, **delta: Json) -> Json:
    """Make a chunk of one choice."""
    choice: Json = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None}


def call(index: int | None = 0, id: str | None = None, **function: Json) -> Json:
    """Make a chunk with a piece of a call."""
    told: dict[str, Json] = {"index": index, "id": id, "function": function}
    return piece(tool_calls=[{key: value for key, value in told.items() if value is not None}])


def odd_choice(value: Json, body: dict[str, Json]) -> Json:
    return {"choices": [{"delta": {**body, "tool_calls": [value, {"function": value}]}}]}


STOPPED = piece("stop")
COUNTED: Json = {**HEAD, "choices": [], "usage": USAGE}
STREAM: list[Json] = [
    piece(role="assistant", content="", refusal=None),
    piece(reasoning_content="hm "),
    piece(reasoning_content="so"),
    piece(content="grö"),
    piece(content="ße"),
    call(0, "c", name="n", arguments=""),
    call(0, arguments='{"a"'),
    call(1, "d", name="m", arguments=""),
    call(0, arguments=":1}"),
    piece("tool_calls"),
    COUNTED,
]


def test_every_piece_is_told_as_it_comes() -> None:
    events = fold(NAME, *STREAM)
    assert brief(events) == [
        "stream_start",
        "reasoning_start",
        "reasoning_delta hm ",
        "reasoning_delta so",
        "reasoning_end hm so",
        "text_start",
        "text_delta grö",
        "text_delta ße",
        "text_end größe",
        "tool_call_start c n {}",
        'tool_call_delta c n {"a"',
        "tool_call_start d m {}",
        "tool_call_delta c n :1}",
        'tool_call_end c n {"a":1}',
        "tool_call_end d m ",
        "finish",
    ]
    start = events[0].start
    assert start is not None
    assert (start.id, start.model, start.provider, start.warnings) == ("r", "m", NAME, WARNED)
    assert start.rate_limit is not None
    ended = [one.tool_call for one in events if one.type == StreamEventType.TOOL_CALL_END]
    assert [one.arguments for one in ended if one] == [{"a": 1}, {}]


def test_the_answer_at_the_end_is_the_one_that_is_read_whole() -> None:
    events = fold(NAME, *STREAM)
    streamed, read = whole(events), read_compatible(BODY)
    assert (streamed.message, streamed.usage, streamed.raw) == (read.message, read.usage, read.raw)
    assert (streamed.id, streamed.finish_reason) == (read.id, read.finish_reason)
    assert (events[-1].usage, events[-1].finish_reason) == (read.usage, read.finish_reason)
    assert streamed.warnings == list(WARNED)
    assert streamed.rate_limit is not None


def test_thoughts_and_words_may_take_turns() -> None:
    turns = [piece(reasoning="a"), piece(content="b"), piece(reasoning="c"), piece(content="d")]
    events = fold(NAME, *turns, STOPPED)
    ends = [one for one in brief(events) if "_end" in one]
    assert ends == ["reasoning_end a", "text_end b", "reasoning_end c", "text_end d"]
    assert len({one.text_id for one in events if one.text_id}) == 2
    assert (whole(events).text, whole(events).reasoning) == ("bd", "ac")


def test_a_thought_under_both_names_is_told_once() -> None:
    told = brief(fold(NAME, piece(reasoning_content="a", reasoning="a"), STOPPED))
    assert told[1:-1] == ["reasoning_start", "reasoning_delta a", "reasoning_end a"]


def test_a_refusal_is_told_as_text() -> None:
    events = fold(NAME, piece(content=None, refusal="no"), STOPPED)
    assert whole(events).text == "no"
    assert brief(events)[1:-1] == ["text_start", "text_delta no", "text_end no"]


def test_what_the_server_leaves_out_is_put_in() -> None:
    bare: Json = {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}
    events = fold(NAME, bare)
    begun, answer = events[0].start, whole(events)
    assert begun is not None
    assert (begun.id, begun.model) == (answer.id, answer.model) == ("response_seed", "asked")
    assert (answer.usage.total_tokens, answer.usage.raw) == (0, None)
    assert [one.code for one in answer.warnings] == [None, "usage_missing"]


def test_a_chunk_without_an_answer_in_it_is_passed_on() -> None:
    about: Json = {"choices": [], "prompt_filter_results": []}
    events = fold(NAME, {"object": "ping"}, about, piece(content="a"), STOPPED)
    assert brief(events)[:2] == ["provider_event", "stream_start"]
    assert whole(events).text == "a"


def test_usage_may_come_alone_or_with_every_chunk() -> None:
    alone = fold(NAME, piece(content="a"), STOPPED, {"usage": USAGE})
    always: Any = [piece(content="a"), STOPPED]
    again = fold(NAME, *({**one, "usage": USAGE} for one in always))
    for events in (alone, again):
        assert whole(events).usage.cache_read_tokens == 5


def test_another_answer_beside_the_first_is_left_out() -> None:
    beside: Json = {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]}
    assert whole(fold(NAME, piece(content="a"), beside, STOPPED)).text == "a"


@pytest.mark.parametrize("reason", [None, ""])
def test_an_answer_without_a_reason_to_stop_is_not_whole(reason: str | None) -> None:
    told, error = asyncio.run(hear(stream_of(NAME, sse([piece(content="a"), piece(reason)]))))
    assert isinstance(error, StreamError)
    assert error.message == f"the stream of {NAME} ended before its answer did"
    assert told[-1].error is error


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, RateLimitError, True),
        ({"code": None, "type": "server_error"}, ServerError, True),
        ({"code": "invalid_api_key", "type": "x"}, AuthenticationError, False),
        ({"code": "context_length_exceeded"}, ContextLengthError, False),
        ({"type": "invalid_request_error"}, InvalidRequestError, False),
        ({"code": 400, "type": "BadRequestError"}, InvalidRequestError, False),
        ({"code": 429}, RateLimitError, True),
        ({"code": "of_tomorrow"}, ServerError, True),
        ({}, ServerError, True),
    ],
)
def test_an_error_of_the_server_is_the_one_its_status_would_be(
    error: dict[str, Json], kind: type[SDKError], retryable: bool
) -> None:
    with pytest.raises(SDKError, match="oops") as caught:
        fold(NAME, STREAM[0], {"error": {"message": "oops", **error}})
    assert (type(caught.value), caught.value.retryable) == (kind, retryable)


def test_an_error_may_be_nothing_but_words() -> None:
    with pytest.raises(ServerError, match="no memory"):
        fold(NAME, {"error": "no memory"})


@every_number
async def test_whatever_chunks_come_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    await require_heard(stream_of(NAME, sse(garbage.stream(STREAM, odd_choice))))


@every_number
async def test_bytes_that_were_spoilt_or_cut_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    content = garbage.spoilt_bytes(sse(STREAM) + b"data: [DONE]\n\n")
    await require_heard(stream_of(NAME, content))
