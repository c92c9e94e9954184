"""What was set, and where each value came from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.toml import dotted
from attractor.config.origins import Origin
from attractor.config.shapes import leaves

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Entry:
    """One setting with its effective value and its origin."""

    key: str
    value: object
    origin: Origin


@dataclass(frozen=True)
class Configuration(Generic[Model]):
    """The effective settings of a project, and the origin of each by its dotted key."""

    settings: Model
    origins: Mapping[str, Origin]
    root: Path

    def origin(self, key: str) -> Origin:
        """Return where a setting came from, such as `output.color`."""
        if key not in self.origins:
            raise UnknownName("setting", key, self.origins)
        return self.origins[key]

    def entries(self) -> tuple[Entry, ...]:
        """List every setting in the order of the model."""
        found = (
            (dotted(leaf.path), leaf.value) for leaf in leaves(type(self.settings), self.settings)
        )
        return tuple(Entry(key, value, self.origins[key]) for key, value in found)
