"""Tells a person how two pipelines differ, a line a thing.

Says how two pipelines differ, for who does not see a drawing of it.

Makes one picture of two graphs: what is new, gone or changed has a colour and a sign.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from attractor.language.comparison.compare import (
    AttributeChange,
    Difference,
    EdgeChange,
    NodeChange,
    NodeMove,
)
from attractor.language.diagnostic_output import counted
from attractor.language.drawing.picture import (
    Annotation,
    Picture,
    edge_elements,
    listed,
    node_element,
)
from attractor.language.drawing.theme import ADDED, CHANGED, REMOVED, UNCHANGED
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes, Value
from attractor.language.source.text import visible, written_attribute, written_value

NO_CHANGE = "no change in meaning"
"""What is said where at most the spelling differs."""

_LONGEST = 60


def tell(difference: Difference) -> str:
    """Return the lines: `+` is new, `-` is gone, `~` is another than it was."""
    sections = {
        "graph": [*_name(difference), *_attributes(difference.attributes)],
        "nodes": list(_nodes(difference)),
        "subgraphs": list(_subgraphs(difference)),
        "edges": list(_edges(difference)),
    }
    return "\n".join(
        line
        for title, lines in sections.items()
        if lines
        for line in (title, *(f"  {visible(one)}" for one in lines))
    )


def edge_name(edge: Edge) -> str:
    """Return `plan -> test`."""
    return f"{edge.source} -> {edge.target}"


def _name(difference: Difference) -> Iterator[str]:
    if difference.name:
        before, after = difference.name
        yield f"~ name: {before or '(none)'} -> {after or '(none)'}"


def _nodes(difference: Difference) -> Iterator[str]:
    for node in difference.added_nodes:
        yield f"+ {_described(node)}"
        yield from _all(node.attributes, "+")
    for node in difference.removed_nodes:
        yield f"- {_described(node)}"
    for change in difference.changed_nodes:
        yield from _changed_node(change)
    for move in difference.moved_nodes:
        yield f"~ {move.node} {_moved(move)}"


def _changed_node(change: NodeChange) -> Iterator[str]:
    if change.is_renamed:
        yield f"~ {change.before.id} is now called {change.after.id}"
    else:
        yield f"~ {change.after.id}"
    yield from (f"    {line}" for line in _attributes(change.changes))


def _moved(move: NodeMove) -> str:
    before, after = ", ".join(move.before), ", ".join(move.after)
    if not before:
        return f"moved into subgraph {after}"
    return f"moved from subgraph {before} into {after}" if after else f"left subgraph {before}"


def _subgraphs(difference: Difference) -> Iterator[str]:
    yield from (f"+ {id_ or '(without an id)'}" for id_ in difference.added_subgraphs)
    yield from (f"- {id_ or '(without an id)'}" for id_ in difference.removed_subgraphs)
    for change in difference.changed_subgraphs:
        yield f"~ {change.id or '(without an id)'}"
        yield from (f"    {line}" for line in _attributes(change.changes))


def _edges(difference: Difference) -> Iterator[str]:
    for edge in difference.added_edges:
        yield f"+ {edge_name(edge)}{_listed(edge.attributes)}"
    for edge in difference.removed_edges:
        yield f"- {edge_name(edge)}{_listed(edge.attributes)}"
    for change in difference.changed_edges:
        yield from _changed_edge(change)
    for node in difference.reordered:
        yield f"~ the ways out of {node} come in another order"


def _changed_edge(change: EdgeChange) -> Iterator[str]:
    if change.is_rerouted:
        guard = _listed(change.after.attributes)
        yield f"~ {edge_name(change.before)} is now {edge_name(change.after)}{guard}"
    else:
        yield f"~ {edge_name(change.after)}"
    yield from (f"    {line}" for line in _attributes(change.changes))


def _attributes(changes: Sequence[AttributeChange]) -> Iterator[str]:
    for change in changes:
        if change.before is None and change.after is not None:
            yield f"+ {change.key}: {_short(change.after)}"
        elif change.after is None and change.before is not None:
            yield f"- {change.key}: {_short(change.before)}"
        elif change.before is not None and change.after is not None:
            yield from _both(change.key, change.before, change.after)


def _both(key: str, before: Value, after: Value) -> Iterator[str]:
    """Tell both values; of long texts the lines in which they differ."""
    old, new = str(before), str(after)
    if max(len(old), len(new)) <= _LONGEST and "\n" not in old + new:
        yield f"~ {key}: {written_value(before)} -> {written_value(after)}"
        return
    yield f"~ {key}:"
    for line in difflib.unified_diff(old.split("\n"), new.split("\n"), n=1, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield f"    {line}"


def _all(attributes: Attributes, sign: str) -> Iterator[str]:
    for key, attribute in attributes.by_key.items():
        yield f"    {sign} {key}: {_short(attribute.value)}"


def _described(node: Node) -> str:
    return f"{node.id} ({node.type})"


def _listed(attributes: Attributes) -> str:
    inside = ", ".join(written_attribute(one) for one in attributes.by_key.values())
    return f" [{inside}]" if inside else ""


def _short(value: Value) -> str:
    written = written_value(value).replace("\n", "\\n")
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}…"


def describe(difference: Difference) -> str:
    """Return how many of what is new, gone or changed, and which, a line for each."""
    told = (_told(noun, names, what) for noun, names, what in _kinds(difference))
    return "\n".join(filter(None, told)) or f"{NO_CHANGE.capitalize()}."


def _kinds(one: Difference) -> Sequence[tuple[str, Sequence[str], str]]:
    changed = [change.after.id for change in one.changed_nodes]
    moved = [move.node for move in one.moved_nodes if move.node not in set(changed)]
    about = [*(["name"] if one.name else []), *(change.key for change in one.attributes)]
    subgraphs = [*one.added_subgraphs, *one.removed_subgraphs]
    subgraphs += [change.id for change in one.changed_subgraphs]
    return (
        ("new node", [node.id for node in one.added_nodes], ""),
        ("node", [node.id for node in one.removed_nodes], "gone"),
        ("node", [*changed, *moved], "changed"),
        ("node", one.reordered, "with the ways out in another order"),
        ("new edge", [edge_name(edge) for edge in one.added_edges], ""),
        ("edge", [edge_name(edge) for edge in one.removed_edges], "gone"),
        ("edge", [edge_name(change.after) for change in one.changed_edges], "changed"),
        ("subgraph", subgraphs, "new, gone or changed"),
        ("attribute", about, "of the whole changed"),
    )


def _told(noun: str, names: Sequence[str], what: str) -> str:
    many = f"{counted(len(names), noun)} {what}".strip()
    return f"{many}: {listed([name or '(without an id)' for name in names])}." if names else ""


_ADDED = Annotation("diff-added", ADDED, sign="+ ", tooltip="new")
_REMOVED = Annotation("diff-removed", REMOVED, sign="- ", tooltip="gone")
_CHANGED = Annotation("diff-changed", CHANGED, sign="~ ", tooltip="changed")
_SAME = Annotation("diff-same", UNCHANGED)


def union(after: Graph, difference: Difference) -> Picture:
    """Return the later graph with what is gone from the earlier one, and both marked."""
    gone = {node.id: node for node in difference.removed_nodes}
    edges = (*after.edges, *_gone_edges(difference))
    graph = replace(after, nodes={**after.nodes, **gone}, edges=edges)
    same = ((node_element(id_), _SAME) for id_ in graph.nodes)
    marks = (*same, *_node_marks(difference), *_edge_marks(edges, after, difference))
    kind = "Two versions of a pipeline in one,"
    return Picture(graph, dict(marks), description=describe(difference), kind=kind)


def _node_marks(difference: Difference) -> Iterator[tuple[str, Annotation]]:
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
) -> Iterator[tuple[str, Annotation]]:
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
