"""Lists what a text declares, for an editor's outline."""

from collections.abc import Iterator
from typing import NamedTuple

from attractor.language.graph import Graph
from attractor.language.spans import Span


class Symbol(NamedTuple):
    """A node or a subgraph, and where it is declared."""

    name: str
    detail: str
    span: Span
    is_subgraph: bool = False


def symbols(graph: Graph) -> Iterator[Symbol]:
    """Yield the subgraphs and the nodes of a graph."""
    for subgraph in graph.subgraphs:
        name = subgraph.label or subgraph.id or "subgraph"
        yield Symbol(name, f"{len(subgraph.nodes)} nodes", subgraph.span, is_subgraph=True)
    for node in graph.nodes.values():
        label = node.label if node.label != node.id else ""
        yield Symbol(node.id, " ".join(one for one in (node.type, label) if one), node.span)
