""""""

from typing import Any

import pytest

from attractor.twins.wires.anthropic_request import begun_with
from tests.twins.exchanging import answer, refusal
from tests.twins.streaming import events, names, stream
from tests.twins.wires.test_anthropic import CALL, RESULT, ask

NEW, MIDDLE, OLD = "claude-opus-4-7", "claude-opus-4-6", "claude-sonnet-4-5"
ADAPTIVE = {"thinking": {"type": "adaptive"}}
HIGH = {"output_config": {"effort": "high"}}
ROOM = {"max_tokens": 4096}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (NEW, ADAPTIVE | HIGH),
        (MIDDLE, ADAPTIVE | HIGH | {"temperature": 1, "top_p": 0.95}),
        (MIDDLE, budget(2048) | ROOM),
        (OLD, budget(1024) | ROOM),
        ("claude-opus-4-5", budget(1024) | ROOM | HIGH),
        (OLD, {"temperature": 0.5}),
        ("claude", ADAPTIVE | {"thinking": {"type": "disabled"}, "temperature": 0.5}),
    ],
)
def test_what_a_model_knows_is_taken(model: str, more: dict[str, Any]) -> None:
    assert answer("anthropic", ask("a", **{"model": model, **more}))


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        (OLD, ADAPTIVE, "adaptive thinking is not supported"),
        (NEW, budget(2048) | ROOM, "is not supported for this model. Use"),
        (OLD, budget(1000) | ROOM, "greater than or equal to 1024"),
        (OLD, budget(4096) | ROOM, "`max_tokens` must be greater than"),
        (OLD, HIGH, "does not support the effort parameter"),
        (MIDDLE, {"output_config": {"effort": "ultra"}}, "Input should be 'low'"),
        (MIDDLE, {"output_config": {"effort": "xhigh"}}, "does not support effort level 'xhigh'"),
        (MIDDLE, ADAPTIVE | {"temperature": 0.5}, "`temperature` may only be set to 1"),
        (MIDDLE, ADAPTIVE | {"top_p": 0.5}, "`top_p` must be greater"),
        (NEW, {"temperature": 0.5}, "`temperature` is deprecated"),
        (MIDDLE, ADAPTIVE | {"tool_choice": {"type": "any"}}, "forces tool use"),
    ],
)
def test_what_a_model_does_not_know_is_refused(
    model: str, more: dict[str, Any], words: str
) -> None:
    status, error = refusal("anthropic", ask("a", **{"model": model, **more}))
    assert (status, words in error["message"]) == (400, True)


def test_a_turn_goes_on_thinking_only_if_it_began_so() -> None:
    body = ask("a", [CALL], [RESULT], **{"model": OLD, **budget(1024), **ROOM})
    status, error = refusal("anthropic", body)
    assert (status, "but found `tool_use`" in error["message"]) == (400, True)
    assert answer("anthropic", body | {"model": MIDDLE} | ADAPTIVE)


def test_a_turn_begins_where_the_user_spoke_last() -> None:
    loop = [("user", ["text"]), ("assistant", ["thinking"]), ("user", ["tool_result"])]
    assert begun_with([*loop, ("assistant", ["text"]), ("user", ["tool_result"])]) == "thinking"
    assert begun_with([*loop, ("assistant", ["text"]), ("user", ["text"])]) == ""


SCRIPT = """
[[rules]]
[rules.answer]
thinking = "I look."
redacted_thinking = "secret"
text = "All is well."
tool_calls = [{ name = "shell", arguments = { a = 1 } }, { name = "none" }]
usage = { input = 100, output = 9, cache_read = 60, cache_write = 30 }
"""
USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 30,
    "output_tokens": 9,
}


def test_events_come_in_the_providers_order_under_their_names() -> None:
    sent = stream("anthropic", SCRIPT).body
    start, delta, stop = "content_block_start", "content_block_delta", "content_block_stop"
    assert names(sent) == [one["type"] for one in events(sent)]
    assert names(sent) == [
        *("message_start", start, "ping", delta, delta, stop),
        *(start, stop),
        *(start, delta, stop),
        *(start, delta, delta, stop),
        *(start, delta, stop),
        *("message_delta", "message_stop"),
    ]
    assert b'event: ping\ndata: {"type":"ping"}\n\n' in sent


def test_a_message_begins_empty_with_what_was_read() -> None:
    message = events(stream("anthropic", SCRIPT).body)[0]["message"]
    assert (message["content"], message["stop_reason"]) == ([], None)
    assert message["usage"] == USAGE | {"output_tokens": 1}


def test_each_sort_of_block_has_its_deltas() -> None:
    told = events(stream("anthropic", SCRIPT).body)
    begun = [one["content_block"] for one in told if one["type"] == "content_block_start"]
    assert begun[0] == {"type": "thinking", "thinking": "", "signature": ""}
    assert begun[1]["data"]
    assert begun[2] == {"type": "text", "text": ""}
    assert (begun[3]["name"], begun[3]["input"]) == ("shell", {})
    deltas = [one["delta"] for one in told if one["type"] == "content_block_delta"]
    assert deltas[0] == {"type": "thinking_delta", "thinking": "I look."}
    assert (deltas[1]["type"], bool(deltas[1]["signature"])) == ("signature_delta", True)
    assert deltas[2] == {"type": "text_delta", "text": "All is well."}
    assert [one["partial_json"] for one in deltas[3:]] == ["", '{"a":1}', ""]


def test_it_ends_with_why_and_what_it_took() -> None:
    told = events(stream("anthropic", SCRIPT).body)
    assert told[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert told[-2]["usage"] == USAGE
    assert told[-1] == {"type": "message_stop"}


def test_an_error_in_the_middle_is_an_event_of_its_own() -> None:
    fault = '{ kind = "status", status = 529, message = "busy", after = 4 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    sent = stream("anthropic", script).body
    assert names(sent)[3:] == ["content_block_delta", "error"]
    assert events(sent)[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "busy"},
    }


def test_a_malformed_event_is_not_one_that_clients_skip() -> None:
    fault = '{ kind = "malformed", after = 2 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    pieces = stream("anthropic", script).pieces
    assert pieces[2].startswith(b"event: ping")
    assert pieces[3] == b'event: content_block_delta\ndata: {"this is": not JSON\n\n'
