"""Builds graphs in code: nodes with attributes, and edges between them."""

from datetime import timedelta

from attractor.language.conditions.parse import parse_condition
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attribute, Attributes, Plain, Value, ValueKind


def node(id_: str, shape: Plain = "box", **attributes: Plain) -> Node:
    return Node(id_, attributes_of(shape=shape, **attributes))


def start() -> Node:
    return node("start", "Mdiamond")


def end() -> Node:
    return node("exit", "Msquare")


def edge(source: str, target: str, condition: str = "", **attributes: Plain) -> Edge:
    guard = {"condition": condition} if condition else {}
    return Edge(
        source, target, attributes_of(**guard, **attributes), condition=parse_condition(condition)
    )


def chain(*ids: str) -> list[Edge]:
    return [edge(one, other) for one, other in zip(ids, ids[1:], strict=False)]


def graph(nodes: list[Node], edges: list[Edge], **attributes: Plain) -> Graph:
    """Return a graph; an id that occurs only in edges becomes a plain box."""
    ids = [one.id for one in nodes]
    named = [id_ for one in edges for id_ in (one.source, one.target) if id_ not in ids]
    every = [*nodes, *(node(id_) for id_ in dict.fromkeys(named))]
    return Graph("Test", {one.id: one for one in every}, tuple(edges), attributes_of(**attributes))


def line(*ids: str, **attributes: Plain) -> Graph:
    """Return start, some boxes in a line, and the exit."""
    return graph([start(), end()], chain("start", *ids, "exit"), **attributes)


def attributes_of(**attributes: Plain) -> Attributes:
    """Return attributes; a double underscore in a name stands for a dot."""
    return Attributes(
        {
            key.replace("__", "."): Attribute(key.replace("__", "."), _value(plain))
            for key, plain in attributes.items()
        }
    )


def _value(plain: Plain) -> Value:
    if isinstance(plain, bool):
        return Value(ValueKind.BOOLEAN, plain, str(plain).lower())
    if isinstance(plain, timedelta):
        text = f"{plain // timedelta(milliseconds=1)}ms"
        return Value(ValueKind.DURATION, plain, text)
    kind = ValueKind.STRING if isinstance(plain, str) else ValueKind.INTEGER
    return Value(kind, plain, str(plain))
