"""Reads the attribute lists of a text, with their owners."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.graph.attribute_catalogue import (
    AttributeOwner,
)
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import (
    Assignment,
    Attribute,
    Defaults,
    Digraph,
    EdgeStatement,
    NodeStatement,
    Statement,
    SubgraphStatement,
)
from attractor.language.source.text import Source


@dataclass(frozen=True)
class ConversionContext:
    """The text and the graph that contain an attribute."""

    source: Source
    graph: Graph

    def written(self, attribute: Attribute) -> str:
        """Return the value of an attribute as written, with its quotes."""
        span = attribute.value.span
        start = self.source.offset(span.line, span.column)
        return self.source.text[start : self.source.offset(span.end_line, span.end_column)]


_PLACE_OF_DEFAULTS = {
    "graph": AttributeOwner.GRAPH,
    "node": AttributeOwner.NODE,
    "edge": AttributeOwner.EDGE,
}


class AttributeList(NamedTuple):
    """A list of attributes, with its owner."""

    place: AttributeOwner
    attributes: Sequence[Attribute]
    node: str = ""

    def has(self, key: str) -> bool:
        """Return whether the list contains a key."""
        return any(one.key == key for one in self.attributes)


def attribute_lists(digraph: Digraph) -> Iterator[AttributeList]:
    """Yield the attribute lists in text order, without recursion for nested subgraphs."""
    waiting: list[Statement] = list(reversed(digraph.statements))
    while waiting:
        statement = waiting.pop()
        match statement:
            case SubgraphStatement():
                waiting += reversed(statement.statements)
            case Assignment():
                yield AttributeList(AttributeOwner.GRAPH, (statement.attribute,))
            case Defaults():
                yield AttributeList(_PLACE_OF_DEFAULTS[statement.of], statement.attributes)
            case NodeStatement():
                yield AttributeList(AttributeOwner.NODE, statement.attributes, statement.id.text)
            case EdgeStatement():
                yield AttributeList(AttributeOwner.EDGE, statement.attributes)
            case _:
                pass
