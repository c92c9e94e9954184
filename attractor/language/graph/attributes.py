"""Iterates over the attributes of a graph, its nodes and its edges."""

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.graph.graph import Graph, Node
from attractor.language.source.syntax_tree import Attribute, Attributes


class Holder(NamedTuple):
    """The owner of an attribute, and all attributes of that owner."""

    place: AttributeOwner
    attributes: Attributes
    node: str = ""
    edge: tuple[str, str] | None = None


def each_attribute(graph: Graph, keys: Set[str]) -> Iterator[tuple[Holder, Attribute]]:
    """Yield the attributes with the given keys; one of a default block once."""
    on_graph = keys & graph.attributes.by_key.keys()
    return _each(graph, on_graph, keys & graph.node_keys, keys & graph.edge_keys)


def each_stranger(
    graph: Graph, known: Mapping[AttributeOwner, Set[str]]
) -> Iterator[tuple[Holder, Attribute]]:
    """Yield the attributes unknown for their owner; one of a default block once."""
    on_graph = graph.attributes.by_key.keys() - known[AttributeOwner.GRAPH]
    on_nodes, on_edges = (
        graph.node_keys - known[AttributeOwner.NODE],
        graph.edge_keys - known[AttributeOwner.EDGE],
    )
    return _each(graph, on_graph, on_nodes, on_edges)


def goal_gates(graph: Graph) -> Sequence[Node]:
    """Return the goal gates."""
    return [one for one in graph.nodes_with("goal_gate") if one.is_goal_gate]


def _each(
    graph: Graph, on_graph: Set[str], on_nodes: Set[str], on_edges: Set[str]
) -> Iterator[tuple[Holder, Attribute]]:
    seen: set[int] = set()
    for key in sorted(on_graph):
        attribute = graph.attributes.by_key[key]
        seen.add(id(attribute))
        yield Holder(AttributeOwner.GRAPH, graph.attributes), attribute
    for key in sorted(on_nodes):
        for node in graph.nodes_with(key):
            attribute = node.attributes.by_key[key]
            if id(attribute) not in seen:
                seen.add(id(attribute))
                yield Holder(AttributeOwner.NODE, node.attributes, node.id), attribute
    for key in sorted(on_edges):
        for edge in graph.edges_with(key):
            attribute = edge.attributes.by_key[key]
            if id(attribute) not in seen:
                seen.add(id(attribute))
                ends = (edge.source, edge.target)
                yield Holder(AttributeOwner.EDGE, edge.attributes, edge=ends), attribute
