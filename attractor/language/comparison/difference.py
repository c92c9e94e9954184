"""The difference of two pipelines, as a value and as text."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

from attractor.base.dataclasses import dataclass
from attractor.language.graph.graph import Edge, Node, attributes_record, plain_value
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import visible, written_list, written_value


@dataclass(frozen=True)
class AttributeChange:
    """An attribute that was added, removed or changed."""

    key: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class NodeChange:
    """A node whose id, attributes or both changed."""

    before: Node
    after: Node
    changes: tuple[AttributeChange, ...] = ()

    @property
    def is_renamed(self) -> bool:
        """Whether the id of the node changed."""
        return self.before.id != self.after.id


@dataclass(frozen=True)
class EdgeChange:
    """An edge whose ends, attributes or both changed."""

    before: Edge
    after: Edge
    changes: tuple[AttributeChange, ...] = ()
    is_rerouted: bool = False


@dataclass(frozen=True)
class NodeMove:
    """A node that moved to other subgraphs."""

    node: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class SubgraphChange:
    """A subgraph whose attributes changed."""

    id: str
    changes: tuple[AttributeChange, ...]


@dataclass(frozen=True)
class Difference:
    """The changes between two graphs, in the order of their texts.

    `reordered` contains nodes with the same outgoing edges in another order: a person is offered
    the choices in that order.
    """

    name: tuple[str, str] | None = None
    attributes: tuple[AttributeChange, ...] = ()
    added_nodes: tuple[Node, ...] = ()
    removed_nodes: tuple[Node, ...] = ()
    changed_nodes: tuple[NodeChange, ...] = ()
    added_edges: tuple[Edge, ...] = ()
    removed_edges: tuple[Edge, ...] = ()
    changed_edges: tuple[EdgeChange, ...] = ()
    moved_nodes: tuple[NodeMove, ...] = ()
    added_subgraphs: tuple[str, ...] = ()
    removed_subgraphs: tuple[str, ...] = ()
    changed_subgraphs: tuple[SubgraphChange, ...] = ()
    reordered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != _NONE


_NONE = Difference()


def difference_record(difference: Difference) -> dict[str, object]:
    """Convert a difference to JSON values."""
    return {
        "same": not difference,
        "name": _before_and_after(*difference.name) if difference.name else None,
        "attributes": _changes(difference.attributes),
        "nodes": {
            "added": [_node(node) for node in difference.added_nodes],
            "removed": [_node(node) for node in difference.removed_nodes],
            "changed": [
                {
                    "id": change.after.id,
                    "renamed_from": change.before.id if change.is_renamed else None,
                    "attributes": _changes(change.changes),
                }
                for change in difference.changed_nodes
            ],
            "moved": [
                {"id": move.node, **_before_and_after(list(move.before), list(move.after))}
                for move in difference.moved_nodes
            ],
        },
        "subgraphs": {
            "added": list(difference.added_subgraphs),
            "removed": list(difference.removed_subgraphs),
            "changed": [
                {"id": change.id, "attributes": _changes(change.changes)}
                for change in difference.changed_subgraphs
            ],
        },
        "edges": {
            "reordered": list(difference.reordered),
            "added": [_edge(edge) for edge in difference.added_edges],
            "removed": [_edge(edge) for edge in difference.removed_edges],
            "changed": [
                {
                    **_before_and_after(_ends(change.before), _ends(change.after)),
                    "rerouted": change.is_rerouted,
                    "attributes": _changes(change.changes),
                }
                for change in difference.changed_edges
            ],
        },
    }


def _before_and_after(before: object, after: object) -> dict[str, object]:
    return {"before": before, "after": after}


def _changes(changes: Iterable[AttributeChange]) -> list[dict[str, object]]:
    return [
        {"key": change.key, **_before_and_after(_plain(change.before), _plain(change.after))}
        for change in changes
    ]


def _plain(value: Value | None) -> object:
    return None if value is None else plain_value(value)


def _node(node: Node) -> dict[str, object]:
    return {"id": node.id, "type": node.type, "attributes": attributes_record(node.attributes)}


def _edge(edge: Edge) -> dict[str, object]:
    return {**_ends(edge), "attributes": attributes_record(edge.attributes)}


def _ends(edge: Edge) -> dict[str, object]:
    return {"from": edge.source, "to": edge.target}


NO_CHANGE = "no change in meaning"
"""The text for pipelines without a difference in meaning."""

_LONGEST = 60


def difference_text(difference: Difference) -> str:
    """Return a line for each change: `+` added, `-` removed, `~` changed."""
    before, after = difference.name or ("", "")
    name = [f"~ name: {before or '(none)'} -> {after or '(none)'}"] if difference.name else []
    sections = {
        "graph": [*name, *_attributes(difference.attributes)],
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
    """Return an edge as text, such as `plan -> test`."""
    return f"{edge.source} -> {edge.target}"


def _nodes(difference: Difference) -> Iterator[str]:
    for node in difference.added_nodes:
        yield f"+ {_described(node)}"
        for key, attribute in node.attributes.by_key.items():
            yield f"    + {key}: {_short(attribute.value)}"
    for node in difference.removed_nodes:
        yield f"- {_described(node)}"
    for change in difference.changed_nodes:
        renamed = f"{change.before.id} is renamed to " if change.is_renamed else ""
        yield f"~ {renamed}{change.after.id}"
        yield from (f"    {line}" for line in _attributes(change.changes))
    for move in difference.moved_nodes:
        yield f"~ {move.node} {_moved(move)}"


def _moved(move: NodeMove) -> str:
    before, after = ", ".join(move.before), ", ".join(move.after)
    if not before:
        return f"moved into subgraph {after}"
    if not after:
        return f"moved out of subgraph {before}"
    return f"moved from subgraph {before} into {after}"


def _subgraphs(difference: Difference) -> Iterator[str]:
    yield from (f"+ {id_ or '(without an id)'}" for id_ in difference.added_subgraphs)
    yield from (f"- {id_ or '(without an id)'}" for id_ in difference.removed_subgraphs)
    for change in difference.changed_subgraphs:
        yield f"~ {change.id or '(without an id)'}"
        yield from (f"    {line}" for line in _attributes(change.changes))


def _edges(difference: Difference) -> Iterator[str]:
    for edge in difference.added_edges:
        yield f"+ {edge_name(edge)}{written_list(edge.attributes)}"
    for edge in difference.removed_edges:
        yield f"- {edge_name(edge)}{written_list(edge.attributes)}"
    for change in difference.changed_edges:
        if change.is_rerouted:
            attributes = written_list(change.after.attributes)
            yield f"~ {edge_name(change.before)} is now {edge_name(change.after)}{attributes}"
        else:
            yield f"~ {edge_name(change.after)}"
        yield from (f"    {line}" for line in _attributes(change.changes))
    for node in difference.reordered:
        yield f"~ the order of the outgoing edges of {node} changed"


def _attributes(changes: Sequence[AttributeChange]) -> Iterator[str]:
    for change in changes:
        if change.before is None and change.after is not None:
            yield f"+ {change.key}: {_short(change.after)}"
        elif change.after is None and change.before is not None:
            yield f"- {change.key}: {_short(change.before)}"
        elif change.before is not None and change.after is not None:
            old, new = str(change.before), str(change.after)
            if max(len(old), len(new)) <= _LONGEST and "\n" not in old + new:
                values = f"{written_value(change.before)} -> {written_value(change.after)}"
                yield f"~ {change.key}: {values}"
                continue
            # Of long texts, only the lines that differ.
            yield f"~ {change.key}:"
            for line in difflib.unified_diff(old.split("\n"), new.split("\n"), n=1, lineterm=""):
                if not line.startswith(("---", "+++", "@@")):
                    yield f"    {line}"


def _described(node: Node) -> str:
    return f"{node.id} ({node.type})"


def _short(value: Value) -> str:
    written = written_value(value).replace("\n", "\\n")
    return written if len(written) <= _LONGEST else f"{written[:_LONGEST]}…"
