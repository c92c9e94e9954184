"""The changes between two pipelines, and their JSON form."""

from collections.abc import Iterable

from attractor.base.dataclasses import dataclass
from attractor.language.graph.graph import Edge, Node
from attractor.language.graph.records import attributes_record, plain_value
from attractor.language.source.syntax_tree import Value


@dataclass(frozen=True)
class AttributeChange:
    """An attribute that was added, removed or changed."""

    key: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class NodeChange:
    """A node with another id, with other attributes, or both."""

    before: Node
    after: Node
    changes: tuple[AttributeChange, ...] = ()

    @property
    def is_renamed(self) -> bool:
        """Whether its id changed."""
        return self.before.id != self.after.id


@dataclass(frozen=True)
class EdgeChange:
    """An edge with another end, with other attributes, or both."""

    before: Edge
    after: Edge
    changes: tuple[AttributeChange, ...] = ()
    is_rerouted: bool = False


@dataclass(frozen=True)
class NodeMove:
    """A node that is in other subgraphs than before."""

    node: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class SubgraphChange:
    """A subgraph with other attributes."""

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
