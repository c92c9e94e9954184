"""What a request has to be like for a route, besides its method and path."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator

from attractor.base.json import Json
from attractor.twins.answer import Pattern, Written
from attractor.twins.services.json_paths import WrittenPath
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.templates import as_text

_LONGEST_QUOTE = 60


class Expected(Written):
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


class Conditions(Written):
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
