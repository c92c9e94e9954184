from typing import Any

from attractor.twins.wires.openai_chat import part
from tests.twins.exchanging import HELLO, KEYS, answer

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
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def ask(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": [user("a"), *messages], **more}


def test_message_with_only_tool_calls_has_no_content() -> None:
    script = 'rules = [{ answer = { tool_calls = [{ name = "n" }] } }]'
    assert answer(WIRE, HELLO[WIRE], script)["choices"][0]["message"]["content"] is None
    silent = answer(WIRE, HELLO[WIRE], "rules = [{ answer = {} }]")["choices"][0]["message"]
    assert (silent["content"], "tool_calls" in silent) == ("", False)
    assert "reasoning_content" not in silent


def test_usage_has_cached_and_reasoning_tokens() -> None:
    usage = answer(WIRE, HELLO[WIRE], SCRIPT)["usage"]
    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]) == (100, 60)
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 2
    assert usage["total_tokens"] == 100 + usage["completion_tokens"]
    counted = answer(WIRE, ask({"role": "system", "content": "y" * 40}))["usage"]
    assert (counted["prompt_tokens"], counted["completion_tokens"]) == (11, 1)


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
