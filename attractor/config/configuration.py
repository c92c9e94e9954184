"""The effective settings of a project, each with its origin."""

from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import Json
from attractor.base.toml import dotted, printable
from attractor.config.sections import write_value


class OriginKind(StrEnum):
    """The five layers of settings; a later layer overrides an earlier layer."""

    DEFAULT = "default"
    USER = "user"
    PROJECT = "project"
    VARIABLE = "variable"
    FLAG = "flag"


@dataclass(frozen=True)
class Origin:
    """Origin of a value: its layer, and the file and line, variable or flag."""

    kind: OriginKind
    place: str = ""
    line: int | None = None
    column: int | None = None

    def describe(self) -> str:
        """Return the origin as text: `attractor.toml:3`, `ATTRACTOR_STATE_DIR`, `default`."""
        if self.kind is OriginKind.DEFAULT:
            return "default"
        if self.kind is OriginKind.FLAG:
            return f"--config {printable(self.place)}"
        position = "".join(f":{one}" for one in (self.line, self.column) if one is not None)
        return printable(self.place) + position


DEFAULT = Origin(OriginKind.DEFAULT)

Found = TypeVar("Found", covariant=True)


@dataclass(frozen=True)
class Entry:
    """A setting with its effective value and origin."""

    key: str
    value: object
    origin: Origin

    @property
    def plain(self) -> Json:
        """The value as JSON; an unset setting is null."""
        return write_value(self.value)

    @property
    def words(self) -> str:
        """The value as text for people."""
        if self.plain in (None, ""):
            return "not set"
        return "none" if self.plain in ({}, []) else str(self.plain)


@dataclass(frozen=True)
class Configuration(Generic[Found]):
    """The effective settings of a project.

    `find_origins` is called when an origin is needed: to find the lines of a file takes long.
    """

    settings: Found
    find_origins: Callable[[], Mapping[str, Origin]] = field(compare=False)
    root: Path

    @cached_property
    def origins(self) -> Mapping[str, Origin]:
        """The origin of each setting, by dotted key."""
        return self.find_origins()

    def origin(self, key: str) -> Origin:
        """Return the origin of a setting such as `output.color`."""
        if key not in self.origins:
            raise UnknownName("setting", key, self.origins)
        return self.origins[key]

    def entries(self) -> tuple[Entry, ...]:
        """Return every setting, in the order of the model."""
        # Imported here, because few commands list settings, and it imports pydantic.
        from attractor.config.schema import leaves

        found = (
            (dotted(leaf.path), leaf.value) for leaf in leaves(type(self.settings), self.settings)
        )
        return tuple(Entry(key, value, self.origins[key]) for key, value in found)
