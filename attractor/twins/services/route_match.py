"""Paths and conditions that a request must match for a route."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Self, TypeAlias, cast
from urllib.parse import quote, unquote

from pydantic import Field, PlainValidator, model_validator
from starlette.routing import compile_path

from attractor.base.json import Json
from attractor.twins.exchange.answer import Pattern, ScriptTable
from attractor.twins.services.json_path import JsonPathField
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.templates import as_text

_FIELD = re.compile(r"\{([A-Za-z_]\w*)(\.\.\.)?\}")
_MAX_QUOTE = 60


class PathPattern:
    """A path with names in braces, such as `/v1/customers/{id}`; `{rest...}` ends one."""

    def __init__(self, text: str) -> None:
        self.text = text
        if not text.startswith("/") or "?" in text or "//" in text:
            raise ValueError("a path begins with / and contains no query and no empty segment")
        segments = text.strip("/").split("/")
        fields = [_FIELD.fullmatch(segment) for segment in segments]
        for segment, field in zip(segments, fields, strict=True):
            if not field and set(segment) & set("{}"):
                raise ValueError(f"{segment!r}: braces must enclose a name and a whole segment")
        if any(field and field[2] for field in fields[:-1]):
            raise ValueError("only the last segment may be {name...}")
        self.names = [field[1] for field in fields if field]
        self.has_rest = bool(fields[-1] and fields[-1][2])
        starlette_path = "/".join(
            f"{{{field[1]}:path}}" if field and field[2] else segment if field else quote(segment)
            for segment, field in zip(segments, fields, strict=True)
        )
        self._regex, _, _ = compile_path(f"/{starlette_path}")

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the text of each name in a canonical path, or None if it does not match."""
        if not self.has_rest and path != "/":
            path = path.removesuffix("/")
        found = self._regex.match(path)
        if found is None:
            return None
        return {name: unquote(text.removesuffix("/")) for name, text in found.groupdict().items()}

    def covers(self, other: "PathPattern") -> bool:
        """Return whether every path that matches the other pattern matches this one."""
        if other.has_rest and not self.has_rest:
            return False
        # No literal segment contains braces.
        return self.match(quote(other.text)) is not None


def _read_pattern(value: object) -> PathPattern:
    if not isinstance(value, str):
        raise ValueError("a path is a text such as '/v1/customers/{id}'")
    return PathPattern(value)


PathPatternField = Annotated[PathPattern, PlainValidator(_read_pattern)]


def members(value: Json) -> dict[str, Json]:
    """Return the members of a JSON object, none of any other value."""
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {}


class ValueCondition(ScriptTable):
    """A condition other than a fixed value."""

    matches: Pattern | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _has_one_condition(self) -> Self:
        if (self.matches is None) == (self.present is None):
            raise ValueError("give either matches or present")
        return self

    def mismatch(self, values: Sequence[Json]) -> str:
        """Return why it does not hold, or an empty text if it holds."""
        if self.present is not None:
            if bool(values) == self.present:
                return ""
            return "is missing" if self.present else "is present, and must not be"
        if any(re.search(self.matches or "", as_text(value)) for value in values):
            return ""
        if not values:
            return "is missing"
        return f"is {_quoted(values)}, which does not match /{self.matches}/"


Text: TypeAlias = Annotated[ValueCondition | str, Field(union_mode="left_to_right")]
Value: TypeAlias = Annotated[ValueCondition | str | int | float | bool, Field(union_mode="smart")]


class RouteConditions(ScriptTable):
    """Conditions on headers, query and body; all of them must hold."""

    header: dict[str, Text] = {}
    query: dict[str, Text] = {}
    json_: dict[JsonPathField, Value] = Field(default={}, alias="json")

    def mismatches(self, request: ServiceRequest) -> Sequence[str]:
        """Return for each condition that does not hold the value found instead."""
        return [f"{name} {problem}" for name, problem in self._checked(request) if problem]

    def _checked(self, request: ServiceRequest) -> Iterator[tuple[str, str]]:
        for name, expected in self.header.items():
            value = request.headers.get(name.lower())
            problem = _mismatch(expected, [] if value is None else [value])
            # The value of a header may be a key.
            yield f"header {name}", problem if value is None or not problem else "differs"
        for name, expected in self.query.items():
            value = request.query.get(name)
            yield f"query {name}", _mismatch(expected, [] if value is None else [value])
        for path, expected in self.json_.items():
            yield str(path), _mismatch(expected, path.find(request.body))


def _mismatch(expected: ValueCondition | str | float | bool, values: Sequence[Json]) -> str:
    if isinstance(expected, ValueCondition):
        return expected.mismatch(values)
    # In JSON true is not 1.
    if any(
        value == expected and isinstance(value, bool) == isinstance(expected, bool)
        for value in values
    ):
        return ""
    return f"is {_quoted(values)}, not {as_text(expected)!r}" if values else "is missing"


def _quoted(values: Sequence[Json]) -> str:
    return repr(as_text(values[0])[:_MAX_QUOTE])
