"""What stands in a text, statement by statement, before defaults and subgraphs are resolved.

A large pipeline has tens of thousands of them, so most are as cheap as a tuple.
"""

from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.spans import Span
from attractor.language.values import Attribute


class Identifier(NamedTuple):
    """The id of a node, a subgraph or the graph."""

    text: str
    span: Span


class Assignment(NamedTuple):
    """`key = value`, which belongs to the graph or the subgraph around it."""

    attribute: Attribute


class Defaults(NamedTuple):
    """`graph [...]`, `node [...]` or `edge [...]`."""

    of: str
    attributes: tuple[Attribute, ...]


class NodeStatement(NamedTuple):
    """A node that is declared."""

    id: Identifier
    attributes: tuple[Attribute, ...]


class EdgeStatement(NamedTuple):
    """A chain of two or more nodes; the attributes are those of every edge in it."""

    ids: tuple[Identifier, ...]
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class SubgraphStatement:
    """Statements with defaults of their own; the span is that of the word `subgraph`."""

    id: Identifier | None
    statements: tuple["Statement", ...]
    span: Span


@dataclass(frozen=True)
class Omitted:
    """A statement that could not be read."""


@dataclass(frozen=True)
class Digraph:
    """The whole text; the span is that of its first word."""

    id: Identifier | None
    statements: tuple["Statement", ...]
    span: Span


Statement = Assignment | Defaults | NodeStatement | EdgeStatement | SubgraphStatement | Omitted
