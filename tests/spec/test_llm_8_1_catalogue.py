"""unified-llm 8.1 and 2.9: the catalogue of models."""

from attractor.llm import get_latest_model, get_model_info, list_models
from tests.tables import table

NAMED = {
    "claude-opus-4-6": ("anthropic", "Claude Opus 4.6"),
    "claude-sonnet-4-5": ("anthropic", "Claude Sonnet 4.5"),
    "gpt-5.2": ("openai", "GPT-5.2"),
    "gpt-5.2-mini": ("openai", "GPT-5.2 Mini"),
    "gpt-5.2-codex": ("openai", "GPT-5.2 Codex"),
    "gemini-3.1-pro-preview": ("gemini", "Gemini 3.1 Pro Preview"),
    "gemini-3-flash-preview": ("gemini", "Gemini 3 Flash (Preview)"),
}


@table("name", NAMED)
def test_8_1_the_models_of_the_specification_are_known(name: str) -> None:
    found = get_model_info(name)
    assert found
    assert (found.id, found.provider, found.display_name) == (name, *NAMED[name])
    assert (found.supports_tools, found.supports_vision, found.supports_reasoning) == (True,) * 3
    assert found.context_window
    assert found in list_models(found.provider)


def test_8_1_unknown_model_is_none() -> None:
    assert get_model_info("gpt-of-tomorrow") is None


def test_8_1_models_are_listed_of_all_providers_or_of_one() -> None:
    everything = list_models()
    assert {one.provider for one in everything} >= {"openai", "anthropic", "gemini"}
    ours = list_models("anthropic")
    assert {one.provider for one in ours} == {"anthropic"}
    assert len(ours) < len(everything)


@table("capability", [None, "reasoning", "vision", "tools"])
@table("provider", ["anthropic", "gemini", "openai"])
def test_8_1_latest_model_has_the_requested_capability(
    provider: str, capability: str | None
) -> None:
    found = get_latest_model(provider, capability)
    assert found
    assert found.provider == provider
    assert capability is None or capability in found.capabilities
