"""unified-llm 8.5, reasoning tokens."""

import json
from dataclasses import replace
from typing import Any

from attractor.llm import ContentKind, Message, Request, ToolChoice
from tests.llm.asking import SHELL, a_request, ask, last_body, speaking
from tests.tables import table

SCRIPT = """
[[rules]]
[rules.answer]
text = "42"
thinking = "Six times seven."
usage = { input = 10, output = 200, reasoning = 150 }
"""


def test_8_5_openai_reports_reasoning_tokens_apart_from_output_tokens() -> None:
    with speaking(SCRIPT) as twin:
        usage = ask(twin, a_request("openai", "What is it?")).usage
    assert (usage.reasoning_tokens, usage.output_tokens, usage.total_tokens) == (150, 200, 210)


def test_8_5_reasoning_effort_is_passed_through_to_openai() -> None:
    with speaking(SCRIPT) as twin:
        for effort in ("low", "medium", "high"):
            ask(twin, a_request("openai", "What is it?", reasoning_effort=effort))
            assert last_body(twin)["reasoning"] == {"effort": effort}
        ask(twin, a_request("openai", "What is it?"))
        assert "reasoning" not in last_body(twin)


@table("effort", ["low", "medium", "high"])
@table(
    ("provider", "model", "sent"),
    [
        ("openai", "gpt-5.2", '"effort": "{}"'),
        ("anthropic", "claude-opus-5-5", '"output_config": {{"effort": "{}"}}'),
        ("anthropic", "claude-opus-4-6", '"output_config": {{"effort": "{}"}}'),
        ("anthropic", "claude-opus-4-5", '"output_config": {{"effort": "{}"}}'),
        ("anthropic", "claude-sonnet-4-5", '"budget_tokens":'),
        ("gemini", "gemini-3.1-pro-preview", '"thinkingLevel": "{}"'),
        ("gemini", "gemini-2.5-pro", '"thinkingBudget":'),
    ],
)
def test_8_5_reasoning_effort_is_native(provider: str, model: str, sent: str, effort: str) -> None:
    asked = Request(model, [Message.user("?")], provider=provider, reasoning_effort=effort)
    with speaking(SCRIPT) as twin:
        response = ask(twin, asked)
        assert sent.format(effort) in json.dumps(last_body(twin))
    assert (response.text, list(response.warnings)) == ("42", [])


@table(
    ("provider", "model"),
    [
        ("openai", "gpt-4.1"),
        ("anthropic", "claude-3-5-sonnet-20241022"),
        ("gemini", "gemini-2.0-flash"),
    ],
)
def test_8_5_effort_of_a_model_without_reasoning_warns(provider: str, model: str) -> None:
    asked = Request(model, [Message.user("?")], provider=provider, reasoning_effort="high")
    with speaking(SCRIPT) as twin:
        response = ask(twin, asked)
        body = json.dumps(last_body(twin))
    assert not [word for word in ("effort", "thinking", "reasoning") if word in body]
    (warning,) = response.warnings
    assert (warning.code, "model without thinking" in warning.message) == (
        "unsupported_parameter",
        True,
    )


@table("model", ["claude-opus-5-5", "claude-opus-4-6", "claude-sonnet-4-5"])
def test_8_5_anthropic_combines_effort_with_other_options(model: str) -> None:
    asked = Request(
        model,
        [Message.user("?")],
        provider="anthropic",
        tools=[SHELL],
        tool_choice=ToolChoice("required"),
        temperature=0.5,
        top_p=0.9,
        reasoning_effort="high",
    )
    with speaking(SCRIPT) as twin:
        for request in (asked, replace(asked, tool_choice=None), replace(asked, max_tokens=1500)):
            response = ask(twin, request)
            assert response.text == "42"
            assert response.warnings


def test_8_5_anthropic_thinking_comes_back_as_thinking_parts_with_its_signature() -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request("anthropic", "What is it?"))
    thought, said = response.message.content
    assert (thought.kind, said.kind) == (ContentKind.THINKING, ContentKind.TEXT)
    assert thought.thinking is not None
    assert thought.thinking.text == "Six times seven."
    assert thought.thinking.signature
    assert response.reasoning == "Six times seven."


def test_8_5_anthropic_reasoning_tokens_are_estimated_and_apart_from_output_tokens() -> None:
    with speaking(SCRIPT) as twin:
        usage = ask(twin, a_request("anthropic", "What is it?")).usage
    assert (usage.reasoning_tokens, usage.output_tokens) == (4, 200)


def test_8_5_gemini_thought_tokens_are_reported_as_reasoning_tokens() -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request("gemini", "What is it?"))
    metadata: Any = (response.raw or {})["usageMetadata"]
    assert metadata["thoughtsTokenCount"] == 150
    usage = response.usage
    assert (usage.reasoning_tokens, usage.output_tokens, usage.total_tokens) == (150, 200, 210)


def test_8_5_gemini_thoughts_come_back_as_thinking_parts_when_they_are_asked_for() -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request("gemini", "What is it?", reasoning_effort="high"))
        assert ask(twin, a_request("gemini", "What is it?")).reasoning is None
    assert [part.kind for part in response.message.content] == [
        ContentKind.THINKING,
        ContentKind.TEXT,
    ]
    assert response.reasoning == "Six times seven."
