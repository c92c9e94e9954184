"""Makes one picture of two graphs: what is new, gone or changed has a colour and a sign."""

from collections.abc import Iterator
from dataclasses import replace

from attractor.language.diffing.describing import describe
from attractor.language.diffing.differences import AttributeChange, Difference
from attractor.language.drawing.element_ids import edge_elements, node_element
from attractor.language.drawing.palette import ADDED, CHANGED, REMOVED, UNCHANGED
from attractor.language.drawing.picture import Mark, Picture
from attractor.language.graph import Edge, Graph

_ADDED = Mark("diff-added", ADDED, sign="+ ", tooltip="new")
_REMOVED = Mark("diff-removed", REMOVED, sign="- ", tooltip="gone")
_CHANGED = Mark("diff-changed", CHANGED, sign="~ ", tooltip="changed")
_SAME = Mark("diff-same", UNCHANGED)


def union(after: Graph, difference: Difference) -> Picture:
    """Return the later graph with what is gone from the earlier one, and both marked."""
    gone = {node.id: node for node in difference.removed_nodes}
    edges = (*after.edges, *_gone_edges(difference))
    graph = replace(after, nodes={**after.nodes, **gone}, edges=edges)
    same = ((node_element(id_), _SAME) for id_ in graph.nodes)
    marks = (*same, *_node_marks(difference), *_edge_marks(edges, after, difference))
    kind = "Two versions of a pipeline in one,"
    return Picture(graph, dict(marks), description=describe(difference), kind=kind)


def _node_marks(difference: Difference) -> Iterator[tuple[str, Mark]]:
    for move in difference.moved_nodes:
        yield node_element(move.node), replace(_CHANGED, tooltip="stands in other subgraphs")
    for change in difference.changed_nodes:
        renamed = f"was called {change.before.id}" if change.is_renamed else ""
        told = ": ".join(filter(None, ["changed", renamed, _keys(change.changes)]))
        yield node_element(change.after.id), replace(_CHANGED, tooltip=told)
    for node in difference.added_nodes:
        yield node_element(node.id), _ADDED
    for node in difference.removed_nodes:
        yield node_element(node.id), _REMOVED


def _edge_marks(
    edges: tuple[Edge, ...], after: Graph, difference: Difference
) -> Iterator[tuple[str, Mark]]:
    added = {id(edge) for edge in difference.added_edges}
    changes = {id(change.after): change for change in difference.changed_edges}
    for place, (edge, element) in enumerate(zip(edges, edge_elements(edges), strict=True)):
        if place >= len(after.edges):
            yield element, _REMOVED
        elif id(edge) in added:
            yield element, _ADDED
        elif id(edge) in changes:
            told = ": ".join(filter(None, ["changed", _keys(changes[id(edge)].changes)]))
            yield element, replace(_CHANGED, tooltip=told)


def _gone_edges(difference: Difference) -> Iterator[Edge]:
    """Yield the edges that are gone and those that led elsewhere, between the nodes of today."""
    names = {one.before.id: one.after.id for one in difference.changed_nodes}
    rerouted = (one.before for one in difference.changed_edges if one.is_rerouted)
    for edge in (*difference.removed_edges, *rerouted):
        source, target = (names.get(end, end) for end in (edge.source, edge.target))
        yield replace(edge, source=source, target=target)


def _keys(changes: tuple[AttributeChange, ...]) -> str:
    return ", ".join(change.key for change in changes)
