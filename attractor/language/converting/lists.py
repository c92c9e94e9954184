"""Goes over the attribute lists of a text, statement by statement."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attractor.language.attributes import Place
from attractor.language.syntax import (
    Assignment,
    Defaults,
    Digraph,
    EdgeStatement,
    NodeStatement,
    Statement,
    SubgraphStatement,
)
from attractor.language.values import Attribute

_PLACE_OF_DEFAULTS = {"graph": Place.GRAPH, "node": Place.NODE, "edge": Place.EDGE}


class AttributeList(NamedTuple):
    """Attributes that are written together, what they stand on, and the node they are of."""

    place: Place
    attributes: Sequence[Attribute]
    node: str = ""

    def has(self, key: str) -> bool:
        """Tell whether a key stands in the list."""
        return any(one.key == key for one in self.attributes)


def attribute_lists(digraph: Digraph) -> Iterator[AttributeList]:
    """Yield the attribute lists in the order of the text, however deep subgraphs are nested."""
    waiting: list[Statement] = list(reversed(digraph.statements))
    while waiting:
        statement = waiting.pop()
        match statement:
            case SubgraphStatement():
                waiting += reversed(statement.statements)
            case Assignment():
                yield AttributeList(Place.GRAPH, (statement.attribute,))
            case Defaults():
                yield AttributeList(_PLACE_OF_DEFAULTS[statement.of], statement.attributes)
            case NodeStatement():
                yield AttributeList(Place.NODE, statement.attributes, statement.id.text)
            case EdgeStatement():
                yield AttributeList(Place.EDGE, statement.attributes)
            case _:
                pass
