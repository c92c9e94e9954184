"""The kinds of nodes in a specification, one file each in `node_kinds/`."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cache
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.growth.specification.graph import Relation, SpecGraph

FLAG = ("true", "false")
ANY_TEXT: tuple[str, ...] = ()


class Targets(NamedTuple):
    """A relation, and the kinds of nodes to which it leads."""

    relation: Relation
    kinds: tuple[str, ...]
    """None: any kind."""
    is_one: bool = False
    """Whether it leads to one node at most."""


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

    relations: Mapping[str, Targets] = field(default_factory=dict[str, Targets])
    """Keys with a list of other nodes, each with the kinds that it allows."""

    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Keys that have no effect without another one of these keys."""


@cache
def node_kinds() -> Registry[NodeKind]:
    """Return all kinds by name."""
    return Registry("attractor.growth.specification.node_kinds", NodeKind, noun="kind of node")


def kinds_in(parent: str) -> Mapping[str, NodeKind]:
    """Return the kinds whose nodes stand right inside a section or a kind of node."""
    return {name: kind for name, kind in node_kinds().items() if kind.parent == parent}


RELATIONS_OF_ALL = {"derives_from": Targets(Relation.DERIVES_FROM, ("desire",))}


def relations_of(kind: str) -> Mapping[str, Targets]:
    """Return the relations of a kind of node, by key; none of the root and of sections."""
    return {**node_kinds()[kind].relations, **RELATIONS_OF_ALL} if kind in node_kinds() else {}


def wrong_relations(graph: SpecGraph) -> Iterator[str]:
    """Yield the relations of a graph of an earlier version to nodes that they do not allow."""
    for node in graph.values():
        for key, allowed in relations_of(node.kind).items():
            targets = node.targets(allowed.relation)
            kinds = allowed.kinds
            wrong = [one for one in targets if kinds and graph[one].kind not in kinds]
            for id_ in wrong:
                place = f"{node.kind} {node.id}: {key} leads to the {graph[id_].kind} {id_}"
                yield f"{place}, not to a {' or '.join(kinds)}, and has no effect"
            if allowed.is_one and len(targets) - len(wrong) > 1:
                others = ", ".join(targets[1:])
                yield f"{node.kind} {node.id}: {key} leads to one node, so {others} has no effect"
