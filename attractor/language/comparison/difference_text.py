"""Lists the changes between two pipelines, one line each."""

import difflib
from collections.abc import Iterator, Sequence

from attractor.language.comparison.difference import (
    AttributeChange,
    Difference,
    EdgeChange,
    NodeChange,
    NodeMove,
)
from attractor.language.graph.graph import Edge, Node
from attractor.language.source.syntax_tree import Attributes, Value
from attractor.language.source.text import visible, written_attribute, written_value

NO_CHANGE = "no change in meaning"
"""The text for pipelines that differ at most in spelling."""

_LONGEST = 60


def difference_text(difference: Difference) -> str:
    """Return a line for each change: `+` added, `-` removed, `~` changed."""
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
        for line in (title, *(f"  {visible(text)}" for text in lines))
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
        for key, attribute in node.attributes.by_key.items():
            yield f"    + {key}: {_short(attribute.value)}"
    for node in difference.removed_nodes:
        yield f"- {_described(node)}"
    for change in difference.changed_nodes:
        yield from _changed_node(change)
    for move in difference.moved_nodes:
        yield f"~ {move.node} {_moved(move)}"


def _changed_node(change: NodeChange) -> Iterator[str]:
    if change.is_renamed:
        yield f"~ {change.before.id} is renamed to {change.after.id}"
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
        yield f"+ {edge_name(edge)}{_attribute_list(edge.attributes)}"
    for edge in difference.removed_edges:
        yield f"- {edge_name(edge)}{_attribute_list(edge.attributes)}"
    for change in difference.changed_edges:
        yield from _changed_edge(change)
    for node in difference.reordered:
        yield f"~ the outgoing edges of {node} are in another order"


def _changed_edge(change: EdgeChange) -> Iterator[str]:
    if change.is_rerouted:
        attributes = _attribute_list(change.after.attributes)
        yield f"~ {edge_name(change.before)} is now {edge_name(change.after)}{attributes}"
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
            yield from _changed_value(change.key, change.before, change.after)


def _changed_value(key: str, before: Value, after: Value) -> Iterator[str]:
    """Yield both values; for long texts the lines that differ."""
    old, new = str(before), str(after)
    if max(len(old), len(new)) <= _LONGEST and "\n" not in old + new:
        yield f"~ {key}: {written_value(before)} -> {written_value(after)}"
        return
    yield f"~ {key}:"
    for line in difflib.unified_diff(old.split("\n"), new.split("\n"), n=1, lineterm=""):
        if not line.startswith(("---", "+++", "@@")):
            yield f"    {line}"


def _described(node: Node) -> str:
    return f"{node.id} ({node.type})"


def _attribute_list(attributes: Attributes) -> str:
    inside = ", ".join(written_attribute(attribute) for attribute in attributes.by_key.values())
    return f" [{inside}]" if inside else ""


def _short(value: Value) -> str:
    written = written_value(value).replace("\n", "\\n")
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}…"
