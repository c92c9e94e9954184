"""The specification graph: nodes with an id that survives renaming, relations, and hashes.

A graph is immutable; a changed graph shares all other nodes with the one before. Hashes form a
Merkle tree along `contains`, and leave out provenance: the same content has the same hash for
every author (ruling G3).
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.errors import suggest
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.growth.errors import UnknownSpecNode

ROOT = "domain"

NODE_ID = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")
LONGEST_ID = 60
"""The length of ids made of words: an id is the name of a file."""


class Relation(StrEnum):
    """How a node relates to another one."""

    CONTAINS = "contains"
    PRECEDES = "precedes"
    READS = "reads"
    WRITES = "writes"
    GUARDS = "guards"
    SHOWS = "shows"
    REFERS_TO = "refers_to"
    ARRANGED_BY = "arranged_by"
    SUMS = "sums"
    LIMITS = "limits"
    RUNS = "runs"
    SEES = "sees"
    DOES = "does"
    EDITS = "edits"
    TESTS = "tests"
    DERIVES_FROM = "derives_from"


class SpecEdge(NamedTuple):
    """A relation of a node to another one."""

    relation: Relation
    to: str


class Author(StrEnum):
    """The author of a node."""

    RULE = "rule"
    MODEL = "model"
    MORPH = "morph"
    PERSON = "person"


@dataclass(frozen=True)
class Provenance:
    """Where a node comes from: its author, and the desire whose words it rests on."""

    by: Author = Author.RULE
    desire: str = ""
    words: str = ""
    model: str = ""
    prompt_hash: str = ""
    morph: str = ""


@dataclass(frozen=True)
class SpecNode:
    """One entry of a specification."""

    id: str
    kind: str
    fields: JsonObject
    edges: tuple[SpecEdge, ...] = ()
    provenance: Provenance = Provenance()

    @property
    def name(self) -> str:
        """The words of the node."""
        return str(self.fields.get("name", self.id))

    @property
    def hash(self) -> str:
        """The hash of the content, without provenance."""
        edges: list[Json] = [[edge.relation.value, edge.to] for edge in self.edges]
        record: JsonObject = {
            "id": self.id,
            "kind": self.kind,
            "fields": dict(self.fields),
            "edges": edges,
        }
        return content_hash(canonical_json(record).encode())

    @cached_property
    def contained(self) -> tuple[str, ...]:
        """The ids of the nodes right inside the node, in order."""
        return self.targets(Relation.CONTAINS)

    @cached_property
    def relations(self) -> tuple[SpecEdge, ...]:
        """The relations to nodes that are not inside the node."""
        return tuple(edge for edge in self.edges if edge.relation is not Relation.CONTAINS)

    def targets(self, relation: Relation) -> tuple[str, ...]:
        """Return the nodes that a relation leads to."""
        return tuple(edge.to for edge in self.edges if edge.relation is relation)

    def with_targets(self, relation: Relation, targets: Iterable[str]) -> "SpecNode":
        """Return the node with other targets of a relation."""
        others = [edge for edge in self.edges if edge.relation is not relation]
        new = [SpecEdge(relation, target) for target in targets]
        return replace(self, edges=tuple(sorted([*others, *new], key=_relation_order)))

    def with_fields(self, **fields: Json) -> "SpecNode":
        """Return the node with other values of fields; None removes a field."""
        changed = {**self.fields, **fields}
        return replace(self, fields={k: one for k, one in changed.items() if one is not None})


_ORDER = {relation: number for number, relation in enumerate(Relation)}


def _relation_order(edge: SpecEdge) -> int:
    return _ORDER[edge.relation]


class SpecGraph(Mapping[str, SpecNode]):
    """All nodes of a specification by id."""

    def __init__(self, nodes: Iterable[SpecNode]) -> None:
        self._nodes = {node.id: node for node in nodes}
        self._hashes: dict[str, str] = {}
        self._origin = self
        self._changed: frozenset[str] = frozenset()

    def __getitem__(self, id_: str) -> SpecNode:
        return self._nodes[id_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def root(self) -> SpecNode:
        """The node with the identity of the app."""
        return self._nodes[ROOT]

    @cached_property
    def parents(self) -> Mapping[str, str]:
        """The node that contains each node."""
        return {child: one.id for one in self.values() for child in one.targets(Relation.CONTAINS)}

    @property
    def spec_hash(self) -> str:
        """The hash of the whole specification."""
        return self.subtree_hash(ROOT)

    def subtree_hash(self, id_: str) -> str:
        """Return the hash of a node with all nodes below it."""
        if id_ not in self._hashes:
            below = [self.subtree_hash(one) for one in self.children_ids(id_)]
            joined = "\n".join([self._nodes[id_].hash, *below])
            self._hashes[id_] = content_hash(joined.encode())
        return self._hashes[id_]

    def children_ids(self, id_: str) -> tuple[str, ...]:
        """Return the nodes right inside a node, in order."""
        return self._nodes[id_].contained

    def children(self, id_: str, kind: str = "") -> Sequence[SpecNode]:
        """Return the nodes right inside a node (default: of all kinds), in order."""
        inside = (self._nodes[one] for one in self.children_ids(id_))
        return [one for one in inside if not kind or one.kind == kind]

    def below(self, id_: str) -> Iterator[SpecNode]:
        """Yield a node and all nodes below it, in order."""
        yield self._nodes[id_]
        for child in self.children_ids(id_):
            yield from self.below(child)

    def of_kind(self, kind: str) -> Sequence[SpecNode]:
        """Return all nodes of a kind."""
        return [self._nodes[one] for one in self._kinds.get(kind, ())]

    @cached_property
    def _kinds(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for node in self.values():
            found.setdefault(node.kind, []).append(node.id)
        return found

    def sources(self, id_: str, relation: Relation) -> Sequence[SpecNode]:
        """Return the nodes whose relation leads to a node."""
        return [self._nodes[one] for one in self._backward.get((relation, id_), ())]

    @cached_property
    def _backward(self) -> Mapping[tuple[Relation, str], Sequence[str]]:
        found: dict[tuple[Relation, str], list[str]] = {}
        for node in self.values():
            for edge in node.edges:
                found.setdefault((edge.relation, edge.to), []).append(node.id)
        return found

    def find(self, words: str, *kinds: str, is_strict: bool = False) -> SpecNode:
        """Return the node with an id or a name (default: of any kind), or raise UnknownSpecNode.

        With `is_strict`, a name that two nodes have is ambiguous even if one has it as its id.
        """
        found = self._nodes.get(words) or (None if is_strict else self._nodes.get(slug(words)))
        if found and (not kinds or found.kind in kinds):
            return found
        allowed = [one for one in self.values() if not kinds or one.kind in kinds]
        same = [one for one in allowed if one.name == words]
        # Words without Latin letters and digits have no slug.
        if not same and slug(words):
            same = [one for one in allowed if slug(words) in (slug(one.name), one.id)]
        # A field is inside of its entity: another node with its name comes first.
        same = [one for one in same if "." not in one.id] or same
        if len(same) == 1:
            return same[0]
        noun = " or ".join(kinds) or "node"
        others = [one for one in self.values() if is_strict and words in (one.id, one.name)]
        if others and not same:
            ids = ", ".join(f"the {one.kind} {one.id}" for one in others)
            raise UnknownSpecNode(f"{words!r} is {ids}", hint=f"name a {noun}")
        if same:
            ids = ", ".join(one.id for one in same)
            raise UnknownSpecNode(f"{noun} {words!r} is ambiguous", hint=f"write an id: {ids}")
        near = suggest(words, [one.id for one in allowed])
        hint = f"did you mean {near}?" if near else UnknownSpecNode.hint
        raise UnknownSpecNode(f"unknown {'node' if is_strict else noun} {words!r}", hint=hint)

    def replace(self, *changed: SpecNode, removed: Collection[str] = ()) -> "SpecGraph":
        """Return the graph with nodes changed or added, and others removed with their relations.

        Hashes and indexes of the other nodes are kept, so the next checks cost no more in a large
        graph than in a small one.
        """
        new = {one.id: one for one in changed}
        users = {edge[1] for id_ in removed for edge in self._edges_to(id_)}
        for id_ in users - set(removed):
            node = new.get(id_, self._nodes[id_])
            edges = tuple(edge for edge in node.edges if edge.to not in removed)
            new[id_] = replace(node, edges=edges)
        graph = SpecGraph(())
        graph._nodes = {**self._nodes, **new}
        for id_ in removed:
            del graph._nodes[id_]
        touched = frozenset((*new, *removed))
        graph._origin, graph._changed = self._origin, self._changed | touched
        graph._hashes = self._kept_hashes(graph, touched)
        graph.__dict__["parents"] = self._kept_parents(graph, touched)
        graph.__dict__["_backward"] = self._kept_backward(graph, touched)
        return graph

    def changed_since(self, before: "SpecGraph") -> Collection[str] | None:
        """Return the ids of nodes that are others than in a graph with the same origin.

        None: the graphs have no common origin.
        """
        if self._origin is not before._origin:
            return None
        both = self._changed | before._changed
        return [one for one in both if self._nodes.get(one) is not before._nodes.get(one)]

    def _edges_to(self, id_: str) -> Iterator[tuple[Relation, str]]:
        for relation in Relation:
            yield from ((relation, one) for one in self._backward.get((relation, id_), ()))

    def _kept_hashes(self, after: "SpecGraph", touched: Iterable[str]) -> dict[str, str]:
        """Return the hashes of subtrees that another graph shares."""
        kept = dict(self._hashes)
        for id_ in touched:
            ancestor: str | None = id_
            while ancestor:
                kept.pop(ancestor, None)
                ancestor = self.parents.get(ancestor)
        return kept

    def _kept_parents(self, after: "SpecGraph", touched: Iterable[str]) -> Mapping[str, str]:
        kept = dict(self.parents)
        for id_ in touched:
            for child in self._nodes[id_].targets(Relation.CONTAINS) if id_ in self else ():
                kept.pop(child, None)
        for id_ in touched:
            for child in after[id_].targets(Relation.CONTAINS) if id_ in after else ():
                kept[child] = id_
        return kept

    def _kept_backward(
        self, after: "SpecGraph", touched: Iterable[str]
    ) -> Mapping[tuple[Relation, str], Sequence[str]]:
        kept = dict(self._backward)
        for id_ in touched:
            for edge in self._nodes[id_].edges if id_ in self else ():
                kept[edge] = [one for one in kept[edge] if one != id_]
        for id_ in touched:
            for edge in after[id_].edges if id_ in after else ():
                kept[edge] = [*kept.get(edge, ()), id_]
        return kept


def slug(words: str) -> str:
    """Return words as an id: lower-case letters, digits and underscores."""
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")


def free_id(words: str, kind: str, is_taken: Callable[[str], bool]) -> str:
    """Return an id for a new node that no other node has; a question is no part of it."""
    wanted = slug(re.sub(r"\[[^\]]*\]", "", words))[:LONGEST_ID].rstrip("_") or kind
    candidates = (wanted, f"{wanted}_{kind}")
    for candidate in candidates:
        if not is_taken(candidate):
            return candidate
    number = 2
    while is_taken(f"{candidates[1]}_{number}"):
        number += 1
    return f"{candidates[1]}_{number}"
