"""Our own word on models: what stands over the table, what it lacks, and short names."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.llm.model_info import ModelInfo

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
