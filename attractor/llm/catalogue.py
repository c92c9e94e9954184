"""The catalogue of models: it advises, and a model it does not know is tried all the same (2.9).

It is read when it is first asked, once in a process, from the table that litellm brings along with
what `models.toml` says over it.
"""

import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.llm.model_info import CAPABILITIES, ModelInfo
from attractor.llm.model_overrides import OVERRIDES, put_over, read_overrides
from attractor.llm.model_table import LITELLM, NATIVE, find_table, read_table

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
