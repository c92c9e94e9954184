"""Syntax tree of a pipeline: statements, attributes and values, with places in the text.

A large pipeline has hundreds of thousands of these objects, so most are as cheap as a tuple.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_duration, parse_duration
from attractor.base.errors import UsageError
from attractor.base.patterns import late_pattern


class Span(NamedTuple):
    """A range of a file, end exclusive; lines and columns count from 1."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def is_somewhere(self) -> bool:
        """Whether the span points into a text."""
        return self.line > 0

    def contains(self, line: int, column: int) -> bool:
        """Return whether a position is in the span, or directly behind it."""
        return (self.line, self.column) <= (line, column) <= (self.end_line, self.end_column)

    def through(self, last: "Span") -> "Span":
        """Return the span from the start of this span to the end of another."""
        return Span(self.file, self.line, self.column, last.end_line, last.end_column)


NOWHERE = Span("", 0, 0, 0, 0)
"""The span of an object that was made in code."""


class ValueKind(StrEnum):
    """How a value was written (attractor-spec 2.4).

    A template comes from a file; the engine renders it at each visit (ruling L8).
    """

    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DURATION = "duration"
    BARE = "bare"
    TEMPLATE = "template"


_TEXTS = frozenset({ValueKind.STRING, ValueKind.BARE, ValueKind.DURATION})
# Longer numbers are typing errors, and Python parses them in quadratic time.
_MOST_DIGITS = 18
_INTEGER = late_pattern(rf"-?[0-9]{{1,{_MOST_DIGITS}}}")
_LEAST_TOO_LARGE = 10**_MOST_DIGITS
_AS_A_TEXT = "pass it as a text"
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})

LONGEST_NUMBER = 40
"""The largest number of characters of a number, in a text and in code."""

Plain = str | int | float | bool | timedelta


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value; equality ignores place and notation.

    A word, a duration and a quoted text are equal if their text is equal: Graphviz accepts `45s`
    and `wait.human` only in quotes, and no attribute distinguishes them.
    """

    kind: ValueKind
    plain: Plain
    text: str = field(default="", compare=False)
    span: Span = field(default=NOWHERE, compare=False)

    def __str__(self) -> str:
        return self.plain if isinstance(self.plain, str) else self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self._meaning == other._meaning

    def __hash__(self) -> int:
        return hash(self._meaning)

    @property
    def _meaning(self) -> tuple[ValueKind, Plain]:
        return (ValueKind.STRING, str(self)) if self.kind in _TEXTS else (self.kind, self.plain)

    @classmethod
    def of(cls, plain: Plain) -> "Value":
        """Make a value in code; a text becomes a quoted value."""
        match plain:
            case bool():
                return cls(ValueKind.BOOLEAN, plain, "true" if plain else "false")
            case int():
                # Converting a longer integer to text would be slow.
                if not -_LEAST_TOO_LARGE < plain < _LEAST_TOO_LARGE:
                    raise UsageError("the integer is too long", hint=_AS_A_TEXT)
                return cls(ValueKind.INTEGER, plain, str(int(plain)))
            case float():
                return cls(ValueKind.FLOAT, plain, _written_float(plain))
            case timedelta():
                return cls(ValueKind.DURATION, plain, format_duration(plain))
            case str():
                return cls(ValueKind.STRING, plain, quoted(plain))
            case _:
                hint = "pass a text, a number, True, False or a timedelta"
                written = repr(plain)
                shown = written if len(written) <= LONGEST_NUMBER else type(plain).__name__
                raise UsageError(f"invalid attribute value {shown}", hint=hint)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key with its value; the span is the span of the key."""

    key: str
    value: Value
    span: Span = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Attributes:
    """The attributes of a graph, a node or an edge, including attributes of default blocks."""

    by_key: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])

    @classmethod
    def of(cls, plain: Mapping[str, Plain]) -> "Attributes":
        """Make attributes in code."""
        return cls({key: Attribute(key, Value.of(value)) for key, value in plain.items()})

    def replaced(self, key: str, value: Value) -> "Attributes":
        """Return a copy with another value for a key, at the same position."""
        before = self.by_key.get(key)
        attribute = Attribute(key, value, before.span if before else NOWHERE)
        return Attributes({**self.by_key, key: attribute})

    def value(self, key: str) -> Value | None:
        """Return the value of an attribute, or None if the attribute is not set."""
        attribute = self.by_key.get(key)
        return attribute.value if attribute else None

    def text(self, key: str, default: str = "") -> str:
        """Return an attribute as text."""
        value = self.value(key)
        return default if value is None else str(value)

    def number(self, key: str) -> int | None:
        """Return an integer, quoted or not, or None if the attribute is not an integer."""
        value = self.value(key)
        plain = value.plain if value else None
        if isinstance(plain, str):
            return parse_integer(plain)
        return plain if isinstance(plain, int) and not isinstance(plain, bool) else None

    def flag(self, key: str) -> bool:
        """Return whether an attribute is set to true."""
        return self.text(key) == "true"

    def duration(self, key: str) -> timedelta | None:
        """Return a duration, quoted or not, or None if the attribute is not set."""
        value = self.value(key)
        if value is None or value.plain == "":
            return None
        return value.plain if isinstance(value.plain, timedelta) else parse_duration(str(value))


NO_ATTRIBUTES = Attributes()


def parse_integer(text: str) -> int | None:
    """Parse an integer as the specification defines it, or return None."""
    return int(text) if _INTEGER.fullmatch(text) else None


def quoted(text: str) -> str:
    """Quote a text as pipelines and Graphviz write it."""
    return f'"{text.translate(_ESCAPED)}"'


def _written_float(number: float) -> str:
    """Write a number without an exponent, which DOT does not support."""
    written = float.__repr__(number)
    if "e" in written:
        attempts = (f"{number:.{places}f}" for places in range(1, LONGEST_NUMBER))
        written = next((one for one in attempts if float(one) == number), written)
    if "e" in written or "n" in written or len(written) > LONGEST_NUMBER:
        raise UsageError(f"unsupported number {number!r}", hint=_AS_A_TEXT)
    return written


class Identifier(NamedTuple):
    """The id of a node, a subgraph or the graph."""

    text: str
    span: Span


class Assignment(NamedTuple):
    """`key = value`: an attribute of the surrounding graph or subgraph."""

    attribute: Attribute


class Defaults(NamedTuple):
    """`graph [...]`, `node [...]` or `edge [...]`."""

    of: str
    attributes: tuple[Attribute, ...]


class NodeStatement(NamedTuple):
    """A declared node."""

    id: Identifier
    attributes: tuple[Attribute, ...]


class EdgeStatement(NamedTuple):
    """A chain of two or more nodes; every edge of the chain has the attributes."""

    ids: tuple[Identifier, ...]
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class SubgraphStatement:
    """A subgraph; the span is the span of the keyword `subgraph`."""

    id: Identifier | None
    statements: tuple["Statement", ...]
    span: Span


@dataclass(frozen=True)
class Omitted:
    """A statement that could not be parsed."""


@dataclass(frozen=True)
class Digraph:
    """The whole text; the span is the span of its first word."""

    id: Identifier | None
    statements: tuple["Statement", ...]
    span: Span


Statement = Assignment | Defaults | NodeStatement | EdgeStatement | SubgraphStatement | Omitted
