from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import (
    ContentKind,
    ProviderData,
    RateLimitError,
    ServerError,
    ThinkingData,
)
from tests.llm.providers.answers import read_compatible, require_read
from tests.llm.providers.garbage import Garbage, every_number

NAME = "openai_compatible"
CALL: Json = {"id": "c", "type": "function", "function": {"name": "n", "arguments": '{"a": 1}'}}


def body(reason: str | None = "stop", /, **message: Json) -> dict[str, Json]:
    choice: Json = {"index": 0, "message": message, "finish_reason": reason}
    return {"id": "r", "model": "m", "choices": [choice]}


def test_what_the_model_thought_said_and_called_is_read() -> None:
    response = read_compatible(
        body("tool_calls", reasoning_content="hm", content="hi", tool_calls=[CALL])
    )
    assert (response.id, response.model, response.provider) == ("r", "m", NAME)
    assert (response.reasoning, response.text) == ("hm", "hi")
    (call,) = response.tool_calls
    assert (call.id, call.name, call.arguments) == ("c", "n", {"a": 1})
    kinds = [part.kind for part in response.message.content]
    assert kinds == [ContentKind.THINKING, ContentKind.TEXT, ContentKind.TOOL_CALL]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_a_thought_is_kept_in_the_field_in_which_it_came(field: str) -> None:
    other: dict[str, Json] = {"reasoning_content": None, "reasoning": ""}
    (part,) = read_compatible(body(**{**other, field: "hm"})).message.content
    assert part.thinking == ThinkingData("hm")
    assert part.provider_data == ProviderData(NAME, {field: "hm"})


def test_a_refusal_is_said_in_the_models_words() -> None:
    assert read_compatible(body(content=None, refusal="I won't.")).text == "I won't."


def test_nothing_is_no_part_of_the_answer() -> None:
    empty = body(content="", tool_calls=None, reasoning_content="")
    assert read_compatible(empty).message.content == []


def test_calls_are_read_however_a_server_writes_them() -> None:
    calls: Json = [
        {"function": {"name": "n", "arguments": {"a": 1}}},
        {"id": "", "function": {"name": "n", "arguments": None}},
        {"id": "c", "function": {"name": "n", "arguments": "{"}},
    ]
    one, two, three = read_compatible(body(tool_calls=calls)).tool_calls
    assert (one.id, two.id, three.id) == ("call_seed_0", "call_seed_1", "c")
    assert (one.arguments, two.arguments) == ({"a": 1}, {})
    assert three.fault is not None


@pytest.mark.parametrize(
    "call", [{}, {"function": {"name": ""}}, {"function": {"arguments": "{}"}}]
)
def test_a_call_without_a_name_is_the_servers_trouble(call: Json) -> None:
    with pytest.raises(ServerError, match=r"tool_calls\[0\].function.name is not"):
        read_compatible(body(tool_calls=[call]))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("of_tomorrow", "other"),
        (None, "stop"),
        ("", "stop"),
    ],
)
def test_why_it_stopped(told: str | None, reason: str) -> None:
    found = read_compatible(body(told, content="a")).finish_reason
    assert (found.reason, found.raw) == (reason, told)


@pytest.mark.parametrize("told", ["stop", "tool_calls", "function_call", None])
def test_who_calls_stopped_for_that(told: str | None) -> None:
    assert read_compatible(body(told, tool_calls=[CALL])).finish_reason.reason == "tool_calls"


def test_usage_is_read_with_what_was_cached_and_thought() -> None:
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


@pytest.mark.parametrize("more", [{}, {"usage": None}, {"usage": {}}])
def test_usage_that_nobody_told_is_warned_about(more: dict[str, Json]) -> None:
    response = read_compatible(body(content="a") | more)
    assert response.usage.total_tokens == 0
    assert [one.code for one in response.warnings] == ["usage_missing"]
    counted: dict[str, Json] = {"usage": {"prompt_tokens": 1}}
    assert read_compatible(body(content="a") | counted).warnings == []


def test_what_the_server_leaves_out_is_put_in() -> None:
    bare: Any = body(content="a")
    del bare["id"], bare["model"]
    response = read_compatible(bare, model="asked")
    assert (response.id, response.model) == ("response_seed", "asked")


def test_an_answer_without_a_choice_is_the_servers_trouble() -> None:
    with pytest.raises(ServerError, match="choices is not a list with an answer in it"):
        read_compatible({"choices": []})


def test_a_failure_with_a_good_status_is_raised() -> None:
    with pytest.raises(RateLimitError, match="slow"):
        read_compatible({"error": {"code": 429, "message": "slow"}})
    with pytest.raises(ServerError, match="no reason given"):
        read_compatible({"error": {}})
    assert read_compatible(body(content="a") | {"error": None}).text == "a"


WHOLE: Json = {
    **body(
        "tool_calls",
        role="assistant",
        reasoning_content="hm",
        content="hi",
        refusal=None,
        tool_calls=[CALL, {**CALL, "id": "d"}],
    ),
    "error": None,
    "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 5}},
}


@every_number
def test_whatever_comes_is_read_or_an_error_of_ours(garbage: Garbage) -> None:
    require_read(read_compatible, garbage.odd(WHOLE))
