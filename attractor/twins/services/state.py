"""What a service remembers: its collections and values, and what was drawn by chance."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field
from random import Random
from typing import TypeAlias, cast
from uuid import UUID

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json

Records: TypeAlias = dict[str, dict[str, Json]]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class State:
    """A state that one request at a time may change; its records are replaced, never changed."""

    seed: int = 0
    collections: dict[str, Records] = field(default_factory=dict[str, Records])
    values: dict[str, Json] = field(default_factory=dict[str, Json])
    counters: dict[str, int] = field(default_factory=dict[str, int])
    drawn: int = 0

    def copy(self) -> "State":
        """Return one that can be changed without this one."""
        collections = {name: dict(records) for name, records in self.collections.items()}
        return State(self.seed, collections, dict(self.values), dict(self.counters), self.drawn)

    def tables(self) -> dict[str, Json]:
        """Return all of it by name, each collection as a table of its records by id."""
        return cast("dict[str, Json]", {**self.collections, **self.values})

    def loose_tables(self) -> dict[str, Json]:
        """Return a copy of all of it that may be changed in place."""
        return deepcopy(self.tables())

    def put_back(self, tables: Mapping[str, Json]) -> None:
        """Take over what such a copy has become."""
        for name in self.collections:
            self.collections[name] = cast("Records", tables[name])
        self.values = {
            name: value for name, value in tables.items() if name not in self.collections
        }

    def counter(self, name: str = "") -> int:
        """Return 1, then 2, and so on, for each name by itself."""
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]

    def random(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return self._draw().randint(low, high)

    def letters(self, count: int) -> str:
        """Return so many letters and digits."""
        return "".join(self._draw().choices(_LETTERS, k=count))

    def uuid(self) -> str:
        """Return a UUID."""
        return str(UUID(int=self._draw().getrandbits(128), version=4))

    def _draw(self) -> Random:
        self.drawn += 1
        return Random(f"{self.seed}/{self.drawn}")
