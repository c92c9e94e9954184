"""The catalogue of known models: context windows, capabilities and prices (2.9).

The sources are litellm's table of models (without importing litellm) and the overrides in
`models.toml`. `models.txt` contains what both add up to, and is used while it fits the installed
table: reading one model from it takes a millisecond, and from the table 60. Models that are not in
the catalogue can be called too.
"""

import importlib.util
import json
import math
import re
import tomllib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard, cast, overload

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.installation import install_command
from attractor.base.json import Json
from attractor.llm.errors import ConfigurationError

CAPABILITIES = ("tools", "vision", "reasoning")
"""Names of capabilities."""


@dataclass(frozen=True)
class Prices:
    """Prices in US dollars per million tokens; a price that is None is unknown."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True)
class PriceTier:
    """The prices of all tokens of a call if the prompt has more than `above_tokens` tokens."""

    above_tokens: int
    prices: Prices


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model of the catalogue; a field that is None is unknown.

    `context_window` is the maximum number of tokens in a prompt. `knowledge_cutoff` is a month or
    day, such as `2025-05`.
    """

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
    knowledge_cutoff: str | None = None

    def prices(self, prompt_tokens: int = 0) -> Prices:
        """Return the prices of a call with a prompt of this size."""
        tiers = [tier for tier in self.price_tiers if prompt_tokens > tier.above_tokens]
        if tiers:
            return max(tiers, key=lambda tier: tier.above_tokens).prices
        return Prices(
            self.input_cost_per_million,
            self.output_cost_per_million,
            self.cache_read_cost_per_million,
            self.cache_write_cost_per_million,
        )

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The names of the capabilities of the model."""
        supported = (self.supports_tools, self.supports_vision, self.supports_reasoning)
        return tuple(name for name, has in zip(CAPABILITIES, supported, strict=True) if has)


OVERRIDES = Path(__file__).with_name("models.toml")


@dataclass(frozen=True)
class Overrides:
    """Fields to override, by provider and model id; and model ids, by provider and alias."""

    models: Mapping[str, Mapping[str, Mapping[str, Any]]]
    aliases: Mapping[str, Mapping[str, str]]


def read_overrides(text: str) -> Overrides:
    """Parse a file like `models.toml`."""
    tables = tomllib.loads(text)
    return Overrides(tables.get("models", {}), tables.get("aliases", {}))


def override(models: Iterable[ModelInfo], overrides: Overrides) -> list[ModelInfo]:
    """Return the models with the overrides applied; of duplicate models, the first is used."""
    known: dict[tuple[str, str], ModelInfo] = {}
    for model in models:
        known.setdefault((model.provider, model.id), model)
    for provider, fields_by_id in overrides.models.items():
        for id_, values in fields_by_id.items():
            _set_fields(known, provider, id_, values)
    for provider, names in overrides.aliases.items():
        for alias, id_ in names.items():
            if model := known.get((provider, id_)):
                known[provider, id_] = replace(model, aliases=(*model.aliases, alias))
    return list(known.values())


def _set_fields(
    known: dict[tuple[str, str], ModelInfo], provider: str, id_: str, values: Mapping[str, Any]
) -> None:
    model = known.get((provider, id_))
    if model is None and "context_window" in values:
        model = ModelInfo(id=id_, provider=provider, display_name=id_)
    if model is not None:
        known[provider, id_] = replace(model, **values)


TABLE = "model_prices_and_context_window_backup.json"
NATIVE = ("anthropic", "gemini", "openai")
"""Providers whose models the table may list as `provider/model`."""
LITELLM = "litellm"
"""The provider whose model names are `provider/model`."""

_TEXT_MODES = ("chat", "responses", "completion")
# For some providers, the table appends an API or a model family to the name.
_PROVIDER_NAMES = re.compile(r"(vertex_ai)-.*|(bedrock)_converse|(cohere)_chat|(azure)_text")
# Entries without any of these are not models.
_MODEL_KEYS = {"input_cost_per_token", "max_input_tokens", "max_tokens", "tiered_pricing"}
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
    """Return the path of litellm's table of models."""
    spec = importlib.util.find_spec("litellm")
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        return Path(folder) / TABLE
    raise ConfigurationError(
        "missing table of models: litellm is not installed",
        hint=f"install it: {install_command('litellm')}",
    )


def read_table(file: Path) -> Iterator[ModelInfo]:
    """Yield the text models of a table: the models that answer with text."""
    models = [_model(name, provider, entry) for name, provider, entry in _entries(file)]
    if not models:
        raise _unusable(file, "the table contains no models")
    return iter(models)


def read_providers(file: Path) -> frozenset[str]:
    """Return the names of all providers in a table."""
    return frozenset(provider for _, provider, _ in _entries(file))


def _unusable(file: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"cannot read the table of models {file}: {reason}",
        hint=f"install litellm again: {install_command('litellm', again=True)}",
    )


def _entries(file: Path) -> Iterator[tuple[str, str, _Entry]]:
    """Yield the name, provider and entry of every text model."""
    try:
        table = cast(Json, json.loads(file.read_bytes()))
    except OSError as cause:
        raise _unusable(file, cause.strerror or str(cause)) from cause
    except ValueError as cause:
        raise _unusable(file, f"invalid JSON: {cause}") from cause
    for name, entry in table.items() if isinstance(table, dict) else ():
        if isinstance(entry, dict) and entry.get("mode") in _TEXT_MODES:
            provider = entry.get("litellm_provider")
            if isinstance(provider, str) and _MODEL_KEYS & entry.keys():
                found = _PROVIDER_NAMES.fullmatch(provider)
                yield name, found[found.lastindex or 0] if found else provider, entry


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
    """Yield a tier for the prices in fields such as `..._above_200k_tokens`.

    If a tier has no price for a kind of token, the price of the lower tier applies.
    """
    for key in entry:
        if found := _TIER.fullmatch(key):
            yield PriceTier(1000 * int(found[2]), _prices(entry, found[1], below))


def _ranges(entry: _Entry) -> Iterator[PriceTier]:
    """Yield the prices in a list of ranges; the first range begins at 0."""
    rows = entry.get("tiered_pricing")
    for row in rows if isinstance(rows, list) else ():
        ends = row.get("range") if isinstance(row, dict) else None
        if isinstance(row, dict) and isinstance(ends, list) and ends:
            yield PriceTier(_count(ends[0]) or 0, _prices(row))


def _prices(entry: _Entry, suffix: str = "", below: Prices = _NO_PRICES) -> Prices:
    # The table has the price of one token; invalid prices are unknown.
    prices = {field: entry.get(key + suffix) for field, key in _KEYS.items()}
    valid = {field: price for field, price in prices.items() if _is_number(price)}
    return replace(below, **{field: round(valid[field] * _MILLION, 9) for field in valid})


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
    """All known models, and the positions of the models of each name, separated by blanks."""

    models: Sequence[ModelInfo]
    positions: Mapping[str, str]

    @classmethod
    def of(cls, models: Sequence[ModelInfo]) -> "Catalogue":
        """Return a catalogue of models."""
        return cls(models, index_names(models))

    def find(self, name: str, provider: str = "") -> ModelInfo | None:
        """Return a model by id or alias, of one provider (default: of any provider)."""
        if provider == LITELLM:
            provider, _, name = name.partition("/")
        models = self.find_all(name)
        if provider:
            # The table lists the models of most providers as `provider/model`.
            models += self.find_all(f"{provider}/{name}")
        return next((model for model in models if provider in ("", model.provider)), None)

    def find_all(self, name: str) -> list[ModelInfo]:
        """Return the models of all providers with an id or alias, native providers first."""
        return [self.models[int(position)] for position in self.positions.get(name, "").split()]

    def newest_first(self, provider: str | None = None) -> Sequence[ModelInfo]:
        """Return the models of one or all providers, sorted by provider, newest first."""
        models = [model for model in self.models if provider in (None, model.provider)]
        models.sort(key=_rank, reverse=True)
        return sorted(models, key=lambda model: model.provider)

    def latest(self, provider: str, capability: str | None = None) -> ModelInfo | None:
        """Return a provider's model with the highest version.

        If several models have this version, return the most expensive of these models.
        """
        if capability is not None and capability not in CAPABILITIES:
            raise UnknownName("capability", capability, CAPABILITIES)
        models = (
            model
            for model in self.models
            if model.provider == provider
            and (capability is None or capability in model.capabilities)
        )
        return max(models, key=_rank, default=None)

    @property
    def providers(self) -> Sequence[str]:
        """The names of all providers."""
        return sorted({model.provider for model in self.models})


def index_names(models: Iterable[ModelInfo]) -> Mapping[str, str]:
    """Return the positions of the models of each name: ids before aliases, native before others."""
    positions: dict[str, list[str]] = {}
    native_first = sorted(enumerate(models), key=lambda entry: entry[1].provider not in NATIVE)
    for position, model in native_first:
        positions.setdefault(model.id, []).append(str(position))
    for position, model in native_first:
        for name in (f"{model.provider}/{model.id}", *model.aliases):
            positions.setdefault(name, []).append(str(position))
    return {name: " ".join(found) for name, found in positions.items()}


def read_catalogue(table: Path, overrides: Path = OVERRIDES) -> Catalogue:
    """Return the catalogue built from litellm's table and from the overrides."""
    models = override(read_table(table), read_overrides(overrides.read_text("utf-8")))
    return Catalogue.of(tuple(models))


PREPARED = Path(__file__).with_name("models.txt")
"""The prepared catalogue (`make tables`).

The first line names the sources. Then come a line for each name, with the positions of its models,
an empty line, and a line for each model: a JSON list of the fields of ModelInfo.
"""


def prepare(table: Path, overrides: Path = OVERRIDES) -> str:
    """Return the content of the prepared file for a table and overrides."""
    catalogue = read_catalogue(table, overrides)
    names = (f"{name}\t{found}" for name, found in sorted(catalogue.positions.items()))
    models = (json.dumps(astuple(model), separators=(",", ":")) for model in catalogue.models)
    return "\n".join([_describe_sources(table, overrides), *names, "", *models])


def read_prepared(file: Path, table: Path, overrides: Path = OVERRIDES) -> Catalogue | None:
    """Return a prepared catalogue; None if it was made from another table or other overrides."""
    sources, _, rest = file.read_text("utf-8").partition("\n")
    if sources != _describe_sources(table, overrides):
        return None
    names, _, models = rest.partition("\n\n")
    positions = dict(line.split("\t") for line in names.split("\n"))
    return Catalogue(_PreparedModels(models.split("\n")), positions)


def _describe_sources(table: Path, overrides: Path) -> str:
    try:
        size = table.stat().st_size
    except OSError as cause:
        raise _unusable(table, cause.strerror or str(cause)) from cause
    return f"table of {size} bytes, overrides {zlib.crc32(overrides.read_bytes()):08x}"


_FIELDS = [field.name for field in fields(ModelInfo)]


class _PreparedModels(Sequence[ModelInfo]):
    """The models of a prepared file, each parsed when it is first used."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._models: dict[int, ModelInfo] = {}

    @overload
    def __getitem__(self, index: int) -> ModelInfo: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ModelInfo]: ...
    def __getitem__(self, index: int | slice) -> ModelInfo | Sequence[ModelInfo]:
        """Return a model, or several."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if index not in self._models:
            values: dict[str, Any] = dict(zip(_FIELDS, json.loads(self._lines[index]), strict=True))
            tiers = (PriceTier(above, Prices(*prices)) for above, prices in values["price_tiers"])
            values |= {"price_tiers": tuple(tiers), "aliases": tuple(values["aliases"])}
            self._models[index] = ModelInfo(**values)
        return self._models[index]

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self._lines)


@cache
def shipped_catalogue() -> Catalogue:
    """Return the catalogue of this installation."""
    table = find_table()
    return read_prepared(PREPARED, table) or read_catalogue(table)


def get_model_info(model_id: str, provider: str = "") -> ModelInfo | None:
    """Return the catalogue entry of a model; None if the model is unknown.

    A call of an unknown model may still succeed.
    """
    return shipped_catalogue().find(model_id, provider)


FindModel = Callable[[str, str], ModelInfo | None]
"""Returns the catalogue entry of a model, by its id and its provider."""


def list_models(provider: str | None = None) -> Sequence[ModelInfo]:
    """Return the known models of one provider (default: of all providers), newest first."""
    return shipped_catalogue().newest_first(provider)


def get_latest_model(provider: str, capability: str | None = None) -> ModelInfo | None:
    """Return the newest model of a provider with a capability."""
    return shipped_catalogue().latest(provider, capability)


def _rank(model: ModelInfo) -> tuple[int, int, float, bool]:
    """Return a sort key: greater for newer versions, then for higher prices."""
    undated = _DATE.sub("", model.id)
    found = _VERSION.search(undated)
    major, minor = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return major, minor, model.output_cost_per_million or 0.0, undated == model.id
