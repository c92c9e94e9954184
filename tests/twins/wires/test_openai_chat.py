from typing import Any

import pytest

from attractor.twins.wires.openai_chat import part
from tests.twins.exchanging import HELLO, KEYS, answer, refusal

WIRE = "openai_chat"
SCRIPT = """
[[rules]]
[rules.answer]
thinking = "abcdefgh"
redacted_thinking = "secret"
text = "Hi."
tool_calls = [
    { name = "shell", arguments = { command = "ls" } },
    { name = "odd", raw_arguments = "{" },
]
usage = { input = 100, cache_read = 60 }
"""
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": one, "type": "function", "function": {"name": "shell", "arguments": "{}"}}
        for one in ("c", "d")
    ],
}
RESULTS: list[Any] = [
    {"role": "tool", "tool_call_id": one, "content": f"result of {one}"} for one in ("d", "c")
]
SHELL: dict[str, Any] = {"type": "function", "function": {"name": "shell"}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def ask(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": [user("a"), *messages], **more}


def refused(*messages: Any, **more: Any) -> str:
    """Return the words of a refusal."""
    status, error = refusal(WIRE, ask(*messages, **more))
    assert (status, error["type"]) == (400, "invalid_request_error")
    return error["message"]


def test_an_answer_is_one_choice_with_a_message() -> None:
    found = answer(WIRE, HELLO[WIRE], SCRIPT)
    assert (found["object"], found["model"]) == ("chat.completion", "gpt-5")
    (choice,) = found["choices"]
    message = choice["message"]
    assert (choice["index"], choice["finish_reason"]) == (0, "tool_calls")
    assert (message["role"], message["content"], message["refusal"]) == ("assistant", "Hi.", None)
    assert message["reasoning_content"] == "abcdefgh"
    assert "secret" not in str(found)
    shell, odd = message["tool_calls"]
    assert shell["function"] == {"name": "shell", "arguments": '{"command": "ls"}'}
    assert (shell["type"], odd["function"]["arguments"]) == ("function", "{")
    assert shell["id"] != odd["id"]


def test_who_only_calls_says_nothing() -> None:
    script = 'rules = [{ answer = { tool_calls = [{ name = "n" }] } }]'
    assert answer(WIRE, HELLO[WIRE], script)["choices"][0]["message"]["content"] is None
    silent = answer(WIRE, HELLO[WIRE], "rules = [{ answer = {} }]")["choices"][0]["message"]
    assert (silent["content"], "tool_calls" in silent) == ("", False)
    assert "reasoning_content" not in silent


def test_usage_tells_what_was_cached_and_thought() -> None:
    usage = answer(WIRE, HELLO[WIRE], SCRIPT)["usage"]
    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (100, 60)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 2
    assert usage["total_tokens"] == 100 + usage["completion_tokens"]
    counted = answer(WIRE, ask({"role": "system", "content": "y" * 40}))["usage"]
    assert (counted["prompt_tokens"], counted["completion_tokens"]) == (11, 1)


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "tool_calls"])
def test_why_it_stopped_is_the_scripts_own_word(finish: str) -> None:
    script = f'rules = [{{ answer = {{ text = "a", finish = "{finish}" }} }}]'
    assert answer(WIRE, HELLO[WIRE], script)["choices"][0]["finish_reason"] == finish


def test_a_conversation_is_read_by_turns() -> None:
    body = ask(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be quick."}]},
        user([{"type": "text", "text": "look"}, IMAGE]),
        CALL | {"content": "Yes.", "reasoning_content": "I look."},
        *RESULTS,
    )
    talk = part.read(KEYS[WIRE], body)
    assert (talk.system, talk.first_user) == ("Be brief.\nBe quick.", "a\nlook\n")
    assert [turn.speaker for turn in talk.turns] == ["user", "assistant", "tool"]
    assert talk.turns[1].text == "Yes.\nshell({})\nshell({})"
    assert (talk.tool_result, talk.step) == ("result of d\nresult of c", 1)


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([CALL], "The following tool_call_ids did not have response messages: c, d"),
        ([CALL, RESULTS[0]], "did not have response messages: c"),
        ([CALL, user("b"), *RESULTS], "did not have response messages: c, d"),
        ([RESULTS[0]], "messages with role 'tool' must be a response"),
        ([CALL, *RESULTS, user("b"), RESULTS[0]], "messages with role 'tool' must be a response"),
    ],
)
def test_results_follow_their_calls_at_once(messages: list[Any], words: str) -> None:
    assert answer(WIRE, ask(CALL, *RESULTS, user("b")))
    assert words in refused(*messages)


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 9},
        {"max_completion_tokens": 9},
        {"tools": [SHELL], "tool_choice": "required"},
        {"tools": [SHELL], "tool_choice": {"type": "function", "function": {"name": "shell"}}},
        {"response_format": {"type": "text"}, "stop": ["a"] * 4, "n": 1},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}},
        {"stop": "a", "tools": None, "stream": None, "tool_choice": None},
    ],
)
def test_settings_are_taken(more: dict[str, Any]) -> None:
    assert answer(WIRE, ask(**more))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"max_tokens": 9, "max_completion_tokens": 9}, "at the same time is not supported"),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name: "),
        ({"response_format": {"type": "json_schema"}}, "'response_format.json_schema'"),
        ({"response_format": {"type": "json"}}, "response_format.type: "),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"stop": ["a"] * 5}, "stop."),
        ({"n": 2}, "n: "),
        ({"messages": []}, "messages: "),
    ],
)
def test_settings_that_do_not_go_together_are_refused(more: dict[str, Any], words: str) -> None:
    assert words in refused(**more)


def test_json_is_answered_to_who_says_json() -> None:
    assert answer(WIRE, ask(user("as JSON"), response_format={"type": "json_object"}))


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_images_are_the_users_alone(role: str) -> None:
    assert answer(WIRE, ask(user([IMAGE])))
    told = refused({"role": role, "content": [IMAGE]})
    assert "'image_url' is only allowed for messages with role 'user'" in told
    assert told.endswith(f"this message has role '{role}'.")


@pytest.mark.parametrize("message", [{"role": "user"}, {"role": "assistant", "content": None}])
def test_nobody_says_nothing(message: dict[str, Any]) -> None:
    assert "messages.[1].content': expected a string, got null" in refused(message)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (404, "invalid_request_error", "model_not_found"),
        (429, "requests", "rate_limit_exceeded"),
        (500, "server_error", None),
    ],
)
def test_errors_have_the_providers_types_and_codes(
    status: int, kind: str, code: str | None
) -> None:
    script = f'rules = [{{ answer = {{ fault = {{ kind = "status", status = {status} }} }} }}]'
    found, error = refusal(WIRE, HELLO[WIRE], script=script)
    assert (found, error["type"], error["code"]) == (status, kind, code)
    assert set(error) == {"message", "type", "param", "code"}
