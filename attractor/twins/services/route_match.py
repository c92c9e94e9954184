"""Paths and conditions that a request must match for a route."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self, TypeAlias, cast

from pydantic import Field, PlainValidator, model_validator

from attractor.base.json import Json
from attractor.twins.exchange.answer import Pattern, ScriptTable
from attractor.twins.services.json_path import WrittenPath
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.templates import as_text

_NAMED = re.compile(r"\{([A-Za-z_]\w*)(\.\.\.)?\}")


class PathPattern:
    """A path with names in it."""

    def __init__(self, written: str) -> None:
        self.written = written
        if not written.startswith("/") or "?" in written or "//" in written:
            raise ValueError("a path begins with / and has no query and no empty part")
        self._segments = written.strip("/").split("/")
        self._named = [_NAMED.fullmatch(one) for one in self._segments]
        for segment, named in zip(self._segments, self._named, strict=True):
            if not named and set(segment) & set("{}"):
                raise ValueError(f"{segment!r} has to be a name in braces, or a text without any")
        if any(one and one[2] for one in self._named[:-1]):
            raise ValueError("only the last part may take all that is left")
        if len(set(self.names)) < len(self.names):
            raise ValueError("one name stands twice in it")

    @property
    def names(self) -> Sequence[str]:
        """The names in it, in their order."""
        return [one[1] for one in self._named if one]

    @property
    def takes_the_rest(self) -> bool:
        """Whether its last part takes all that is left."""
        return bool(self._named[-1] and self._named[-1][2])

    def match(self, segments: Sequence[str]) -> Mapping[str, str] | None:
        """Return what a path says for each name, or nothing when it does not fit."""
        given = self._cut(segments)
        if len(given) != len(self._segments):
            return None
        found: dict[str, str] = {}
        for segment, named, one in zip(self._segments, self._named, given, strict=True):
            if named:
                found[named[1]] = one
            elif segment != one:
                return None
        # What is left may be nothing.
        named = self.names[:-1] if self.takes_the_rest else self.names
        return found if all(found[name] for name in named) else None

    def _cut(self, segments: Sequence[str]) -> list[str]:
        """Return as many parts as there are in the pattern, if there are enough."""
        kept = len(self._segments) - 1
        if not self.takes_the_rest or len(segments) <= kept:
            return _without_last_stroke(segments)
        return [*segments[:kept], "/".join(_without_last_stroke(segments[kept:]))]

    def covers(self, other: "PathPattern") -> bool:
        """Tell whether every path that fits the other one fits this one."""
        if other.takes_the_rest and not self.takes_the_rest:
            return False
        return self.match([_sample(one) for one in other._segments]) is not None


def _without_last_stroke(segments: Sequence[str]) -> list[str]:
    return [*segments[:-1]] if len(segments) > 1 and not segments[-1] else [*segments]


def _sample(segment: str) -> str:
    # No other segment is like this one, for braces stand around names alone.
    return f"{{{segment}}}" if segment.startswith("{") else segment


def _read(written: object) -> PathPattern:
    if not isinstance(written, str):
        raise ValueError("a path is a text such as '/v1/customers/{id}'")
    return PathPattern(written)


WrittenPattern = Annotated[PathPattern, PlainValidator(_read)]


def members(value: Json) -> dict[str, Json]:
    """Return a JSON object's members; of anything else, none."""
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {}


_LONGEST_QUOTE = 60


class Expected(ScriptTable):
    """What a value has to be like, when it is not simply said."""

    matches: Pattern | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.matches is None) == (self.present is None):
            raise ValueError("say either matches or present")
        return self

    def miss(self, found: Sequence[Json]) -> str:
        """Say why it does not hold; nothing when it holds."""
        if self.present is not None:
            if bool(found) == self.present:
                return ""
            return "is missing" if self.present else "is there, and must not be"
        if any(re.search(self.matches or "", as_text(one)) for one in found):
            return ""
        return f"{_said(found)}, which does not match /{self.matches}/" if found else _said(found)


Text: TypeAlias = Annotated[Expected | str, Field(union_mode="left_to_right")]


Value: TypeAlias = Annotated[Expected | str | int | float | bool, Field(union_mode="smart")]


class Conditions(ScriptTable):
    """Every one given must hold."""

    header: dict[str, Text] = {}
    query: dict[str, Text] = {}
    json_: dict[WrittenPath, Value] = Field(default={}, alias="json")

    def misses(self, request: ServiceRequest) -> Sequence[str]:
        """Say for each condition that does not hold what was found instead."""
        return [f"{name} {told}" for name, told in self._told(request) if told]

    def _told(self, request: ServiceRequest) -> Iterator[tuple[str, str]]:
        for name, wanted in self.header.items():
            given = request.headers.get(name.lower())
            # A header's value may be a key.
            told = _miss(wanted, [] if given is None else [given])
            yield f"header {name}", told if given is None or not told else "is another one"
        for name, wanted in self.query.items():
            given = request.query.get(name)
            yield f"query {name}", _miss(wanted, [] if given is None else [given])
        for path, wanted in self.json_.items():
            yield str(path), _miss(wanted, path.find(request.body))


def _miss(wanted: Expected | str | float | bool, found: Sequence[Json]) -> str:
    if isinstance(wanted, Expected):
        return wanted.miss(found)
    # True is no 1 in JSON.
    if any(one == wanted and isinstance(one, bool) == isinstance(wanted, bool) for one in found):
        return ""
    return f"{_said(found)}, not {as_text(wanted)!r}" if found else _said(found)


def _said(found: Sequence[Json]) -> str:
    if not found:
        return "is missing"
    text = as_text(found[0])
    return f"is {text[:_LONGEST_QUOTE]!r}"
