import json
import sys
from collections.abc import Mapping
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.llm import ConfigurationError, ModelInfo, get_model_info, list_models as listed
from attractor.llm.catalogue import (
    CAPABILITIES,
    PREPARED,
    Catalogue,
    Prices,
    PriceTier,
    find_table,
    override,
    prepare,
    read_catalogue,
    read_overrides,
    read_prepared,
    read_providers,
    read_table,
)
from tests.tables import table


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
    found = Catalogue.of([a_model(one) for one in ids]).latest("openai", capability)
    assert found
    return found.id


def test_the_latest_model_is_the_one_of_the_highest_version() -> None:
    for older, newer in (
        ("claude-opus-4-6", "claude-opus-5"),
        ("claude-opus-4-6", "claude-opus-4-10"),
        ("claude-opus-4-6-20260205", "claude-opus-4-6"),
        ("gpt-4-0613", "gpt-4.1"),
        ("gpt-4o-2024-05-13", "gpt-4.1-nano"),
        ("gpt-audio-2025-08-28", "o1"),
        ("gemma-4-31b-it", "gemini-4.1-x"),
        ("deep-research-preview-04-2026", "gemini-1.5-pro"),
        ("chat-latest", "gpt-3.5-turbo"),
    ):
        assert latest(older, newer) == latest(newer, older) == newer


def test_the_latest_may_be_asked_to_be_capable() -> None:
    models = [a_model("gpt-5", tools=True, vision=True), a_model("gpt-6", tools=True)]
    catalogue = Catalogue.of(models)
    assert catalogue.latest("openai", "tools") is models[1]
    assert catalogue.latest("openai", "vision") is models[0]
    assert catalogue.latest("openai", "reasoning") is None
    assert catalogue.latest("nobody") is None
    with pytest.raises(UnknownName, match="unknown capability 'visoin'") as raised:
        catalogue.latest("openai", "visoin")
    assert raised.value.hint == "did you mean vision?"


def test_model_is_found_by_each_of_its_names() -> None:
    ours = ModelInfo(id="m", provider="gemini", display_name="M", aliases=("short",))
    theirs = ModelInfo(id="m", provider="vertex_ai", display_name="M", aliases=("m-2",))
    named_so = a_model("m-2", provider="elsewhere")
    catalogue = Catalogue.of([theirs, ours, named_so])
    assert catalogue.find("m") is catalogue.find("short") is catalogue.find("gemini/m") is ours
    assert catalogue.find("m", "vertex_ai") is theirs
    assert catalogue.find("m-2") is named_so
    assert catalogue.find("m-2", "vertex_ai") is theirs
    assert catalogue.find("n") is catalogue.find("m", "openai") is None


def test_model_of_litellm_is_found_by_its_name_in_requests() -> None:
    for name, provider, found in (
        ("llama", "groq", "groq/llama"),
        ("groq/llama", "groq", "groq/llama"),
        ("groq/llama", "", "groq/llama"),
        ("groq/llama", "litellm", "groq/llama"),
        ("anthropic/claude", "litellm", "claude"),
        ("claude", "litellm", None),
        ("llama", "openai_compatible", None),
        ("groq/llama", "openai_compatible", None),
    ):
        known = Catalogue.of([a_model("groq/llama", "groq"), a_model("claude", "anthropic")])
        model = known.find(name, provider)
        assert (model and model.id) == found


def test_prepared_catalogue_is_current_and_contains_the_same_models() -> None:
    table = find_table()
    assert PREPARED.read_text("utf-8") == prepare(table), "run: make tables"
    prepared, built = read_prepared(PREPARED, table), read_catalogue(table)
    assert prepared
    assert (*prepared.models,) == built.models
    assert prepared.positions == built.positions
    assert tuple(prepared.models[3:5]) == built.models[3:5]


def test_prepared_catalogue_of_another_table_is_not_used(tmp_path: Path) -> None:
    table, overrides = tmp_path / "table.json", tmp_path / "models.toml"
    table.write_text(json.dumps({"m": PRICED}))
    overrides.write_text("")
    file = tmp_path / "models.txt"
    file.write_text(prepare(table, overrides))
    assert read_prepared(file, table, overrides)
    overrides.write_text('[aliases.openai]\nshort = "m"\n')
    assert read_prepared(file, table, overrides) is None
    overrides.write_text("")
    table.write_text(json.dumps({"other": PRICED}))
    assert read_prepared(file, table, overrides) is None


def test_models_are_listed_by_provider_and_the_newest_first() -> None:
    ids = [("gpt-5", "openai"), ("claude-4", "anthropic"), ("gpt-6", "openai")]
    catalogue = Catalogue.of([a_model(*one) for one in ids])
    assert [one.id for one in catalogue.newest_first()] == ["claude-4", "gpt-6", "gpt-5"]
    assert [one.id for one in catalogue.newest_first("openai")] == ["gpt-6", "gpt-5"]
    assert catalogue.newest_first("nobody") == []
    assert catalogue.providers == ["anthropic", "openai"]


def test_every_shipped_short_name_leads_somewhere() -> None:
    short = [(alias, one) for one in listed() for alias in one.aliases]
    assert len(short) > 3
    assert all(get_model_info(alias) is one for alias, one in short)


def test_corrupt_table_is_reported_on_reading(tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"sample_spec": {"mode": "one of: chat"}}))
    with pytest.raises(ConfigurationError, match="contains no models"):
        read_catalogue(table)


PRICED: dict[str, Json] = {
    "litellm_provider": "openai",
    "mode": "chat",
    "max_input_tokens": 272_000,
    "max_output_tokens": 128_000,
    "input_cost_per_token": 1.75e-06,
    "output_cost_per_token": 1.4e-05,
    "cache_read_input_token_cost": 1.75e-07,
    "cache_creation_input_token_cost": 2e-06,
    "supports_function_calling": True,
    "supports_reasoning": False,
}


def read(folder: Path, entries: Mapping[str, Json]) -> dict[str, ModelInfo]:
    file = folder / "table.json"
    file.write_text(json.dumps(entries))
    return {model.id: model for model in read_table(file)}


def test_an_entry_becomes_a_model_with_prices_for_a_million_tokens(tmp_path: Path) -> None:
    assert read(tmp_path, {"gpt": PRICED})["gpt"] == ModelInfo(
        id="gpt",
        provider="openai",
        display_name="gpt",
        context_window=272_000,
        max_output=128_000,
        supports_tools=True,
        input_cost_per_million=1.75,
        output_cost_per_million=14.0,
        cache_read_cost_per_million=0.175,
        cache_write_cost_per_million=2.0,
    )


def test_prices_above_a_size_are_tiers_and_else_as_below(tmp_path: Path) -> None:
    dearer: dict[str, Json] = {
        "input_cost_per_token_above_200k_tokens": 4e-06,
        "output_cost_per_token_above_200k_tokens": 2e-05,
        "input_cost_per_token_above_200k_tokens_priority": 9e-06,
    }
    [tier] = read(tmp_path, {"gpt": PRICED | dearer})["gpt"].price_tiers
    assert tier == PriceTier(200_000, Prices(4.0, 20.0, 0.175, 2.0))


def test_prices_in_ranges_are_tiers_too(tmp_path: Path) -> None:
    ranges: list[Json] = [
        {"range": [0, 256_000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
        {"range": [256_000.0, 1e6], "input_cost_per_token": 3e-06, "output_cost_per_token": 4e-06},
    ]
    entry: dict[str, Json] = {
        "litellm_provider": "dashscope",
        "mode": "chat",
        "tiered_pricing": ranges,
    }
    model = read(tmp_path, {"dashscope/q": entry})["dashscope/q"]
    assert (model.prices(256_000), model.prices(256_001)) == (Prices(1.0, 2.0), Prices(3.0, 4.0))


def test_invalid_price_or_size_is_unknown(tmp_path: Path) -> None:
    odd: dict[str, Json] = {
        "input_cost_per_token": "1",
        "output_cost_per_token": -1,
        "cache_read_input_token_cost": True,
        "max_input_tokens": float("inf"),
        "max_tokens": "many",
        "max_output_tokens": 0,
    }
    model = read(tmp_path, {"gpt": PRICED | odd})["gpt"]
    assert model.prices() == Prices(cache_write=2.0)
    assert (model.context_window, model.max_output) == (None, None)


def test_zero_is_a_price(tmp_path: Path) -> None:
    free: dict[str, Json] = {"input_cost_per_token": 0, "output_cost_per_token": 0.0}
    assert read(tmp_path, {"m": PRICED | free})["m"].prices().output == 0.0


def test_models_of_our_providers_go_by_the_names_their_interface_takes(tmp_path: Path) -> None:
    entries: dict[str, Json] = {
        "gemini/gemini-x": PRICED | {"litellm_provider": "gemini"},
        "groq/llama": PRICED | {"litellm_provider": "groq"},
    }
    found = read(tmp_path, entries)
    assert [(one.id, one.provider) for one in found.values()] == [
        ("gemini-x", "gemini"),
        ("groq/llama", "groq"),
    ]


@table(
    ("message", "asked"),
    [
        ("vertex_ai-language-models", "vertex_ai"),
        ("bedrock_converse", "bedrock"),
        ("cohere_chat", "cohere"),
        ("scx-ai", "scx-ai"),
    ],
)
def test_provider_of_a_model_is_the_one_of_requests(
    tmp_path: Path, message: str, asked: str
) -> None:
    [model] = read(tmp_path, {"m": PRICED | {"litellm_provider": message}}).values()
    assert model.provider == asked
    assert read_providers(tmp_path / "table.json") == {asked}


def test_only_text_models_are_listed(tmp_path: Path) -> None:
    entries: dict[str, Json] = {
        "gpt": PRICED,
        "gpt-image": PRICED | {"mode": "image_generation"},
        "no-provider": {"mode": "chat"},
        "no-model": {"mode": "chat", "litellm_provider": "openai"},
        "text": "x",
    }
    assert list(read(tmp_path, entries)) == ["gpt"]


@table(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        ("{", "invalid JSON"),
        ("\udcff", "invalid JSON"),
        ("[]", "the table contains no models"),
        ("{}", "the table contains no models"),
    ],
)
def test_unusable_table_is_named_with_a_remedy(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "table.json"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError) as raised:
        read_table(file)
    assert words in raised.value.message
    assert str(file) in raised.value.message
    assert "install --force-reinstall litellm" in raised.value.hint


def test_missing_litellm_is_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    # A plain module represents a package without a folder.
    lone = ModuleType("litellm")
    lone.__spec__ = spec_from_loader("litellm", loader=None)
    monkeypatch.setitem(sys.modules, "litellm", lone)
    with pytest.raises(ConfigurationError, match="litellm is not installed") as raised:
        find_table()
    assert "pip install litellm" in raised.value.hint


LONG, LONGER = Prices(input=4.0, output=8.0), Prices(input=6.0, output=9.0)


def test_capabilities_are_named_in_one_order() -> None:
    able = ModelInfo(
        id="m",
        provider="p",
        display_name="M",
        supports_reasoning=True,
        supports_vision=True,
        supports_tools=True,
    )
    assert able.capabilities == CAPABILITIES


def test_price_tier_applies_to_longer_prompts() -> None:
    model = ModelInfo(
        id="m",
        provider="p",
        display_name="M",
        input_cost_per_million=2.0,
        price_tiers=(PriceTier(300, LONGER), PriceTier(200, LONG)),
    )
    assert model.prices(200) == Prices(input=2.0)
    assert model.prices(201) == model.prices(300) == LONG
    assert model.prices(301) == LONGER


KNOWN = ModelInfo(id="m", provider="p", display_name="m", input_cost_per_million=1.0)
SAID = """
[aliases.p]
short = "m"
lost = "nobody"
[models.p."m"]
display_name = "The M"
[models.p."new"]
context_window = 1000
[models.p."gone"]
display_name = "Gone"
"""


def test_overrides_replace_single_fields_of_the_table() -> None:
    model, _ = override([KNOWN], read_overrides(SAID))
    assert model == ModelInfo(
        id="m",
        provider="p",
        display_name="The M",
        input_cost_per_million=1.0,
        aliases=("short",),
    )


def test_complete_override_adds_a_model() -> None:
    assert [one.id for one in override([KNOWN], read_overrides(SAID))] == ["m", "new"]


def test_first_of_two_models_with_one_name_counts() -> None:
    other = ModelInfo(id="m", provider="p", display_name="other")
    assert override([KNOWN, other], read_overrides("")) == [KNOWN]
    elsewhere = ModelInfo(id="m", provider="q", display_name="m")
    assert override([KNOWN, elsewhere], read_overrides("")) == [KNOWN, elsewhere]
