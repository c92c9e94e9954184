"""Converts a graph to JSON values."""

from datetime import timedelta

from attractor.language.graph.graph import Edge, Graph, Node, Subgraph
from attractor.language.source.syntax_tree import (
    Attributes,
    Value,
)


def graph_record(graph: Graph) -> dict[str, object]:
    """Return a graph as JSON values."""
    return {
        "name": graph.name,
        "attributes": attributes_record(graph.attributes),
        "nodes": [_node(node) for node in graph.nodes.values()],
        "edges": [_edge(edge) for edge in graph.edges],
        "subgraphs": [_subgraph(one) for one in graph.subgraphs],
    }


def _node(node: Node) -> dict[str, object]:
    return {
        "id": node.id,
        "label": node.label,
        "shape": node.shape,
        "type": node.type,
        "classes": list(node.classes),
        "attributes": attributes_record(node.attributes),
    }


def _edge(edge: Edge) -> dict[str, object]:
    return {
        "from": edge.source,
        "to": edge.target,
        "label": edge.label,
        "condition": edge.attributes.text("condition"),
        "weight": edge.weight,
        "attributes": attributes_record(edge.attributes),
    }


def _subgraph(subgraph: Subgraph) -> dict[str, object]:
    return {
        "id": subgraph.id,
        "nodes": list(subgraph.nodes),
        "within": subgraph.parent if subgraph.parent >= 0 else None,
        "attributes": attributes_record(subgraph.attributes),
    }


def attributes_record(attributes: Attributes) -> dict[str, object]:
    """Return attributes as JSON values by their keys."""
    return {key: plain_value(attribute.value) for key, attribute in attributes.by_key.items()}


def plain_value(value: Value) -> str | int | float | bool:
    """Return a value as a JSON value; a duration as its text."""
    return str(value) if isinstance(value.plain, timedelta) else value.plain
