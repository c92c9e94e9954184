from typing import Any

from attractor.twins.wires.openai import part
from tests.twins.exchanging import HELLO, KEYS, answer, refusal

THOUGHT = """
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
SCRIPT = f"[[rules]]{THOUGHT}"
ENCRYPTED = {"include": ["reasoning.encrypted_content"]}
CALL = {"type": "function_call", "call_id": "c", "name": "shell", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "todo.py"}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def ask(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "input": list(items), **more}


def test_an_answer_is_written_as_output_items() -> None:
    found = answer("openai", HELLO["openai"] | ENCRYPTED, SCRIPT)
    assert (found["object"], found["status"], found["model"]) == ("response", "completed", "gpt-5")
    thought, hidden, said, shell, odd = found["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "abcdefgh"}]
    assert (hidden["summary"], "secret" in str(hidden)) == ([], False)
    assert said["content"][0]["text"] == "Hi."
    assert (shell["name"], shell["arguments"]) == ("shell", '{"command": "ls"}')
    assert (odd["arguments"], odd["call_id"] != shell["call_id"]) == ("{", True)


def test_usage_has_cached_and_reasoning_tokens() -> None:
    usage = answer("openai", HELLO["openai"], SCRIPT)["usage"]
    assert (usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"]) == (100, 60)
    assert usage["output_tokens_details"]["reasoning_tokens"] == 2
    assert usage["total_tokens"] == 100 + usage["output_tokens"]
    counted = answer("openai", ask(user("x" * 40), instructions="y" * 39))["usage"]
    assert (counted["input_tokens"], counted["output_tokens"]) == (20, 1)


def test_reasoning_is_included_only_on_request() -> None:
    plain = answer("openai", HELLO["openai"], SCRIPT)["output"][0]
    assert plain["encrypted_content"] is None
    assert answer("openai", HELLO["openai"] | ENCRYPTED, SCRIPT)["output"][0]["encrypted_content"]


def test_changed_reasoning_is_rejected() -> None:
    thought = answer("openai", HELLO["openai"] | ENCRYPTED, SCRIPT)["output"][0]
    assert answer("openai", ask(user("a"), thought, user("b")))
    for changed in (thought | {"encrypted_content": "x"}, thought | {"encrypted_content": None}):
        status, error = refusal("openai", ask(user("a"), changed, user("b")))
        assert (status, error["code"]) == (400, "invalid_encrypted_content")


def test_a_conversation_is_read_by_turns() -> None:
    body = ask(
        {"role": "developer", "content": "Be quick."},
        user("look"),
        user("again"),
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
        CALL,
        RESULT,
        instructions="Be brief.",
    )
    body["input"][3]["encrypted_content"] = answer("openai", HELLO["openai"] | ENCRYPTED, SCRIPT)[
        "output"
    ][0]["encrypted_content"]
    talk = part.read(KEYS["openai"], body)
    assert (talk.system, talk.first_user) == ("Be brief.\nBe quick.", "look\nagain")
    assert [turn.speaker for turn in talk.turns] == ["user", "assistant", "tool"]
    assert (talk.turns[1].text, talk.tool_result, talk.step) == ("a\nshell({})", "todo.py", 1)


def test_server_side_conversation_state_is_rejected() -> None:
    for name, value in (("previous_response_id", "resp_1"), ("conversation", {"id": "conv_1"})):
        status, error = refusal("openai", {**HELLO["openai"], name: value})
        assert (status, error["code"]) == (400, "unsupported_parameter")
        assert answer("openai", {**HELLO["openai"], name: None})["status"] == "completed"
