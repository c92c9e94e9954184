"""unified-llm 8.5, reasoning tokens: the boxes that are built."""

from typing import Any

from attractor.llm import ContentKind
from tests.llm.asking import a_request, ask, last_body, speaking

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
