"""How one graph differs from another."""

from attractor.base.dataclasses import dataclass
from attractor.language.diffing.saying import Saying
from attractor.language.graph import Edge, Node
from attractor.language.values import Value


@dataclass(frozen=True)
class AttributeChange:
    """An attribute that is set, no longer set, or set to another value."""

    key: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class NodeChange:
    """A node that is another than it was: by its id, by its attributes, or by both."""

    before: Node
    after: Node
    changes: tuple[AttributeChange, ...] = ()

    @property
    def is_renamed(self) -> bool:
        """Whether its id is another."""
        return self.before.id != self.after.id


@dataclass(frozen=True)
class EdgeChange:
    """An edge that leads elsewhere than it did, or says something else."""

    before: Edge
    after: Edge
    changes: tuple[AttributeChange, ...] = ()
    is_rerouted: bool = False


@dataclass(frozen=True)
class NodeMove:
    """A node that stands in other subgraphs than before."""

    node: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class SubgraphChange:
    """A subgraph that says something else of itself."""

    id: str
    changes: tuple[AttributeChange, ...]


@dataclass(frozen=True)
class Difference:
    """All that differs between two graphs, in the order of the texts.

    `reordered` are nodes whose ways out are the same in another order: a person is offered them so.
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


def attribute_changes(before: Saying, after: Saying) -> tuple[AttributeChange, ...]:
    """Return what one thing says otherwise than before, with the values as they are written."""
    old, new = before.attributes, after.attributes
    keys = (key for key in {**old.by_key, **new.by_key} if _differs(key, before, after))
    return tuple(AttributeChange(key, old.value(key), new.value(key)) for key in keys)


def _differs(key: str, before: Saying, after: Saying) -> bool:
    if not before.says(key):
        return not after.is_usual(key)
    if not after.says(key):
        return not before.is_usual(key)
    return before.meaning(key) != after.meaning(key)
