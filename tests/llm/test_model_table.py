import json
import sys
from collections.abc import Mapping
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from attractor.base.json import Json
from attractor.llm.errors import ConfigurationError
from attractor.llm.model_info import ModelInfo, Prices, PriceTier
from attractor.llm.model_table import find_table, read_providers, read_table

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


def test_what_is_no_price_and_no_size_is_not_known(tmp_path: Path) -> None:
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


def test_a_price_of_nothing_is_a_price(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("vertex_ai-language-models", "vertex_ai"),
        ("bedrock_converse", "bedrock"),
        ("cohere_chat", "cohere"),
        ("scx-ai", "scx-ai"),
    ],
)
def test_a_provider_is_named_as_it_is_asked(tmp_path: Path, told: str, asked: str) -> None:
    [model] = read(tmp_path, {"m": PRICED | {"litellm_provider": told}}).values()
    assert model.provider == asked
    assert read_providers(tmp_path / "table.json") == {asked}


def test_only_what_answers_in_words_is_a_model(tmp_path: Path) -> None:
    entries: dict[str, Json] = {
        "gpt": PRICED,
        "gpt-image": PRICED | {"mode": "image_generation"},
        "no-provider": {"mode": "chat"},
        "no-model": {"mode": "chat", "litellm_provider": "openai"},
        "text": "x",
    }
    assert list(read(tmp_path, entries)) == ["gpt"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file or directory"),
        ("{", "it is no JSON"),
        ("\udcff", "it is no JSON"),
        ("[]", "it holds no models"),
        ("{}", "it holds no models"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_what_to_do(
    tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "table.json"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError) as raised:
        read_table(file)
    assert words in raised.value.message
    assert str(file) in raised.value.message
    assert "pip install --force-reinstall litellm" in raised.value.hint


def test_the_table_is_found_without_importing_litellm() -> None:
    assert find_table().is_file()


def test_without_litellm_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # A module that is no package stands in for one that has no folder.
    lone = ModuleType("litellm")
    lone.__spec__ = spec_from_loader("litellm", loader=None)
    monkeypatch.setitem(sys.modules, "litellm", lone)
    with pytest.raises(ConfigurationError, match="litellm is not installed") as raised:
        find_table()
    assert "pip install litellm" in raised.value.hint
