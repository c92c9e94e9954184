"""A graph for programs: its nodes and edges with their attributes, as JSON values."""

from datetime import timedelta

from attractor.language.graph import Edge, Graph, Node
from attractor.language.values import Attributes, Value


def graph_record(graph: Graph) -> dict[str, object]:
    """Return a graph as JSON values."""
    return {
        "name": graph.name,
        "attributes": _attributes(graph.attributes),
        "nodes": [_node(node) for node in graph.nodes.values()],
        "edges": [_edge(edge) for edge in graph.edges],
    }


def _node(node: Node) -> dict[str, object]:
    return {
        "id": node.id,
        "label": node.label,
        "shape": node.shape,
        "type": node.type,
        "classes": list(node.classes),
        "attributes": _attributes(node.attributes),
    }


def _edge(edge: Edge) -> dict[str, object]:
    return {
        "from": edge.source,
        "to": edge.target,
        "label": edge.label,
        "condition": edge.attributes.text("condition"),
        "weight": edge.weight,
        "attributes": _attributes(edge.attributes),
    }


def _attributes(attributes: Attributes) -> dict[str, object]:
    return {key: _plain(attribute.value) for key, attribute in attributes.by_key.items()}


def _plain(value: Value) -> str | int | float | bool:
    return str(value) if isinstance(value.plain, timedelta) else value.plain
