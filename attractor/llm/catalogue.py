"""The catalogue of models: it advises, and a model it does not know is tried all the same (2.9).

It is read when it is first asked, once in a process, from the table that litellm brings along with
what `models.toml` says over it.

What is known of a model: its window, its abilities and its prices (2.9).

Our own word on models: what stands over the table, what it lacks, and short names.

Reads the table of models that litellm brings along, without importing litellm.
"""

import importlib.util
import json
import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeGuard, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.llm.errors import ConfigurationError

CAPABILITIES = ("tools", "vision", "reasoning")
"""What a model may be asked for by name."""


@dataclass(frozen=True)
class Prices:
    """What a million tokens of each sort cost, in US dollars; None is not known."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True)
class PriceTier:
    """The prices of a whole call whose prompt has more tokens than these."""

    above_tokens: int
    prices: Prices


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model of the catalogue. Its window is what a prompt may have; None is not known."""

    id: str
    provider: str
    display_name: str
    context_window: int | None = None
    max_output: int | None = None
    supports_tools: bool = False
    supports_vision: bool = False
    supports_reasoning: bool = False
    input_cost_per_million: float | None = None
    output_cost_per_million: float | None = None
    cache_read_cost_per_million: float | None = None
    cache_write_cost_per_million: float | None = None
    price_tiers: tuple[PriceTier, ...] = ()
    aliases: tuple[str, ...] = ()

    def prices(self, prompt_tokens: int = 0) -> Prices:
        """Return what tokens cost in a call with a prompt of this size."""
        reached = [tier for tier in self.price_tiers if prompt_tokens > tier.above_tokens]
        if reached:
            return max(reached, key=lambda tier: tier.above_tokens).prices
        return Prices(
            self.input_cost_per_million,
            self.output_cost_per_million,
            self.cache_read_cost_per_million,
            self.cache_write_cost_per_million,
        )

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do beside reading and writing text."""
        has = (self.supports_tools, self.supports_vision, self.supports_reasoning)
        return tuple(name for name, can in zip(CAPABILITIES, has, strict=True) if can)


OVERRIDES = Path(__file__).with_name("models.toml")


@dataclass(frozen=True)
class Overrides:
    """Fields by provider and model, and models by provider and short name."""

    models: Mapping[str, Mapping[str, Mapping[str, Any]]]
    aliases: Mapping[str, Mapping[str, str]]


def read_overrides(text: str) -> Overrides:
    """Read what a file like `models.toml` says."""
    told = tomllib.loads(text)
    return Overrides(told.get("models", {}), told.get("aliases", {}))


def put_over(models: Iterable[ModelInfo], overrides: Overrides) -> list[ModelInfo]:
    """Return the models as they stand with the overrides; of two alike the first one counts."""
    known: dict[tuple[str, str], ModelInfo] = {}
    for model in models:
        known.setdefault((model.provider, model.id), model)
    for provider, of_provider in overrides.models.items():
        for id_, fields in of_provider.items():
            _put_fields(known, provider, id_, fields)
    for provider, names in overrides.aliases.items():
        for alias, id_ in names.items():
            if model := known.get((provider, id_)):
                known[provider, id_] = replace(model, aliases=(*model.aliases, alias))
    return list(known.values())


def _put_fields(
    known: dict[tuple[str, str], ModelInfo], provider: str, id_: str, fields: Mapping[str, Any]
) -> None:
    model = known.get((provider, id_))
    if model is None and "context_window" in fields:
        model = ModelInfo(id=id_, provider=provider, display_name=id_)
    if model is not None:
        known[provider, id_] = replace(model, **fields)


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


_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{2}-\d{4})(?=-|$)")
_VERSION = re.compile(r"(?<!\d)([1-9]\d?)(?!\d)(?:[.-](\d{1,2})(?![\da-z]))?")


@dataclass(frozen=True)
class Catalogue:
    """The models that are known."""

    models: Sequence[ModelInfo]

    def find(self, name: str, provider: str = "") -> ModelInfo | None:
        """Return a model by its id or a short name; of a provider, if one is named."""
        if provider == LITELLM:
            provider, _, name = name.partition("/")
        named = [*self._by_name.get(name, ())]
        if provider:
            # Of most providers the table has the names with the provider in front.
            named += self._by_name.get(f"{provider}/{name}", ())
        return next((one for one in named if provider in ("", one.provider)), None)

    def newest_first(self, provider: str | None = None) -> Sequence[ModelInfo]:
        """Return the models, of one provider or of all, in the order of the providers' names."""
        wanted = [one for one in self.models if provider in (None, one.provider)]
        wanted.sort(key=_rank, reverse=True)
        return sorted(wanted, key=lambda one: one.provider)

    def latest(self, provider: str, capability: str | None = None) -> ModelInfo | None:
        """Return a provider's model of the highest version, of several the dearest one."""
        if capability is not None and capability not in CAPABILITIES:
            raise UnknownName("capability", capability, CAPABILITIES)
        able = (
            one
            for one in self.models
            if one.provider == provider and (capability is None or capability in one.capabilities)
        )
        return max(able, key=_rank, default=None)

    @property
    def providers(self) -> Sequence[str]:
        """The names of all providers."""
        return sorted({one.provider for one in self.models})

    @cached_property
    def _by_name(self) -> dict[str, list[ModelInfo]]:
        """The models by every name they have; an id goes before a short name, ours before all."""
        found: dict[str, list[ModelInfo]] = {}
        ours_first = sorted(self.models, key=lambda one: one.provider not in NATIVE)
        for model in ours_first:
            found.setdefault(model.id, []).append(model)
        for model in ours_first:
            for name in (f"{model.provider}/{model.id}", *model.aliases):
                found.setdefault(name, []).append(model)
        return found


def read_catalogue(table: Path, overrides: Path = OVERRIDES) -> Catalogue:
    """Read a catalogue from a table and what stands over it."""
    over = read_overrides(overrides.read_text("utf-8"))
    return Catalogue(tuple(put_over(read_table(table), over)))


@cache
def shipped_catalogue() -> Catalogue:
    """Return the catalogue of this installation; the first call reads it."""
    return read_catalogue(find_table())


def get_model_info(model_id: str, provider: str = "") -> ModelInfo | None:
    """Return what is known of a model; None of one that is not known, which may work as well."""
    return shipped_catalogue().find(model_id, provider)


def list_models(provider: str | None = None) -> Sequence[ModelInfo]:
    """Return all models that are known, or those of one provider, the newest first."""
    return shipped_catalogue().newest_first(provider)


def get_latest_model(provider: str, capability: str | None = None) -> ModelInfo | None:
    """Return the newest and best model of a provider that has a capability."""
    return shipped_catalogue().latest(provider, capability)


def _rank(model: ModelInfo) -> tuple[int, int, float, bool]:
    """Return what is newer and better as what is greater: its version, then its price."""
    undated = _DATE.sub("", model.id)
    found = _VERSION.search(undated)
    major, minor = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return major, minor, model.output_cost_per_million or 0.0, undated == model.id
