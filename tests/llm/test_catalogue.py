import json
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName
from attractor.llm import ConfigurationError, ModelInfo, get_latest_model, get_model_info
from attractor.llm import list_models as listed
from attractor.llm.catalogue import Catalogue, read_catalogue, shipped_catalogue


def a_model(id_: str, provider: str = "openai", price: float = 1.0, **more: bool) -> ModelInfo:
    return ModelInfo(
        id=id_,
        provider=provider,
        display_name=id_,
        output_cost_per_million=price,
        supports_tools=more.get("tools", False),
        supports_vision=more.get("vision", False),
        supports_reasoning=more.get("reasoning", False),
    )


def latest(*ids: str, capability: str | None = None) -> str:
    found = Catalogue([a_model(one) for one in ids]).latest("openai", capability)
    assert found
    return found.id


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("claude-opus-4-6", "claude-opus-5"),
        ("claude-opus-4-6", "claude-opus-4-10"),
        ("claude-opus-4-6-20260205", "claude-opus-4-6"),
        ("gpt-4-0613", "gpt-4.1"),
        ("gpt-4o-2024-05-13", "gpt-4.1-nano"),
        ("gpt-audio-2025-08-28", "o1"),
        ("gemma-4-31b-it", "gemini-4.1-x"),
        ("deep-research-preview-04-2026", "gemini-1.5-pro"),
        ("chat-latest", "gpt-3.5-turbo"),
    ],
)
def test_the_latest_model_is_the_one_of_the_highest_version(older: str, newer: str) -> None:
    assert latest(older, newer) == latest(newer, older) == newer


def test_of_one_version_the_dearest_is_the_best() -> None:
    models = [a_model("gpt-6-luna", price=1), a_model("gpt-6-sol", price=9), a_model("gpt-6-x")]
    found = Catalogue(models).latest("openai")
    assert found is models[1]


def test_the_latest_may_be_asked_to_be_capable() -> None:
    models = [a_model("gpt-5", tools=True, vision=True), a_model("gpt-6", tools=True)]
    catalogue = Catalogue(models)
    assert catalogue.latest("openai", "tools") is models[1]
    assert catalogue.latest("openai", "vision") is models[0]
    assert catalogue.latest("openai", "reasoning") is None
    assert catalogue.latest("nobody") is None
    with pytest.raises(UnknownName, match="unknown capability 'visoin'") as raised:
        catalogue.latest("openai", "visoin")
    assert raised.value.hint == "did you mean vision?"


def test_a_model_is_found_by_every_name_it_has() -> None:
    ours = ModelInfo(id="m", provider="gemini", display_name="M", aliases=("short",))
    theirs = ModelInfo(id="m", provider="vertex_ai", display_name="M", aliases=("m-2",))
    named_so = a_model("m-2", provider="elsewhere")
    catalogue = Catalogue([theirs, ours, named_so])
    assert catalogue.find("m") is catalogue.find("short") is catalogue.find("gemini/m") is ours
    assert catalogue.find("m", "vertex_ai") is theirs
    assert catalogue.find("m-2") is named_so
    assert catalogue.find("m-2", "vertex_ai") is theirs
    assert catalogue.find("n") is catalogue.find("m", "openai") is None


@pytest.mark.parametrize(
    ("name", "provider", "found"),
    [
        ("llama", "groq", "groq/llama"),
        ("groq/llama", "groq", "groq/llama"),
        ("groq/llama", "", "groq/llama"),
        ("groq/llama", "litellm", "groq/llama"),
        ("anthropic/claude", "litellm", "claude"),
        ("claude", "litellm", None),
        ("llama", "openai_compatible", None),
        ("groq/llama", "openai_compatible", None),
    ],
)
def test_a_model_that_litellm_serves_is_found_as_it_is_asked(
    name: str, provider: str, found: str | None
) -> None:
    known = Catalogue([a_model("groq/llama", "groq"), a_model("claude", "anthropic")])
    model = known.find(name, provider)
    assert (model and model.id) == found


def test_models_are_listed_by_provider_and_the_newest_first() -> None:
    ids = [("gpt-5", "openai"), ("claude-4", "anthropic"), ("gpt-6", "openai")]
    catalogue = Catalogue([a_model(*one) for one in ids])
    assert [one.id for one in catalogue.newest_first()] == ["claude-4", "gpt-6", "gpt-5"]
    assert [one.id for one in catalogue.newest_first("openai")] == ["gpt-6", "gpt-5"]
    assert catalogue.newest_first("nobody") == []
    assert catalogue.providers == ["anthropic", "openai"]


def test_the_shipped_catalogue_is_read_once() -> None:
    assert shipped_catalogue() is shipped_catalogue()
    assert get_model_info("gpt-5.2") is get_model_info("openai/gpt-5.2")


@pytest.mark.parametrize("provider", ["anthropic", "gemini", "openai"])
def test_the_shipped_catalogue_knows_a_capable_and_priced_model_of_each(provider: str) -> None:
    newest = get_latest_model(provider, "tools")
    assert newest
    assert newest in listed(provider)
    assert newest.input_cost_per_million
    assert newest.context_window
    assert newest.context_window > 100_000


def test_every_shipped_short_name_leads_somewhere() -> None:
    short = [(alias, one) for one in listed() for alias in one.aliases]
    assert len(short) > 3
    assert all(get_model_info(alias) is one for alias, one in short)


def test_a_damaged_table_is_told_when_it_is_read(tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"sample_spec": {"mode": "one of: chat"}}))
    with pytest.raises(ConfigurationError, match="holds no models"):
        read_catalogue(table)
