"""The specification as a document in YAML: an identity and seven sections (ruling G2).

Every entry of a list becomes a node, scalars stay text (`no` is a word), and the graph prints back
the document that it was read from (`document_writer.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from attractor.base.errors import suggest
from attractor.base.json import Json, JsonObject
from attractor.growth.errors import InvalidSpec, UnknownSpecNode
from attractor.growth.plain_text import require_plain
from attractor.growth.specification.graph import (
    NODE_ID,
    ROOT,
    Provenance,
    Relation,
    SpecEdge,
    SpecGraph,
    SpecNode,
    free_id,
    slug,
)
from attractor.growth.specification.graph_check import check_graph
from attractor.growth.specification.limits import field_in
from attractor.growth.specification.names import faults_of_name
from attractor.growth.specification.node_kind import (
    NodeKind,
    Targets,
    kinds_in,
    node_kinds,
    relations_of,
)
from attractor.growth.specification.rights import require_no_key
from attractor.growth.specification.yaml_text import line_of, parse_yaml

IDENTITY = ("purpose", "beneficiaries", "safety_envelope", "prohibited_changes")
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "evidence_policy": ("sources", "trust_tiers", "cadence"),
    "data_contracts": ("entities", "schemas", "pii_flags"),
    "workflows": ("pipelines", "triggers", "outputs"),
    "interface": ("panels", "actions", "roles"),
    "safety": ("guardrails", "disclaimers"),
    "personalization": ("preferences", "heuristics"),
    "deployment": ("cadence", "devices", "schedules", "retention"),
}
"""The sections and their keys, in the order of a document."""

DOCUMENT_KEYS = frozenset({"identity", *SECTIONS})
"""Keys by which a document is known."""

SECTION = "section"
SCALARS = frozenset({"cadence"})
ID, ORDER = "id", "order"
"""The keys of an id that does not follow from the words, and of an order of different lists."""

_NAMED = frozenset({"entity", "field", "operation", "pipeline", "step", "panel"})
"""The kinds whose words are names; words of other kinds may be sentences."""
OWNED = frozenset({"field", "operation"})
"""The kinds whose ids begin with the id of their parent."""


def read_document(text: str, *, source: str = "the document") -> SpecGraph:
    """Read a specification from YAML, or raise InvalidSpec with the place of the first fault."""
    return graph_of(parse_yaml(text, source=source), source=source, text=text)


def graph_of(
    value: object,
    *,
    source: str = "the document",
    quotes: Mapping[str, str] | None = None,
    text: str = "",
) -> SpecGraph:
    """Return the graph of a document; quotes by place become the words of provenance.

    A document with quotes is the answer of a model, which chooses no ids. With the text of the
    document, a fault of a relation has its line.
    """
    reader = _Reader(source, quotes, text)
    reader.read(value)
    graph = SpecGraph(reader.linked())
    check_graph(graph)
    reader.check_needs()
    for role in graph.of_kind("role"):
        require_no_key(graph, role)
    return graph


class _Reader:
    """Collects the nodes of a document; relations are resolved when all nodes are known."""

    def __init__(self, source: str, quotes: Mapping[str, str] | None, text: str) -> None:
        self.source = source
        self._document = text
        self._quotes = quotes or {}
        self._takes_ids = quotes is None
        self._nodes: dict[str, SpecNode] = {}
        self._references: list[tuple[str, str, Targets, str]] = []
        self._lonely: list[tuple[str, str]] = []

    def read(self, value: object) -> None:
        """Read the whole document."""
        keys = ("identity", *SECTIONS, *self._keys_of(ROOT), *self._if_takes_ids(ORDER))
        document = self._mapping(value, "", keys)
        identity = self._mapping(document.get("identity"), "identity", IDENTITY)
        if not identity.get("purpose"):
            raise self._fault("identity.purpose", "missing", "say what the app is for")
        fields: dict[str, Json] = {}
        for key in IDENTITY:
            if key == "purpose":
                fields[key] = self._text(identity[key], "identity.purpose")
            else:
                lines = self._list(identity.get(key), f"identity.{key}")
                fields[key] = [self._text(one, place) for place, one in lines]
        self._nodes[ROOT] = SpecNode(ROOT, ROOT, fields, (), self._origin("identity.purpose"))
        children = [self._section(section, document.get(section)) for section in SECTIONS]
        children += self._entries(ROOT, document, "")
        self._nodes[ROOT] = self._nodes[ROOT].with_targets(Relation.CONTAINS, children)
        self._put_in_order(document.get(ORDER))

    def _put_in_order(self, value: object) -> None:
        """Put entries of different lists in the order that the document gives."""
        for parent, ids in self._mapping(value, ORDER, (ROOT, *SECTIONS)).items():
            node, place = self._nodes[parent], f"{ORDER}.{parent}"
            fixed = [one for one in node.contained if one in SECTIONS]
            entries = [one for one in node.contained if one not in SECTIONS]
            wanted = [self._text(one, at) for at, one in self._list(ids, place)]
            if unknown := [one for one in wanted if one not in entries]:
                raise self._fault(place, f"unknown id {unknown[0]!r}", f"ids: {', '.join(entries)}")
            ordered = dict.fromkeys([*fixed, *wanted, *entries])
            self._nodes[parent] = node.with_targets(Relation.CONTAINS, ordered)

    def _section(self, name: str, value: object) -> str:
        keys = self._keys_of(name)
        scalars = [section for section in SECTIONS[name] if section in SCALARS]
        content = self._mapping(value, name, (*scalars, *keys))
        fields: dict[str, Json] = {
            scalar: self._text(content[scalar], f"{name}.{scalar}")
            for scalar in scalars
            if scalar in content
        }
        origin = self._origin(*(f"{name}.{scalar}" for scalar in scalars))
        self._nodes[name] = SpecNode(name, SECTION, fields, (), origin)
        children = self._entries(name, content, f"{name}.")
        self._nodes[name] = self._nodes[name].with_targets(Relation.CONTAINS, children)
        return name

    def _keys_of(self, parent: str) -> tuple[str, ...]:
        return tuple(kind.key for kind in kinds_in(parent).values())

    def _entries(self, parent: str, content: Mapping[str, Any], prefix: str) -> list[str]:
        """Read all lists of nodes in a mapping; return the ids in order."""
        return [
            self._entry(name, kind, one, place)
            for name, kind in in_order(parent)
            for place, one in self._list(content.get(kind.key), f"{prefix}{kind.key}")
        ]

    def _entry(self, name: str, kind: NodeKind, value: object, place: str, owner: str = "") -> str:
        inner = kinds_in(name)
        relations = relations_of(name)
        keys = (kind.label, *kind.fields, *kind.lists, *relations, *(k.key for k in inner.values()))
        keys = (*keys, *self._if_takes_ids(ID))
        entry = {kind.label: value} if isinstance(value, str) else self._mapping(value, place, keys)
        if not entry.get(kind.label):
            raise self._fault(place, f"missing {kind.label}", "every entry has words")
        words = self._text(entry[kind.label], f"{place}.{kind.label}")
        for fault in faults_of_name(words) if name in _NAMED else ():
            raise self._fault(place, fault, "choose a short name in one script")
        id_ = self._id_of(entry, words, name, owner, place)
        fields: dict[str, Json] = {"name": words}
        for key, allowed in kind.fields.items():
            if key in entry:
                fields[key] = self._choice(entry[key], allowed, f"{place}.{key}")
        for key in sorted(kind.lists & entry.keys()):
            lines = self._list(entry[key], f"{place}.{key}")
            fields[key] = [self._text(one, at) for at, one in lines]
        self._nodes[id_] = SpecNode(id_, name, fields, (), self._origin(place))
        self._refer(id_, relations, entry, place)
        for key, others in kind.needs.items():
            if entry.get(key) and not any(entry.get(one) for one in others):
                self._lonely.append((f"{place}.{key}", " or ".join(others)))
        self._contain(id_, inner, entry, place)
        return id_

    def _refer(
        self, id_: str, relations: Mapping[str, Targets], entry: Mapping[str, Any], place: str
    ) -> None:
        """Keep the words of the relations of a node."""
        for key, allowed in relations.items():
            listed = list(self._list(entry.get(key), f"{place}.{key}"))
            if allowed.is_one and len(listed) > 1:
                raise self._fault(f"{place}.{key}", "more than one entry", "write one")
            for at, one in listed:
                self._references.append((id_, at, allowed, self._text(one, at)))

    def _origin(self, *places: str) -> Provenance:
        return Provenance(
            words=next((self._quotes[place] for place in places if place in self._quotes), "")
        )

    def _contain(
        self, id_: str, inner: Mapping[str, NodeKind], entry: Mapping[str, Any], place: str
    ) -> None:
        """Read the nodes inside a node."""
        children: list[str] = []
        for name, kind in inner.items():
            listed = self._list(entry.get(kind.key), f"{place}.{kind.key}")
            found = [self._entry(name, kind, one, at, owner=id_) for at, one in listed]
            if name == "step":
                for before, after in zip(found, found[1:], strict=False):
                    node = self._nodes[before]
                    self._nodes[before] = node.with_targets(Relation.PRECEDES, [after])
            children += found
        self._nodes[id_] = self._nodes[id_].with_targets(Relation.CONTAINS, children)

    def _id_of(
        self, entry: Mapping[str, Any], words: str, kind: str, owner: str, place: str
    ) -> str:
        """Return the id that an entry names, or the one that follows from its words."""
        if ID not in entry:
            if id_ := id_of_words(words, kind, owner, self._name_of):
                return id_
            inner = node_kinds()[kind].key
            raise InvalidSpec(f"{self.source}: {owner} has two {inner} {words!r}")
        id_, place = self._text(entry[ID], f"{place}.{ID}"), f"{place}.{ID}"
        before = f"{owner}." if kind in OWNED else ""
        if not NODE_ID.fullmatch(id_) or id_[: id_.find(".") + 1] != before:
            hint = f"write {before}NAME, with letters a to z, digits and _"
            raise self._fault(place, f"invalid id {id_!r}", hint)
        if id_ in self._nodes or id_ in SECTIONS:
            raise self._fault(place, f"the id {id_!r} is taken", "choose another one")
        return id_

    def _name_of(self, id_: str) -> str | None:
        return self._nodes[id_].name if id_ in self._nodes else None

    def _if_takes_ids(self, key: str) -> tuple[str, ...]:
        return (key,) if self._takes_ids else ()

    def linked(self) -> Iterable[SpecNode]:
        """Return the nodes with their relations."""
        graph = SpecGraph(self._nodes.values())
        edges: dict[str, list[SpecEdge]] = {}
        for id_, place, allowed, words in self._references:
            try:
                if allowed.relation is Relation.LIMITS:
                    found = field_in(graph, graph.parents[id_], words).id
                else:
                    found = graph.find(words, *allowed.kinds, is_strict=True).id
                edges.setdefault(id_, []).append(SpecEdge(allowed.relation, found))
            except UnknownSpecNode as cause:
                line = f":{line_of(self._document, place)}" if self._document else ""
                fault = f"{self.source}{line}: {place}: {cause.message}"
                raise InvalidSpec(fault, hint=cause.hint) from cause
        for id_, node in self._nodes.items():
            for relation in {one.relation for one in edges.get(id_, ())}:
                targets = [edge.to for edge in edges[id_] if edge.relation is relation]
                node = node.with_targets(relation, targets)
            yield node

    def check_needs(self) -> None:
        """Raise InvalidSpec for a key that has no effect without another one."""
        for place, others in self._lonely:
            raise self._fault(place, "has no effect alone", f"write {others} as well")

    def _mapping(self, value: object, place: str, keys: Iterable[str]) -> Mapping[str, Any]:
        if value in (None, ""):
            return {}
        if not isinstance(value, dict):
            raise self._fault(place, "not a mapping", f"keys: {', '.join(keys)}")
        entry = cast("dict[str, Any]", value)
        known = list(keys)
        for key in entry:
            if key not in known:
                near = suggest(str(key), known)
                hint = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}"
                raise self._fault(f"{place}.{key}".lstrip("."), "unknown key", hint)
        return entry

    def _list(self, value: object, place: str) -> Iterator[tuple[str, object]]:
        if value in (None, ""):
            return
        if not isinstance(value, list):
            raise self._fault(place, "not a list", "write a list: ['...', '...']")
        for number, one in enumerate(cast("list[object]", value)):
            yield f"{place}[{number}]", one

    def _text(self, value: object, place: str) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self._fault(place, "not a text", "write a text in quotes")
        require_plain(value, f"{self.source}: {place}", InvalidSpec)
        return value

    def _choice(self, value: object, allowed: tuple[str, ...], place: str) -> str:
        text = str(value).lower() if isinstance(value, bool) else self._text(value, place)
        if allowed and text not in allowed:
            raise self._fault(place, f"invalid value {text!r}", f"use {', '.join(allowed)}")
        return text

    def _fault(self, place: str, fault: str, hint: str) -> InvalidSpec:
        return InvalidSpec(f"{self.source}: {place or 'document'}: {fault}", hint=hint)


def id_of_words(words: str, kind: str, owner: str, name_of: Callable[[str], str | None]) -> str:
    """Return the id of an entry that names none; "" for a second one with these words.

    `name_of` returns the name of the node with an id, or None.
    """
    if kind not in OWNED:
        return free_id(words, kind, lambda one: one in SECTIONS or name_of(one) is not None)
    # Many entities have a field `date`.
    id_ = first = f"{owner}.{slug(words) or kind}"
    number = 1
    while (taken := name_of(id_)) is not None:
        if slug(words) or taken == words:
            return ""
        # Words without Latin letters and digits have no slug.
        number += 1
        id_ = f"{first}_{number}"
    return id_


def in_order(parent: str) -> list[tuple[str, NodeKind]]:
    """Return the kinds of a section in the order of its keys."""
    keys = SECTIONS.get(parent, ())
    kinds = kinds_in(parent)
    return sorted(
        kinds.items(),
        key=lambda one: (keys.index(one[1].key) if one[1].key in keys else len(keys), one[0]),
    )


def identity_of(graph: SpecGraph) -> JsonObject:
    """Return the four fields that never change in a lineage."""
    return {key: graph.root.fields[key] for key in IDENTITY}


def by_rule(desire: str, words: str) -> Provenance:
    """Return the provenance of a node that a rule made from words of a desire."""
    return Provenance(desire=desire, words=words)
