"""How two pipelines differ, for programs: as JSON values."""

from collections.abc import Iterable

from attractor.language.diffing.differences import AttributeChange, Difference
from attractor.language.graph import Edge, Node
from attractor.language.records import attributes_record, plain_value
from attractor.language.values import Value


def difference_record(difference: Difference) -> dict[str, object]:
    """Return a difference as JSON values."""
    return {
        "same": not difference,
        "name": _pair(*difference.name) if difference.name else None,
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
                {"id": move.node, **_pair(list(move.before), list(move.after))}
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
                    **_pair(_ends(change.before), _ends(change.after)),
                    "rerouted": change.is_rerouted,
                    "attributes": _changes(change.changes),
                }
                for change in difference.changed_edges
            ],
        },
    }


def _pair(before: object, after: object) -> dict[str, object]:
    return {"before": before, "after": after}


def _changes(changes: Iterable[AttributeChange]) -> list[dict[str, object]]:
    return [
        {"key": change.key, **_pair(_plain(change.before), _plain(change.after))}
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
