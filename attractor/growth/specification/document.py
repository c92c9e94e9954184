"""The specification as a document in YAML: an identity and seven sections (ruling G2).

Every entry of a list becomes a node, scalars stay text (`no` is a word), and the graph prints back
the document that it was read from.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from attractor.base.errors import suggest
from attractor.base.json import Json, JsonObject
from attractor.growth.errors import InvalidSpec, UnknownSpecNode
from attractor.growth.plain_text import require_plain
from attractor.growth.specification.graph import (
    ROOT,
    Provenance,
    Relation,
    SpecEdge,
    SpecGraph,
    SpecNode,
    check_graph,
    free_id,
    slug,
)
from attractor.growth.specification.names import faults_of_name
from attractor.growth.specification.node_kind import NodeKind, kinds_in, node_kinds

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
_NAMED = frozenset({"entity", "field", "pipeline", "step", "panel"})
"""The kinds whose words are names; words of other kinds may be sentences."""
_RELATIONS_OF_ALL = {"derives_from": Relation.DERIVES_FROM}


def read_document(text: str, *, source: str = "the document") -> SpecGraph:
    """Read a specification from YAML, or raise InvalidSpec with the place of the first fault."""
    return graph_of(parse_yaml(text, source=source), source=source)


def parse_yaml(text: str, *, source: str) -> object:
    """Return the value of a text in YAML, whose scalars are text: `no` is a word of a user."""
    # Imported here: commands that read no specification start faster.
    import yaml

    class Loader(yaml.BaseLoader):
        """Refuses a duplicate key: YAML would drop the entries of the first one."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys: set[str] = set()
            for key, _ in node.value:
                if str(key.value) in keys:
                    fault = f"{source}:{key.start_mark.line + 1}: duplicate key {key.value!r}"
                    raise InvalidSpec(fault, hint="write all entries of a key in one place")
                keys.add(str(key.value))
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as cause:
        hint = "write texts with a colon or a bracket in quotes"
        raise InvalidSpec(f"{source}: {' '.join(str(cause).split())}", hint=hint) from cause
    except RecursionError as cause:
        raise InvalidSpec(f"{source}: nested too deeply", hint="use fewer brackets") from cause


def write_document(graph: SpecGraph) -> str:
    """Return the YAML of a specification."""
    # Imported here: commands that read no specification start faster.
    import yaml

    return yaml.safe_dump(document_of(graph), sort_keys=False, allow_unicode=True, width=100)


def graph_of(
    value: object, *, source: str = "the document", quotes: Mapping[str, str] = MappingProxyType({})
) -> SpecGraph:
    """Return the graph of a document; quotes by place become the words of provenance."""
    reader = _Reader(source, quotes)
    reader.read(value)
    graph = SpecGraph(reader.linked())
    check_graph(graph)
    return graph


class _Reader:
    """Collects the nodes of a document; relations are resolved when all nodes are known."""

    def __init__(self, source: str, quotes: Mapping[str, str]) -> None:
        self.source = source
        self._quotes = quotes
        self._nodes: dict[str, SpecNode] = {}
        self._references: list[tuple[str, str, Relation, str]] = []

    def read(self, value: object) -> None:
        """Read the whole document."""
        document = self._mapping(value, "", ("identity", *SECTIONS, *self._keys_of(ROOT)))
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
            for name, kind in _in_order(parent)
            for place, one in self._list(content.get(kind.key), f"{prefix}{kind.key}")
        ]

    def _entry(self, name: str, kind: NodeKind, value: object, place: str, owner: str = "") -> str:
        inner = kinds_in(name)
        relations = {**kind.relations, **_RELATIONS_OF_ALL}
        keys = (kind.label, *kind.fields, *kind.lists, *relations, *(k.key for k in inner.values()))
        entry = {kind.label: value} if isinstance(value, str) else self._mapping(value, place, keys)
        if not entry.get(kind.label):
            raise self._fault(place, f"missing {kind.label}", "every entry has words")
        words = self._text(entry[kind.label], f"{place}.{kind.label}")
        for fault in faults_of_name(words) if name in _NAMED else ():
            raise self._fault(place, fault, "choose a short name in one script")
        id_ = self._free_id(words, name, owner)
        fields: dict[str, Json] = {"name": words}
        for key, allowed in kind.fields.items():
            if key in entry:
                fields[key] = self._choice(entry[key], allowed, f"{place}.{key}")
        for key in sorted(kind.lists & entry.keys()):
            lines = self._list(entry[key], f"{place}.{key}")
            fields[key] = [self._text(one, at) for at, one in lines]
        self._nodes[id_] = SpecNode(id_, name, fields, (), self._origin(place))
        for key, relation in relations.items():
            for at, one in self._list(entry.get(key), f"{place}.{key}"):
                self._references.append((id_, at, relation, self._text(one, at)))
        self._contain(id_, inner, entry, place)
        return id_

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

    def _free_id(self, words: str, kind: str, owner: str) -> str:
        if kind == "field":
            # Many entities have a field `date`.
            id_ = f"{owner}.{slug(words) or kind}"
            taken, number = id_, 1
            while taken in self._nodes:
                if slug(words) or self._nodes[taken].name == words:
                    raise InvalidSpec(f"{self.source}: {owner} has two fields {words!r}")
                # Words without Latin letters and digits have no slug.
                number += 1
                taken = f"{id_}_{number}"
            return taken
        return free_id(words, kind, lambda one: one in self._nodes or one in SECTIONS)

    def linked(self) -> Iterable[SpecNode]:
        """Return the nodes with their relations."""
        graph = SpecGraph(self._nodes.values())
        edges: dict[str, list[SpecEdge]] = {}
        for id_, place, relation, words in self._references:
            try:
                edges.setdefault(id_, []).append(SpecEdge(relation, graph.find(words).id))
            except UnknownSpecNode as cause:
                fault = f"{self.source}: {place}: {cause.message}"
                raise InvalidSpec(fault, hint=cause.hint) from cause
        for id_, node in self._nodes.items():
            for relation in {one.relation for one in edges.get(id_, ())}:
                targets = [edge.to for edge in edges[id_] if edge.relation is relation]
                node = node.with_targets(relation, targets)
            yield node

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


def _in_order(parent: str) -> list[tuple[str, NodeKind]]:
    """Return the kinds of a section in the order of its keys."""
    keys = SECTIONS.get(parent, ())
    kinds = kinds_in(parent)
    return sorted(
        kinds.items(),
        key=lambda one: (keys.index(one[1].key) if one[1].key in keys else len(keys), one[0]),
    )


def document_of(graph: SpecGraph) -> dict[str, Any]:
    """Return the document of a graph; empty sections and keys are left out."""
    identity = {key: graph.root.fields[key] for key in IDENTITY if graph.root.fields.get(key)}
    document: dict[str, Any] = {"identity": identity}
    for name, keys in SECTIONS.items():
        node = graph[name]
        lists = _lists(graph, name)
        content = {**{key: node.fields[key] for key in keys if key in node.fields}, **lists}
        extra = [key for key in lists if key not in keys]
        if content:
            document[name] = {key: content[key] for key in (*keys, *extra) if key in content}
    return {**document, **_lists(graph, ROOT)}


def _lists(graph: SpecGraph, parent: str) -> dict[str, list[Any]]:
    """Return the entries right inside a node, by the key of their list."""
    node = graph[parent]
    kinds = _in_order(parent if node.kind in (SECTION, ROOT) else node.kind)
    lists = {
        kind.key: [_entry_of(graph, child) for child in graph.children(parent, name)]
        for name, kind in kinds
    }
    return {key: entries for key, entries in lists.items() if entries}


def _entry_of(graph: SpecGraph, node: SpecNode) -> Any:
    """Return a node as written: its words, or a mapping if there is more to say."""
    kind = node_kinds()[node.kind]
    entry: dict[str, Any] = {kind.label: node.name}
    entry |= {key: one for key, one in node.fields.items() if key != "name"}
    for key, relation in {**kind.relations, **_RELATIONS_OF_ALL}.items():
        targets = node.targets(relation)
        if targets:
            entry[key] = list(targets)
    entry |= _lists(graph, node.id)
    # An entity or a pipeline is always a mapping; other words stand alone if there is no more.
    return node.name if len(entry) == 1 and not kinds_in(node.kind) else entry


def identity_of(graph: SpecGraph) -> JsonObject:
    """Return the four fields that never change in a lineage."""
    return {key: graph.root.fields[key] for key in IDENTITY}


def by_rule(desire: str, words: str) -> Provenance:
    """Return the provenance of a node that a rule made from words of a desire."""
    return Provenance(desire=desire, words=words)
