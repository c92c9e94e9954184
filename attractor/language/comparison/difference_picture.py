"""Makes one picture of two pipelines, with a colour and a sign for each change."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from attractor.base.amounts import number_of
from attractor.language.comparison.difference import (
    NO_CHANGE,
    AttributeChange,
    Difference,
    edge_name,
)
from attractor.language.drawing.picture import (
    Annotation,
    Picture,
    edge_elements,
    listed,
    node_element,
)
from attractor.language.drawing.theme import ADDED, CHANGED, REMOVED, UNCHANGED
from attractor.language.graph.graph import Edge, Graph

_ADDED = Annotation("diff-added", ADDED, sign="+ ", tooltip="added")
_REMOVED = Annotation("diff-removed", REMOVED, sign="- ", tooltip="removed")
_CHANGED = Annotation("diff-changed", CHANGED, sign="~ ", tooltip="changed")
_SAME = Annotation("diff-same", UNCHANGED)


def difference_picture(after: Graph, difference: Difference) -> Picture:
    """Return one picture of the later graph and the removed elements, with all changes marked."""
    removed = {node.id: node for node in difference.removed_nodes}
    new_ids = {change.before.id: change.after.id for change in difference.changed_nodes}
    rerouted = (change.before for change in difference.changed_edges if change.is_rerouted)
    # Removed and rerouted edges are drawn between the nodes of the later graph.
    removed_edges = [
        replace(
            edge,
            source=new_ids.get(edge.source, edge.source),
            target=new_ids.get(edge.target, edge.target),
        )
        for edge in (*difference.removed_edges, *rerouted)
    ]
    edges = (*after.edges, *removed_edges)
    graph = replace(after, nodes={**after.nodes, **removed}, edges=edges)
    same = ((node_element(id_), _SAME) for id_ in graph.nodes)
    marks = (*same, *_node_marks(difference), *_edge_marks(edges, after, difference))
    # A sentence for each kind of change, for screen readers.
    sentences = (
        f"{number_of(len(names), noun)} {change}: "
        f"{listed([name or '(without an id)' for name in names])}."
        for noun, change, names in _changes(difference)
        if names
    )
    description = "\n".join(sentences) or f"{NO_CHANGE.capitalize()}."
    kind = "Comparison of two pipelines,"
    return Picture(graph, dict(marks), description=description, kind=kind)


def _changes(difference: Difference) -> Sequence[tuple[str, str, Sequence[str]]]:
    """Return the changes by kind of element and kind of change, with the names of the elements."""
    changed = [change.after.id for change in difference.changed_nodes]
    moved = [move.node for move in difference.moved_nodes if move.node not in set(changed)]
    graph = ["name"] if difference.name else []
    subgraphs = [*difference.added_subgraphs, *difference.removed_subgraphs]
    subgraphs += [change.id for change in difference.changed_subgraphs]
    return (
        ("node", "added", [node.id for node in difference.added_nodes]),
        ("node", "removed", [node.id for node in difference.removed_nodes]),
        ("node", "changed", [*changed, *moved]),
        ("node", "with reordered outgoing edges", difference.reordered),
        ("edge", "added", [edge_name(edge) for edge in difference.added_edges]),
        ("edge", "removed", [edge_name(edge) for edge in difference.removed_edges]),
        ("edge", "changed", [edge_name(change.after) for change in difference.changed_edges]),
        ("subgraph", "added, removed or changed", subgraphs),
        (
            "attribute",
            "of the graph changed",
            [*graph, *(change.key for change in difference.attributes)],
        ),
    )


def _node_marks(difference: Difference) -> Iterator[tuple[str, Annotation]]:
    for move in difference.moved_nodes:
        yield node_element(move.node), replace(_CHANGED, tooltip="moved to another subgraph")
    for change in difference.changed_nodes:
        renamed = f"renamed from {change.before.id}" if change.is_renamed else ""
        tooltip = ": ".join(filter(None, ["changed", renamed, _keys(change.changes)]))
        yield node_element(change.after.id), replace(_CHANGED, tooltip=tooltip)
    for node in difference.added_nodes:
        yield node_element(node.id), _ADDED
    for node in difference.removed_nodes:
        yield node_element(node.id), _REMOVED


def _edge_marks(
    edges: tuple[Edge, ...], after: Graph, difference: Difference
) -> Iterator[tuple[str, Annotation]]:
    added = {id(edge) for edge in difference.added_edges}
    changes = {id(change.after): change for change in difference.changed_edges}
    for position, (edge, element) in enumerate(zip(edges, edge_elements(edges), strict=True)):
        if position >= len(after.edges):
            yield element, _REMOVED
        elif id(edge) in added:
            yield element, _ADDED
        elif id(edge) in changes:
            tooltip = ": ".join(filter(None, ["changed", _keys(changes[id(edge)].changes)]))
            yield element, replace(_CHANGED, tooltip=tooltip)


def _keys(changes: tuple[AttributeChange, ...]) -> str:
    return ", ".join(change.key for change in changes)
