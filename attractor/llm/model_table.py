"""Reads the table of models that litellm brings along, without importing litellm."""

import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard, cast

from attractor.base.json import Json
from attractor.llm.errors import ConfigurationError
from attractor.llm.model_info import ModelInfo, Prices, PriceTier

TABLE = "model_prices_and_context_window_backup.json"
NATIVE = ("anthropic", "gemini", "openai")
"""The providers whose models the table may name `provider/model`, and they themselves do not."""
LITELLM = "litellm"
"""The provider whose models are named as the table may name them: `provider/model`."""

_TALKING = ("chat", "responses", "completion")
# A provider is named as it is asked; the table also says in what way, or whose model it has.
_ASKED_AS = re.compile(r"(vertex_ai)-.*|(bedrock)_converse|(cohere)_chat|(azure)_text")
# Some entries are no models, but what a provider sells besides.
_SAYS_SOMETHING = {"input_cost_per_token", "max_input_tokens", "max_tokens", "tiered_pricing"}
_KEYS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}
_TIER = re.compile(r"input_cost_per_token(_above_(\d+)k_tokens)")
_MILLION = 1_000_000
_NO_PRICES = Prices()

_Entry = Mapping[str, Json]


def find_table() -> Path:
    """Return where the table lies."""
    found = importlib.util.find_spec("litellm")
    folders = (found.submodule_search_locations if found else None) or ()
    for folder in folders:
        return Path(folder) / TABLE
    raise ConfigurationError(
        "there is no table of models: litellm is not installed",
        hint="install it where attractor is installed: pip install litellm",
    )


def read_table(file: Path) -> Iterator[ModelInfo]:
    """Read every model of a table that answers in words."""
    models = [_model(name, provider, entry) for name, provider, entry in _entries(file)]
    if not models:
        raise _unusable(file, "it holds no models")
    return iter(models)


def read_providers(file: Path) -> frozenset[str]:
    """Return the names of all providers that a table has models of."""
    return frozenset(provider for _, provider, _ in _entries(file))


def _unusable(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the table of models cannot be read: {file}: {why}",
        hint="install litellm anew where attractor is: pip install --force-reinstall litellm",
    )


def _entries(file: Path) -> Iterator[tuple[str, str, _Entry]]:
    """Yield the name, the provider and what else is said of all that answers in words."""
    try:
        table = cast(Json, json.loads(file.read_bytes()))
    except OSError as cause:
        raise _unusable(file, cause.strerror or str(cause)) from cause
    except ValueError as cause:
        raise _unusable(file, f"it is no JSON: {cause}") from cause
    for name, entry in table.items() if isinstance(table, dict) else ():
        if isinstance(entry, dict) and entry.get("mode") in _TALKING:
            provider = entry.get("litellm_provider")
            if isinstance(provider, str) and _SAYS_SOMETHING & entry.keys():
                yield name, _asked_as(provider), entry


def _asked_as(provider: str) -> str:
    found = _ASKED_AS.fullmatch(provider)
    return found[found.lastindex or 0] if found else provider


def _model(name: str, provider: str, entry: _Entry) -> ModelInfo:
    id_ = name.removeprefix(f"{provider}/") if provider in NATIVE else name
    ranges = list(_ranges(entry))
    prices = _prices(entry, "", ranges[0].prices if ranges else _NO_PRICES)
    return ModelInfo(
        id=id_,
        provider=provider,
        display_name=id_,
        context_window=_count(entry.get("max_input_tokens")) or _count(entry.get("max_tokens")),
        max_output=_count(entry.get("max_output_tokens")),
        supports_tools=entry.get("supports_function_calling") is True,
        supports_vision=entry.get("supports_vision") is True,
        supports_reasoning=entry.get("supports_reasoning") is True,
        input_cost_per_million=prices.input,
        output_cost_per_million=prices.output,
        cache_read_cost_per_million=prices.cache_read,
        cache_write_cost_per_million=prices.cache_write,
        price_tiers=(*ranges[1:], *_tiers(entry, prices)),
    )


def _tiers(entry: _Entry, below: Prices) -> Iterator[PriceTier]:
    """Read prices named `..._above_200k_tokens`; what has none there costs what it costs below."""
    for key in entry:
        if found := _TIER.fullmatch(key):
            yield PriceTier(1000 * int(found[2]), _prices(entry, found[1], below))


def _ranges(entry: _Entry) -> Iterator[PriceTier]:
    """Read prices that stand in a list of ranges, of which the first one begins at nothing."""
    rows = entry.get("tiered_pricing")
    for row in rows if isinstance(rows, list) else ():
        ends = row.get("range") if isinstance(row, dict) else None
        if isinstance(row, dict) and isinstance(ends, list) and ends:
            yield PriceTier(_count(ends[0]) or 0, _prices(row))


def _prices(entry: _Entry, suffix: str = "", below: Prices = _NO_PRICES) -> Prices:
    found = {sort: _price(entry.get(key + suffix)) for sort, key in _KEYS.items()}
    return replace(below, **{sort: price for sort, price in found.items() if price is not None})


def _price(value: Json) -> float | None:
    """Return the price of a million tokens from that of one; what is no price is not known."""
    return round(value * _MILLION, 9) if _is_number(value) else None


def _count(value: Json) -> int | None:
    return int(value) or None if _is_number(value) else None


def _is_number(value: Json) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value < math.inf
