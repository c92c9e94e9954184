from typing import Any

from attractor.twins.wires.anthropic import part
from tests.twins.exchanging import HELLO, KEYS, answer, refusal

SCRIPT = """
[[rules]]
[rules.answer]
thinking = "abcdefgh"
redacted_thinking = "secret"
text = "Hi."
tool_calls = [
    { name = "shell", arguments = { command = "ls" } },
    { name = "odd", raw_arguments = "{}" },
]
usage = { input = 100, cache_read = 60, cache_write = 30 }
"""
CALL = {"type": "tool_use", "id": "c", "name": "shell", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": "todo.py"}
PNG = {"type": "base64", "media_type": "image/png", "data": "cG5n"}


def ask(*turns: Any, **more: Any) -> dict[str, Any]:
    """Make a conversation that begins with the user."""
    said = [
        {"role": ("user", "assistant")[number % 2], "content": content}
        for number, content in enumerate(turns)
    ]
    return {"model": "claude", "max_tokens": 10, "messages": said, **more}


def test_usage_counts_each_token_once() -> None:
    usage = answer("anthropic", HELLO["anthropic"], SCRIPT)["usage"]
    assert usage["input_tokens"] == 10
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (60, 30)
    counted = answer("anthropic", ask("x" * 40, system="y" * 39))["usage"]
    assert (counted["input_tokens"], counted["output_tokens"]) == (20, 1)


def test_changed_thinking_is_rejected() -> None:
    thought, hidden, *_ = answer("anthropic", HELLO["anthropic"], SCRIPT)["content"]
    assert answer("anthropic", ask("a", [thought, hidden], "b"))
    for changed in (
        thought | {"thinking": "abcdefgX"},
        thought | {"signature": ""},
        hidden | {"data": "x"},
    ):
        message = refusal("anthropic", ask("a", [changed], "b"))[1]["message"]
        assert message == f"messages.1.content.0: invalid {changed['type']} block"


def test_anthropic_consecutive_messages_are_joined() -> None:
    second = {**CALL, "id": "toolu_2"}
    results = [RESULT, {**RESULT, "tool_use_id": "toolu_2"}]
    said = [
        *({"role": "user", "content": text} for text in ("a", "b")),
        *({"role": "assistant", "content": [call]} for call in (CALL, second)),
        *({"role": "user", "content": [result]} for result in results),
    ]
    assert answer("anthropic", ask() | {"messages": said})
    _, error = refusal("anthropic", ask() | {"messages": said[:-1]})
    assert error["message"] == "the tool call 'toolu_2' has no result"


def test_an_assistant_may_begin() -> None:
    assert answer("anthropic", ask() | {"messages": [{"role": "assistant", "content": "a"}]})


def test_rejection_names_json_types() -> None:
    _, error = refusal("anthropic", ask() | {"messages": [5]})
    assert error["message"] == "messages.0: Input should be a valid dictionary"


def test_version_header_is_required() -> None:
    status, error = refusal("anthropic", HELLO["anthropic"], headers={"x-api-key": "k"})
    assert (status, error["message"]) == (400, "anthropic-version: header is required")


def test_a_conversation_is_read_by_turns() -> None:
    body = ask(
        "look",
        [{"type": "text", "text": "a"}, CALL],
        [
            RESULT | {"content": [{"type": "text", "text": "todo.py"}]},
            {"type": "text", "text": "b"},
        ],
        system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be quick."}],
    )
    talk = part.read(KEYS["anthropic"], body)
    assert (talk.system, talk.first_user, talk.last_user) == ("Be brief.\nBe quick.", "look", "b")
    assert [turn.speaker for turn in talk.turns] == ["user", "assistant", "tool", "user"]
    assert talk.turns[1].text == 'a\nshell({"command": "ls"})'
    assert (talk.tool_result, talk.step) == ("todo.py", 1)


def test_scripted_cache_usage_may_exceed_the_prompt() -> None:
    usage = "{ cache_read = 800, cache_write = 30 }"
    used = answer("anthropic", HELLO["anthropic"], f"rules = [{{ answer.usage = {usage} }}]")[
        "usage"
    ]
    assert (used["input_tokens"], used["cache_read_input_tokens"]) == (0, 800)
    assert used["cache_creation_input_tokens"] == 30


def test_instructions_between_turns_are_accepted_where_the_provider_accepts_them() -> None:
    hear = 'rules = [{ when = { system = "Be brief." }, answer = { text = "Hi." } }]'
    system = {"role": "system", "content": "Be brief."}
    user, model = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    searched = {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s"}]}

    def among(*messages: Any, model: str = "claude-opus-4-8") -> dict[str, Any]:
        return ask(model=model) | {"messages": messages, "safeguards": [{"type": "any"}]}

    for valid in ([user, system], [user, system, model, user], [user, searched, system]):
        for name in ("claude-opus-4-8", "claude-opus-5-5", "claude-sonnet-5", "any"):
            assert answer("anthropic", among(*valid, model=name), hear)
    parts = [{"type": "text", "text": "Be brief."}, {"type": "image", "source": PNG}]
    for invalid, problem in (
        ([system, user], "must follow a 'user' message"),
        ([user, model, system], "must follow a 'user' message"),
        ([user, system, system], "must precede an 'assistant' message"),
        ([user, system, user], "must precede an 'assistant' message"),
        ([user, system | {"content": parts}], "takes text only"),
    ):
        status, error = refusal("anthropic", among(*invalid))
        assert (status, problem in error["message"]) == (400, True), (invalid, error)
    status, error = refusal("anthropic", among(user, system, model="claude-sonnet-4-6"))
    assert (status, error["message"]) == (400, "role 'system' is not supported on this model")


def test_instructions_between_turns_keep_the_turns_of_a_conversation() -> None:
    said = ask("a", [CALL], [RESULT], model="claude-opus-4-8")
    said["messages"].append({"role": "system", "content": "Be brief."})
    found = part.read(KEYS["anthropic"], said)
    assert (found.first_user, found.step, found.tool_result) == ("a", 1, "todo.py")
    assert found.words.endswith("\nBe brief.")
    assert found.blocks is not None
    assert found.blocks[-1].end == len(found.words)


def test_a_rule_without_thinking_does_not_break_the_next_request() -> None:
    script = '[[rules]]\nanswer = { text = "I look.", tool_calls = [{ name = "shell" }] }'
    must_think = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 4000}
    first = ask("a", model="claude-sonnet-4-5", **must_think)
    said = answer("anthropic", first, script)["content"]
    assert [block["type"] for block in said] == ["thinking", "text", "tool_use"]
    results = [RESULT | {"tool_use_id": said[-1]["id"]}]
    assert answer("anthropic", ask("a", said, results, model="claude-sonnet-4-5", **must_think))
    free = answer("anthropic", ask("a", model="claude-sonnet-4-5"), script)["content"]
    assert free[0]["type"] == "text"
