"""Goes over every attribute of a graph, with what it stands on."""

from collections.abc import Iterator
from typing import NamedTuple

from attractor.language.attributes import Place
from attractor.language.graph import Graph
from attractor.language.values import Attribute, Attributes


class Holder(NamedTuple):
    """What an attribute stands on."""

    place: Place
    node: str = ""
    edge: tuple[str, str] | None = None


def each_attribute(graph: Graph) -> Iterator[tuple[Holder, Attribute]]:
    """Yield every attribute as it was written; one in a default block comes once."""
    seen: set[int] = set()
    for holder, attributes in _holders(graph):
        for attribute in attributes.by_key.values():
            if id(attribute) not in seen:
                seen.add(id(attribute))
                yield holder, attribute


def _holders(graph: Graph) -> Iterator[tuple[Holder, Attributes]]:
    yield Holder(Place.GRAPH), graph.attributes
    for node in graph.nodes.values():
        yield Holder(Place.NODE, node.id), node.attributes
    for edge in graph.edges:
        yield Holder(Place.EDGE, edge=(edge.source, edge.target)), edge.attributes
