"""Goes over the attributes of a graph, with what they stand on."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from attractor.language.attributes import Place
from attractor.language.graph import Edge, Graph, Node
from attractor.language.values import Attribute, Attributes

_Owner = Graph | Node | Edge
_PLACES: Mapping[type, Place] = {Graph: Place.GRAPH, Node: Place.NODE, Edge: Place.EDGE}

COMMANDS = frozenset({"tool_command", "tool_hooks.pre", "tool_hooks.post"})
"""The attributes that hold commands for a shell."""


class Holder(NamedTuple):
    """What an attribute stands on, and what else stands there."""

    place: Place
    attributes: Attributes
    node: str = ""
    edge: tuple[str, str] | None = None


def each_attribute(graph: Graph, keys: Set[str]) -> Iterator[tuple[Holder, Attribute]]:
    """Yield every attribute with one of some keys; one in a default block comes once."""
    seen: set[int] = set()
    for owner in _owners(graph):
        by_key = owner.attributes.by_key
        if by_key and not keys.isdisjoint(by_key):
            for key, attribute in by_key.items():
                if key in keys and id(attribute) not in seen:
                    seen.add(id(attribute))
                    yield _holder(owner), attribute


def each_stranger(
    graph: Graph, known: Mapping[Place, Set[str]]
) -> Iterator[tuple[Holder, Attribute]]:
    """Yield every attribute that is not known for its place; one in a default block comes once."""
    seen: set[int] = set()
    for owner in _owners(graph):
        by_key, at_home = owner.attributes.by_key, known[_PLACES[type(owner)]]
        if not by_key.keys() <= at_home:
            for key, attribute in by_key.items():
                if key not in at_home and id(attribute) not in seen:
                    seen.add(id(attribute))
                    yield _holder(owner), attribute


def goal_gates(graph: Graph) -> Sequence[Node]:
    """Return the nodes that keep the exit shut until they succeed."""
    return [
        one
        for one in graph.nodes.values()
        if "goal_gate" in one.attributes.by_key and one.is_goal_gate
    ]


def _owners(graph: Graph) -> Iterator[_Owner]:
    yield graph
    yield from graph.nodes.values()
    yield from graph.edges


def _holder(owner: _Owner) -> Holder:
    match owner:
        case Graph():
            return Holder(Place.GRAPH, owner.attributes)
        case Node():
            return Holder(Place.NODE, owner.attributes, owner.id)
        case Edge():
            return Holder(Place.EDGE, owner.attributes, edge=(owner.source, owner.target))
