"""The difference of two specifications, in words of nodes, fields and relations (ruling G5)."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.growth.specification.graph import ROOT, Relation, SpecGraph, SpecNode


class ChangeKind(StrEnum):
    """How a node changed."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True)
class SpecChange:
    """One change of a node: of the node itself, of a field, or of a relation."""

    kind: ChangeKind
    id: str
    node_kind: str
    field: str = ""
    """The field or the relation that changed."""
    before: Json = None
    after: Json = None

    def describe(self) -> str:
        """Return the change as a sentence."""
        node = f"{self.node_kind} {self.id}"
        match self.kind:
            case ChangeKind.ADDED:
                return f"added {node}: {self.after}"
            case ChangeKind.REMOVED:
                return f"removed {node}: {self.before}"
            case ChangeKind.RENAMED:
                return f"renamed {node}: {self.before} -> {self.after}"
            case ChangeKind.MOVED:
                return f"moved {node}: {self.before} -> {self.after}"
            case ChangeKind.CHANGED:
                return f"changed {node}.{self.field}: {_shown(self.before)} -> {_shown(self.after)}"


def _shown(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def compare_specs(before: SpecGraph, after: SpecGraph) -> Sequence[SpecChange]:
    """Return all changes, in the order of the later specification; removed nodes come last.

    Of graphs with a common origin only the replaced nodes are compared; otherwise subtrees with
    equal hashes are not entered.
    """
    known = after.changed_since(before)
    if known is None:
        old, new = dict(_differing(before, after)), dict(_differing(after, before))
    else:
        moved = [one for id_ in known for one in _moved_ids(before, after, id_)]
        old, new = (_in_order(graph, {*known, *moved}) for graph in (before, after))
    changes = [one for id_, node in new.items() for one in _changes_of(before, after, id_, node)]
    removed = [node for id_, node in old.items() if id_ not in after]
    changes += [SpecChange(ChangeKind.REMOVED, n.id, n.kind, before=n.name) for n in removed]
    return changes


def everything_added(graph: SpecGraph) -> Sequence[SpecChange]:
    """Return the changes from nothing to a specification: all nodes but its sections."""
    nodes = (node for node in graph.below(ROOT) if node.kind != "section")
    return [SpecChange(ChangeKind.ADDED, one.id, one.kind, after=one.name) for one in nodes]


def _moved_ids(before: SpecGraph, after: SpecGraph, id_: str) -> Iterable[str]:
    """Return the nodes that are right inside a node in one graph only."""
    old = before.children_ids(id_) if id_ in before else ()
    new = after.children_ids(id_) if id_ in after else ()
    return new[len(old) :] if new[: len(old)] == old else set(old) ^ set(new)


def _in_order(graph: SpecGraph, ids: Iterable[str]) -> dict[str, SpecNode]:
    """Return the nodes with some ids, in the order of the specification."""

    def place(id_: str) -> list[int]:
        places: list[int] = []
        while parent := graph.parents.get(id_):
            places.append(graph.children_ids(parent).index(id_))
            id_ = parent
        return places[::-1]

    return {one: graph[one] for one in sorted((id_ for id_ in ids if id_ in graph), key=place)}


def _differing(one: SpecGraph, other: SpecGraph) -> Iterator[tuple[str, SpecNode]]:
    """Yield the nodes of a graph in subtrees that differ from the other graph."""
    waiting = [one.root.id]
    while waiting:
        id_ = waiting.pop()
        if id_ in other and other.subtree_hash(id_) == one.subtree_hash(id_):
            if other.parents.get(id_) != one.parents.get(id_):
                yield id_, one[id_]
            continue
        yield id_, one[id_]
        waiting += reversed(one.children_ids(id_))


def _changes_of(
    before: SpecGraph, after: SpecGraph, id_: str, node: SpecNode
) -> Iterator[SpecChange]:
    if id_ not in before:
        yield SpecChange(ChangeKind.ADDED, id_, node.kind, after=node.name)
        return
    old = before[id_]
    if old.name != node.name:
        yield SpecChange(ChangeKind.RENAMED, id_, node.kind, "name", old.name, node.name)
    places = (before.parents.get(id_), after.parents.get(id_))
    if places[0] != places[1]:
        yield SpecChange(ChangeKind.MOVED, id_, node.kind, "parent", *places)
    for key in sorted((old.fields.keys() | node.fields.keys()) - {"name"}):
        values = (old.fields.get(key), node.fields.get(key))
        if values[0] != values[1]:
            yield SpecChange(ChangeKind.CHANGED, id_, node.kind, key, *values)
    for relation in Relation if old.relations != node.relations else ():
        targets = (old.targets(relation), node.targets(relation))
        if targets[0] != targets[1] and relation is not Relation.CONTAINS:
            lists = (list[Json](targets[0]), list[Json](targets[1]))
            yield SpecChange(ChangeKind.CHANGED, id_, node.kind, relation.value, *lists)
    yield from _moved_within(before, after, old, node)


def _moved_within(
    before: SpecGraph, after: SpecGraph, old: SpecNode, node: SpecNode
) -> Iterator[SpecChange]:
    """Yield the nodes that changed their place among the nodes that stayed inside a node."""
    if node.contained[: len(old.contained)] == old.contained:
        return
    stayed = {*old.contained} & {*node.contained}
    first = [one for one in before.children_ids(old.id) if one in stayed]
    last = [one for one in after.children_ids(node.id) if one in stayed]
    if first == last:
        return
    kept = {
        id_
        for block in SequenceMatcher(None, first, last, autojunk=False).get_matching_blocks()
        for id_ in last[block.b : block.b + block.size]
    }
    for id_ in last:
        if id_ not in kept:
            yield SpecChange(
                ChangeKind.MOVED, id_, after[id_].kind, "place", first.index(id_), last.index(id_)
            )
