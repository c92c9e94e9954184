import asyncio
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import (
    AuthenticationError,
    ContentKind,
    ContextLengthError,
    InvalidRequestError,
    ProviderData,
    RateLimitError,
    SDKError,
    ServerError,
    StreamError,
    StreamEventType,
    ThinkingData,
)
from tests.llm.providers.answers import read_compatible
from tests.llm.providers.streams import WARNED, brief, fold, hear, sse, stream_of, whole
from tests.tables import table

NAME = "openai_compatible"
CALL: Json = {"id": "c", "type": "function", "function": {"name": "n", "arguments": '{"a": 1}'}}


def body(reason: str | None = "stop", /, **message: Json) -> dict[str, Json]:
    choice: Json = {"index": 0, "message": message, "finish_reason": reason}
    return {"id": "r", "model": "m", "choices": [choice]}


def test_reasoning_text_and_calls_are_read() -> None:
    response = read_compatible(
        body("tool_calls", reasoning_content="hm", content="hi", tool_calls=[CALL])
    )
    assert (response.id, response.model, response.provider) == ("r", "m", NAME)
    assert (response.reasoning, response.text) == ("hm", "hi")
    (call,) = response.tool_calls
    assert (call.id, call.name, call.arguments) == ("c", "n", {"a": 1})
    kinds = [part.kind for part in response.message.content]
    assert kinds == [ContentKind.THINKING, ContentKind.TEXT, ContentKind.TOOL_CALL]


@table("field", ["reasoning_content", "reasoning"])
def test_reasoning_keeps_its_field_name(field: str) -> None:
    other: dict[str, Json] = {"reasoning_content": None, "reasoning": ""}
    (part,) = read_compatible(body(**{**other, field: "hm"})).message.content
    assert part.thinking == ThinkingData("hm")
    assert part.provider_data == ProviderData(NAME, {field: "hm"})


def test_refusal_is_read_as_text() -> None:
    assert read_compatible(body(content=None, refusal="I won't.")).text == "I won't."


def test_empty_content_adds_no_part() -> None:
    empty = body(content="", tool_calls=None, reasoning_content="")
    assert read_compatible(empty).message.content == ()


def test_variants_of_tool_calls_are_parsed() -> None:
    calls: Json = [
        {"function": {"name": "n", "arguments": {"a": 1}}},
        {"id": "", "function": {"name": "n", "arguments": None}},
        {"id": "c", "function": {"name": "n", "arguments": "{"}},
    ]
    one, two, three = read_compatible(body(tool_calls=calls)).tool_calls
    assert (one.id, two.id, three.id) == ("call_seed_0", "call_seed_1", "c")
    assert (one.arguments, two.arguments) == ({"a": 1}, {})
    assert three.fault is not None


@table("call", [{}, {"function": {"name": ""}}, {"function": {"arguments": "{}"}}])
def test_a_call_without_a_name_is_the_servers_trouble(call: Json) -> None:
    with pytest.raises(ServerError, match=r"tool_calls\[0\].function.name is not"):
        read_compatible(body(tool_calls=[call]))


def test_finish_reason_is_translated() -> None:
    for message, reason in (
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("of_tomorrow", "other"),
        (None, "stop"),
        ("", "stop"),
    ):
        found = read_compatible(body(message, content="a")).finish_reason
        assert (found.reason, found.raw) == (reason, message)


@table("message", ["stop", "tool_calls", "function_call", None])
def test_answer_with_calls_ends_with_tool_calls(message: str | None) -> None:
    assert read_compatible(body(message, tool_calls=[CALL])).finish_reason.reason == "tool_calls"


def test_usage_includes_cached_and_reasoning_tokens() -> None:
    usage: Json = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 15},
    }
    found = read_compatible(body(content="a") | {"usage": usage}).usage
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (10, 20, 30)
    assert (found.cache_read_tokens, found.reasoning_tokens) == (5, 15)
    assert (found.cache_write_tokens, found.raw) == (None, usage)


def test_usage_is_read_where_details_are_missing() -> None:
    usage: Json = {"prompt_tokens": 10, "prompt_tokens_details": None, "prompt_cache_hit_tokens": 4}
    found = read_compatible(body(content="a") | {"usage": usage}).usage
    assert (found.input_tokens, found.output_tokens) == (10, 0)
    assert (found.cache_read_tokens, found.reasoning_tokens) == (4, None)


@table("more", [{}, {"usage": None}, {"usage": {}}])
def test_missing_usage_is_warned_about(more: dict[str, Json]) -> None:
    response = read_compatible(body(content="a") | more)
    assert response.usage.total_tokens == 0
    assert [one.code for one in response.warnings] == ["usage_missing"]
    counted: dict[str, Json] = {"usage": {"prompt_tokens": 1}}
    assert read_compatible(body(content="a") | counted).warnings == ()


def test_omitted_fields_get_fallbacks() -> None:
    bare: Any = body(content="a")
    del bare["id"], bare["model"]
    response = read_compatible(bare, model="asked")
    assert (response.id, response.model) == ("response_seed", "asked")


def test_an_answer_without_a_choice_is_the_servers_trouble() -> None:
    with pytest.raises(ServerError, match="choices is not a list with an answer"):
        read_compatible({"choices": []})


def test_a_failure_with_a_good_status_is_raised() -> None:
    with pytest.raises(RateLimitError, match="slow"):
        read_compatible({"error": {"code": 429, "message": "slow"}})
    with pytest.raises(ServerError, match="no reason given"):
        read_compatible({"error": {}})
    assert read_compatible(body(content="a") | {"error": None}).text == "a"


USAGE: Json = {
    "prompt_tokens": 9,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 5},
}
CHAT_STREAM_CALL: Json = {
    "id": "c",
    "type": "function",
    "function": {"name": "n", "arguments": '{"a":1}'},
}
OTHER: Json = {"id": "d", "type": "function", "function": {"name": "m", "arguments": ""}}
MESSAGE: Json = {
    "role": "assistant",
    "reasoning_content": "hm so",
    "content": "größe",
    "tool_calls": [CHAT_STREAM_CALL, OTHER],
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
    fields: dict[str, Json] = {"index": index, "id": id, "function": function}
    return piece(tool_calls=[{key: value for key, value in fields.items() if value is not None}])


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


def test_each_piece_becomes_an_event() -> None:
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


def test_reasoning_and_text_may_alternate() -> None:
    turns = [piece(reasoning="a"), piece(content="b"), piece(reasoning="c"), piece(content="d")]
    events = fold(NAME, *turns, STOPPED)
    ends = [one for one in brief(events) if "_end" in one]
    assert ends == ["reasoning_end a", "text_end b", "reasoning_end c", "text_end d"]
    assert len({one.text_id for one in events if one.text_id}) == 2
    assert (whole(events).text, whole(events).reasoning) == ("bd", "ac")


def test_reasoning_under_two_names_is_reported_once() -> None:
    found = brief(fold(NAME, piece(reasoning_content="a", reasoning="a"), STOPPED))
    assert found[1:-1] == ["reasoning_start", "reasoning_delta a", "reasoning_end a"]


def test_refusal_is_streamed_as_text() -> None:
    events = fold(NAME, piece(content=None, refusal="no"), STOPPED)
    assert whole(events).text == "no"
    assert brief(events)[1:-1] == ["text_start", "text_delta no", "text_end no"]


def test_chunk_without_choices_is_passed_on() -> None:
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


@table("reason", [None, ""])
def test_answer_without_a_finish_reason_is_incomplete(reason: str | None) -> None:
    answer, error = asyncio.run(hear(stream_of(NAME, sse([piece(content="a"), piece(reason)]))))
    assert isinstance(error, StreamError)
    assert error.message == f"the stream of {NAME} ended before its answer was complete"
    assert answer[-1].error is error


def test_error_in_a_body_equals_the_error_of_its_status() -> None:
    for error, kind, retryable in (
        ({"code": "rate_limit_exceeded", "type": "requests"}, RateLimitError, True),
        ({"code": None, "type": "server_error"}, ServerError, True),
        ({"code": "invalid_api_key", "type": "x"}, AuthenticationError, False),
        ({"code": "context_length_exceeded"}, ContextLengthError, False),
        ({"type": "invalid_request_error"}, InvalidRequestError, False),
        ({"code": 400, "type": "BadRequestError"}, InvalidRequestError, False),
        ({"code": 429}, RateLimitError, True),
        ({"code": "of_tomorrow"}, ServerError, True),
        ({}, ServerError, True),
    ):
        with pytest.raises(SDKError, match="oops") as caught:
            fold(NAME, STREAM[0], {"error": {"message": "oops", **error}})
        assert (type(caught.value), caught.value.retryable) == (kind, retryable)


def test_error_may_be_plain_text() -> None:
    with pytest.raises(ServerError, match="no memory"):
        fold(NAME, {"error": "no memory"})


CALLS: list[tuple[list[Json], list[tuple[str, str, Any]]]] = [
    # No index; a name starts a call.
    (
        [call(None, "c", name="n", arguments='{"a"'), call(None, arguments=":1}")],
        [("c", "n", {"a": 1})],
    ),
    (
        [call(None, "c", name="n", arguments="{}"), call(None, "d", name="n", arguments="{}")],
        [("c", "n", {}), ("d", "n", {})],
    ),
    (
        [call(None, name="n", arguments="{}"), call(None, name="n", arguments="{}")],
        [("call_seed_0", "n", {}), ("call_seed_1", "n", {})],
    ),
    # The same index for every call.
    (
        [call(0, "c", name="n", arguments="{}"), call(0, "d", name="m", arguments='{"a"')]
        + [call(0, arguments=":1}")],
        [("c", "n", {}), ("d", "m", {"a": 1})],
    ),
    # Id and name, or the name alone, in every piece.
    (
        [call(0, "c", name="n", arguments='{"a"'), call(0, "c", name="n", arguments=":1}")],
        [("c", "n", {"a": 1})],
    ),
    (
        [call(3, name="n", arguments='{"a"'), call(3, name="n", arguments=":1}")],
        [("call_seed_0", "n", {"a": 1})],
    ),
    # No id, an empty one, an object instead of a text, nothing at all.
    (
        [call(0, name="n", arguments={"a": 1}), call(1, "", name="m", arguments=None)],
        [("call_seed_0", "n", {"a": 1}), ("call_seed_1", "m", {})],
    ),
    # The name comes late.
    (
        [call(0, "c", arguments='{"a"'), call(0, name="n", arguments=":1}")],
        [("c", "n", {"a": 1})],
    ),
]


def made(*pieces: Json) -> list[tuple[str, str, Any]]:
    """Return the id, the name and the arguments of the calls in some pieces."""
    calls = whole(fold(NAME, *pieces, piece("tool_calls"))).tool_calls
    return [(one.id, one.name, one.arguments) for one in calls]


def test_calls_are_assembled_from_any_pieces() -> None:
    for pieces, calls in CALLS:
        assert made(*pieces) == calls
        events = fold(NAME, *pieces, piece("tool_calls"))
        begun = [one.tool_call for one in events if one.type == StreamEventType.TOOL_CALL_START]
        assert [(one.id, one.name) for one in begun if one] == [one[:2] for one in calls]


def test_arguments_before_the_name_are_kept() -> None:
    pieces = [call(0, "c", arguments='{"a"'), call(0, name="n", arguments=":1}")]
    assert brief(fold(NAME, *pieces))[1:] == [
        "tool_call_start c n {}",
        'tool_call_delta c n {"a":1}',
    ]


def test_call_without_a_name_is_malformed() -> None:
    with pytest.raises(StreamError, match=r"tool_calls\[0\].function.name"):
        made(call(0, "c", arguments="{}"))
