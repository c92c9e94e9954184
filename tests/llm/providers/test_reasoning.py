from attractor.llm.providers.reasoning import may_reason


def test_who_is_known_not_to_think_may_not_and_who_is_unknown_may() -> None:
    assert may_reason("claude-opus-4-6", "anthropic")
    assert may_reason("a-model-of-tomorrow", "anthropic")
    assert not may_reason("gpt-4.1", "openai")
