"""The kinds of nodes in a specification, one file each in `node_kinds/`."""

from collections.abc import Mapping
from dataclasses import field
from functools import cache

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.growth.specification.graph import Relation

FLAG = ("true", "false")
ANY_TEXT: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeKind:
    """The place and the keys of the nodes of a kind in a document."""

    parent: str
    """The id of the section, or the kind of the node, that contains them."""

    key: str
    """The key of their list in the parent."""

    label: str = "name"
    """The key of their words, if they are written as a mapping."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """More keys with text, each with the allowed values (none: any text)."""

    lists: frozenset[str] = frozenset()
    """More keys with a list of texts."""

    relations: Mapping[str, Relation] = field(default_factory=dict[str, Relation])
    """Keys with a list of other nodes."""


@cache
def node_kinds() -> Registry[NodeKind]:
    """Return all kinds by name."""
    return Registry("attractor.growth.specification.node_kinds", NodeKind, noun="kind of node")


def kinds_in(parent: str) -> Mapping[str, NodeKind]:
    """Return the kinds whose nodes stand right inside a section or a kind of node."""
    return {name: kind for name, kind in node_kinds().items() if kind.parent == parent}
