from typing import Any

import pytest

from attractor.base.json import JsonObject
from attractor.llm import Request
from attractor.llm.providers.gemini_thinking import Thinking, write_thinking


def written(model: str, effort: str | None, options: JsonObject | None = None) -> Thinking:
    request = Request(
        model, [], reasoning_effort=effort, provider_options={"gemini": options or {}}
    )
    return write_thinking(request, provider="gemini")


def test_a_level_that_is_lowered_or_raised_is_told_of() -> None:
    assert written("gemini-3-flash-preview", "high").ignored == []
    (told,) = written("gemini-3-flash-preview", "max").ignored
    assert told == "reasoning_effort 'max', and thinks at 'high'"
    (told,) = written("gemini-3.1-pro-preview", "minimal").ignored
    assert told == "reasoning_effort 'minimal', and thinks at 'low'"


@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemini-1.5-pro", "gemma-3-27b-it"])
def test_a_model_that_does_not_think_is_not_asked_to(model: str) -> None:
    config, (told,) = written(model, "high")
    assert (config, told) == (None, f"reasoning_effort for {model}, which does not think")
    assert written(model, None) == Thinking()


def test_what_the_options_say_of_thinking_goes_before_the_effort() -> None:
    for setting in ({"thinkingBudget": 0}, {"thinkingLevel": "low"}):
        options: Any = {"generationConfig": {"thinkingConfig": setting}}
        config, (told,) = written("gemini-3-flash-preview", "high", options)
        assert (config, "thinkingConfig" in told) == (None, True)
    shown: Any = {"generationConfig": {"thinkingConfig": {"includeThoughts": False}}}
    assert written("gemini-3-flash-preview", "high", shown).config
