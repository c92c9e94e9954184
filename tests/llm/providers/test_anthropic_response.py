import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import ContentKind, ThinkingData
from tests.llm.providers.answers import read_anthropic, require_read
from tests.llm.providers.garbage import Garbage, every_number

TEXT: Json = {"type": "text", "text": "hi"}
THINKING: Json = {"type": "thinking", "thinking": "abcdefghi", "signature": "s", "odd": 1}


def body(*content: Json, **more: Json) -> JsonObject:
    return {"id": "r", "model": "m", "stop_reason": "end_turn", "content": list(content), **more}


def test_what_the_model_said_thought_and_called_is_read_in_order() -> None:
    hidden: Json = {"type": "redacted_thinking", "data": "x"}
    call: Json = {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}
    search: Json = {"type": "server_tool_use", "id": "ws"}
    response = read_anthropic(body(THINKING, hidden, TEXT, call, search))
    assert [part.kind for part in response.message.content] == [
        ContentKind.THINKING,
        ContentKind.REDACTED_THINKING,
        ContentKind.TEXT,
        ContentKind.TOOL_CALL,
        "anthropic.server_tool_use",
    ]
    thought, secret, *_, found = response.message.content
    assert thought.thinking == ThinkingData("abcdefghi", "s")
    assert secret.thinking == ThinkingData("x", redacted=True)
    kept = [one.provider_data for one in (thought, secret, found) if one.provider_data]
    assert [one.item for one in kept] == [THINKING, hidden, search]
    assert {one.provider for one in kept} == {"anthropic"}
    assert response.tool_calls[0].arguments == {"a": 1}
    assert response.reasoning == "abcdefghi"


def test_what_a_block_says_beside_our_fields_is_kept() -> None:
    cited: Json = {"type": "text", "text": "hi", "citations": [{"cited_text": "a"}]}
    bare: Json = {"type": "text", "text": "hi", "citations": None}
    caller: Json = {"type": "direct"}
    call: Json = {"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": caller}
    said, plain, called = read_anthropic(body(cited, bare, call)).message.content
    assert said.provider_data
    assert said.provider_data.item == cited
    assert plain.provider_data is None
    assert called.provider_data
    assert called.provider_data.item == {"caller": caller}


def test_thoughts_are_counted_by_the_provider_where_it_does_so() -> None:
    counted: Json = {"output_tokens": 90, "output_tokens_details": {"thinking_tokens": 70}}
    assert read_anthropic(body(THINKING, usage=counted)).usage.reasoning_tokens == 70
    assert read_anthropic(body(THINKING, usage={"output_tokens": 90})).usage.reasoning_tokens == 3


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        (None, "other"),
    ],
)
def test_why_it_stopped(raw: str | None, reason: str) -> None:
    found = read_anthropic(body(TEXT, stop_reason=raw)).finish_reason
    assert (found.reason, found.raw) == (reason, raw)


def test_usage_is_read_with_what_was_cached() -> None:
    usage: Json = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 6,
    }
    found = read_anthropic(body(TEXT, usage=usage)).usage
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (10, 20, 30)
    assert (found.cache_read_tokens, found.cache_write_tokens) == (5, 6)
    assert (found.reasoning_tokens, found.raw) == (None, usage)


def test_tokens_of_thinking_are_estimated_from_its_length() -> None:
    assert read_anthropic(body(THINKING, TEXT)).usage.reasoning_tokens == 3


WHOLE: Json = {
    **body(
        THINKING,
        {"type": "redacted_thinking", "data": "x"},
        {**TEXT, "citations": [{"cited_text": "a"}]},
        {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}},
        {"type": "server_tool_use", "id": "ws"},
        usage={"input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 5},
    )
}


@every_number
def test_whatever_comes_is_read_or_an_error_of_ours(garbage: Garbage) -> None:
    require_read(read_anthropic, garbage.odd(WHOLE))
