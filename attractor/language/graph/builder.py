"""Makes a graph in code, as its text would.

A graph for programs: its nodes and edges with their attributes, as JSON values.

Names the folder of a stage: the node's id, made safe for every file system (ruling L6b).
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote_from_bytes

from attractor.base.errors import UsageError
from attractor.language.graph.graph import Edge, Graph, Node, Subgraph
from attractor.language.graph.resolve import resolve
from attractor.language.source.syntax_tree import (
    NOWHERE,
    Assignment,
    Attribute,
    Attributes,
    Defaults,
    Digraph,
    EdgeStatement,
    Identifier,
    NodeStatement,
    Plain,
    Statement,
    SubgraphStatement,
    Value,
)
from attractor.language.source.text import IDENTIFIER

_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


class GraphBuilder:
    """Takes one statement after another, and gives the graph that they mean.

    An attribute whose name Python does not take is given in a dictionary:
    `node("ask", shape="hexagon", **{"human.default_choice": "ship"})`.
    """

    def __init__(self, name: str, **attributes: Plain) -> None:
        self._name = _checked(name, "the name of a graph")
        self._statements: list[list[Statement]] = [[]]
        self._add(*map(Assignment, _attributes(attributes, "the graph")))

    def node(self, id_: str, /, **attributes: Plain) -> "GraphBuilder":
        """Declare a node."""
        given = _attributes(attributes, f"the node {id_!r:.40}")
        return self._add(NodeStatement(_identifier(id_), given))

    def edge(self, *ids: str, **attributes: Plain) -> "GraphBuilder":
        """Lead from the first node to the second, from that to the third, and so on."""
        if len(ids) < 2:
            raise UsageError("an edge has two ends at least", hint='write edge("plan", "test")')
        ends = tuple(map(_identifier, ids))
        return self._add(EdgeStatement(ends, _attributes(attributes, f"the edge from {ids[0]!r}")))

    def defaults(self, of: str, /, **attributes: Plain) -> "GraphBuilder":
        """Say what holds for every `node` or every `edge` that follows."""
        if of not in ("node", "edge"):
            raise UsageError(f"no defaults are known for {of!r}", hint="say node or edge")
        return self._add(Defaults(of, _attributes(attributes, f"every {of}")))

    @contextmanager
    def subgraph(self, id_: str = "", /, **attributes: Plain) -> Generator["GraphBuilder"]:
        """Put what is added within the block into a subgraph."""
        identifier = _identifier(id_) if id_ else None
        given = _attributes(attributes, f"the subgraph {id_!r:.40}")
        self._statements.append([])
        try:
            yield self._add(*map(Assignment, given))
        finally:
            inside = tuple(self._statements.pop())
            self._add(SubgraphStatement(identifier, inside, NOWHERE))

    def build(self) -> Graph:
        """Return the graph."""
        if len(self._statements) > 1:
            raise UsageError("a subgraph is still open", hint="build behind its block")
        name = Identifier(self._name, NOWHERE) if self._name else None
        return resolve(Digraph(name, tuple(self._statements[0]), NOWHERE))

    def _add(self, *statements: Statement) -> "GraphBuilder":
        self._statements[-1] += statements
        return self


def _identifier(id_: str) -> Identifier:
    return Identifier(_checked(id_, "an id"), NOWHERE)


def _attributes(attributes: Mapping[str, Plain], of: str) -> tuple[Attribute, ...]:
    return tuple(_attribute(_checked(key, "a key"), one, of) for key, one in attributes.items())


def _attribute(key: str, plain: Plain, of: str) -> Attribute:
    try:
        return Attribute(
            key, Value.of(_checked(plain, "the text") if isinstance(plain, str) else plain)
        )
    except UsageError as error:
        message = f"{key} of {of}: {error.message}"
        raise UsageError(message, hint=error.hint) from error


def _checked(text: object, what: str) -> str:
    """Return a text that a file can hold."""
    if not isinstance(text, str):
        raise UsageError(f"{what} is a text, not {text!r:.40}", hint='write it in quotes: "a"')
    if _UNWRITABLE.search(text):
        message = f"{what} has a sign that no file of text can hold: {text!r:.40}"
        raise UsageError(message, hint="leave out NUL and halves of surrogate pairs")
    return text


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
    """Return what a value means; a duration as it was written."""
    return str(value) if isinstance(value.plain, timedelta) else value.plain


_LONGEST = 100
_HASH = 16


def folder_name(node_id: str) -> str:
    """Return the name of the folder that a node's stages write into."""
    is_plain = IDENTIFIER.fullmatch(node_id) is not None
    name = node_id if is_plain else _encoded(node_id)
    if len(name) <= _LONGEST:
        return name
    # "~" stands in no other name, so a cut one cannot be taken for another node's.
    digest = sha256(_bytes(node_id)).hexdigest()[:_HASH]
    return f"{name[: _LONGEST - _HASH - 1]}~{digest}"


def _encoded(node_id: str) -> str:
    encoded = quote_from_bytes(_bytes(node_id), safe="")
    return encoded.replace("~", "%7E").replace(".", "%2E") or "%"


def _bytes(node_id: str) -> bytes:
    return node_id.encode("utf-8", "surrogatepass")
