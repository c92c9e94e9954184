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


def test_codex_finds_tools_by_a_search() -> None:
    search = {"type": "tool_search", "execution": "client"}
    script = """
    [[rules]]
    when.step = 0
    answer.tool_calls = [{ name = "tool_search", arguments = { query = "check" } }]
    [[rules]]
    when.tool_result = "validate"
    answer.tool_calls = [{ name = "validate" }]
    """
    asked = ask(user("a"), tools=[search])
    assert part.read(KEYS["openai"], asked).tools == ["tool_search"]
    [call] = answer("openai", asked, script)["output"]
    assert (call["type"], call["execution"]) == ("tool_search_call", "client")
    assert call["arguments"] == {"query": "check"}
    found = {
        "type": "namespace",
        "name": "mcp",
        "tools": [{"type": "function", "name": "validate"}],
    }
    result = {"type": "tool_search_output", "call_id": call["call_id"], "tools": [found]}
    [used] = answer("openai", ask(user("a"), call, result, tools=[search]), script)["output"]
    assert (used["name"], used["namespace"]) == ("validate", "mcp")
    # Without the provider's tool, a function may have this name.
    named = {"type": "function", "name": "tool_search"}
    [called] = answer("openai", ask(user("a"), tools=[named]), script)["output"]
    assert called["type"] == "function_call"


def test_answers_of_both_interfaces_have_a_time_and_a_service_tier() -> None:
    for wire, field in (("openai", "created_at"), ("openai_chat", "created")):
        found = answer(wire, HELLO[wire])
        assert found[field] > 1_700_000_000
        assert found["service_tier"] == "default"
        flex = answer(wire, HELLO[wire] | {"service_tier": "flex"})
        assert flex["service_tier"] == "flex"
