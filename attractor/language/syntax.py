"""What stands in a text, statement by statement, before defaults and subgraphs are resolved."""

from dataclasses import dataclass

from attractor.language.spans import Span
from attractor.language.values import Attribute


@dataclass(frozen=True)
class Identifier:
    """The id of a node, a subgraph or the graph."""

    text: str
    span: Span


@dataclass(frozen=True)
class Assignment:
    """`key = value`, which belongs to the graph or the subgraph around it."""

    attribute: Attribute


@dataclass(frozen=True)
class Defaults:
    """`graph [...]`, `node [...]` or `edge [...]`."""

    of: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class NodeStatement:
    """A node that is declared."""

    id: Identifier
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True)
class EdgeStatement:
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
