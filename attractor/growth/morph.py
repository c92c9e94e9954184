"""A morph: one allowed change of a specification, with its level, risk and migration (ruling G8).

Each type is one file in `morphs/`. `apply` is a pure function of the graph; the nodes that a morph
reads and writes are known before it is applied, so that collisions are found (ruling G9).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.growth.errors import InvalidMorph, UnknownSpecNode
from attractor.growth.migration import Migration
from attractor.growth.specification.graph import (
    Author,
    Provenance,
    Relation,
    SpecGraph,
    SpecNode,
    slug,
)
from attractor.growth.specification.graph_check import check_graph
from attractor.growth.specification.node_kind import relations_of

BY_MORPH = Provenance(Author.MORPH)


class Level(StrEnum):
    """The level of abstraction that a morph changes."""

    GOAL = "goal"
    POLICY = "policy"
    MECHANISM = "mechanism"


class Risk(StrEnum):
    """How much harm a morph may do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True)
class Touched:
    """The nodes and slots that a morph reads and writes.

    A slot is a place that holds one thing: a field of a node (`name of triage`), or the step that
    follows another step (`after forecast`). Readers of a node depend on its id and its data, not on
    its name and description.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()

    def __or__(self, other: "Touched") -> "Touched":
        return Touched(self.reads | other.reads, self.writes | other.writes)

    @property
    def nodes(self) -> frozenset[str]:
        """The ids of all nodes that are read or written, also of those with a slot."""
        return frozenset(read.rpartition(" ")[2] for read in self.reads | self.writes)

    def collides(self, other: "Touched") -> frozenset[str]:
        """Return the nodes and slots that one writes and the other reads or writes."""
        return (self.writes & (other.reads | other.writes)) | (other.writes & self.reads)


class Morph(BaseModel):
    """The base of all morphs: the fields are the parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: ClassVar[Level] = Level.MECHANISM
    risk: ClassVar[Risk] = Risk.LOW
    organ: ClassVar[str]
    """The kind of organ that the morph changes."""
    sentence: ClassVar[str] = ""
    """The change in words for people, with `{parameter}` (default: the docstring)."""

    def in_words(self) -> str:
        """Return the change in words that a person without technical knowledge understands."""
        if not self.sentence:
            return str(type(self).__doc__).partition("\n")[0]
        return self.sentence.format_map({key: _quoted(one) for key, one in self})

    def touched(self, graph: SpecGraph) -> Touched:
        """Return the nodes and slots that the morph reads and writes in a graph."""
        raise NotImplementedError

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph, or raise InvalidMorph."""
        raise NotImplementedError

    def migration(self, graph: SpecGraph) -> Migration | None:
        """Return the change of recorded state (default: none)."""
        return None


def _quoted(value: object) -> str:
    """Return the words of a parameter in quotation marks; of a list, each entry."""
    if isinstance(value, tuple):
        quoted = [_quoted(one) for one in cast("tuple[object, ...]", value)]
        return " and ".join([one for one in (", ".join(quoted[:-1]), *quoted[-1:]) if one])
    return f"“{getattr(value, 'name', value)}”"


@cache
def morph_registry() -> Registry[type[Morph]]:
    """Return all types of morphs by name."""
    return Registry("attractor.growth.morphs", type[Morph], noun="morph")  # pyright: ignore


def type_of(morph: Morph) -> str:
    """Return the name of the type of a morph."""
    return slug(type(morph).__name__)


@dataclass(frozen=True)
class MorphParameter:
    """A parameter of a type of morph."""

    name: str
    values: str
    is_required: bool

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.values}" if self.is_required else f"[{self.name}: {self.values}]"
        )


def parameters_of(name: str) -> Sequence[MorphParameter]:
    """Return the parameters of a type of morph."""
    schema = morph_registry()[name].model_json_schema()
    required: Collection[str] = schema.get("required", ())
    return [
        MorphParameter(key, _values(one, schema.get("$defs", {})), key in required)
        for key, one in schema.get("properties", {}).items()
    ]


def _values(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Return the values that a JSON schema allows, in words; null is the same as no value."""
    match schema:
        case {"$ref": reference}:
            return _values(definitions[str(reference).rpartition("/")[2]], definitions)
        case {"enum": words}:
            return " or ".join(words)
        case {"anyOf": kinds}:
            given = [one for one in kinds if one.get("type") != "null"]
            return " or ".join(_values(one, definitions) for one in given)
        case {"type": "array", "items": item}:
            return f"list of {_values(item, definitions)}"
        case {"type": "object", "properties": properties}:
            return f"{{{', '.join(properties)}}}"
        case _:
            return {"string": "text", "boolean": "true or false"}.get(
                schema.get("type", ""), "value"
            )


def read_morph(record: Mapping[str, Any], *, place: str = "morph") -> Morph:
    """Read a morph as the planner writes it: `{"type": ..., parameters}`."""
    name = str(record.get("type", ""))
    registry = morph_registry()
    if name not in registry:
        known = ", ".join(registry)
        raise InvalidMorph(f"{place}: unknown type {name!r}", hint=f"types: {known}")
    parameters = {key: value for key, value in record.items() if key != "type"}
    try:
        return registry[name].model_validate(parameters)
    except ValidationError as cause:
        # Of a text or an object, the fault of the object says more.
        error = max(cause.errors(include_url=False), key=lambda one: len(one["loc"]))
        keys = "".join(f"{one}: " for one in [".".join(map(str, error["loc"]))] if one)
        known = ", ".join(registry[name].model_fields)
        fault = f"{place} ({name}): {keys}{error['msg'].lower().removeprefix('value error, ')}"
        raise InvalidMorph(fault, hint=f"parameters: {known}") from cause


def write_morph(morph: Morph) -> dict[str, Any]:
    """Return a morph as the planner writes it."""
    return {"type": type_of(morph), **morph.model_dump(mode="json", exclude_defaults=True)}


def apply_morphs(graph: SpecGraph, morphs: Sequence[Morph]) -> SpecGraph:
    """Return the graph after a sequence of morphs."""
    for morph in morphs:
        graph = morph.apply(graph)
    check_graph(graph)
    return graph


def new_node(graph: SpecGraph, words: str, kind: str, *, id_: str = "", **fields: str) -> SpecNode:
    """Return a new node; refuse words whose id exists."""
    id_ = id_ or slug(words) or kind
    if not words.strip():
        raise InvalidMorph(f"a {kind} needs words")
    if id_ in graph:
        kept = graph[id_]
        raise InvalidMorph(f"{kept.kind} {id_!r} exists", hint="use other words, or rename it")
    given = {key: value for key, value in fields.items() if value}
    return SpecNode(id_, kind, {"name": words, **given}, (), BY_MORPH)


def add_child(graph: SpecGraph, parent: str, node: SpecNode) -> SpecGraph:
    """Return the graph with a node at the end of another one.

    Nodes that morphs added stand in the order of their ids, so that two morphs that do not know
    each other give the same graph in either order.
    """
    children = list(graph.children_ids(parent))
    place = len(children)
    while place and _follows(graph[children[place - 1]], node):
        place -= 1
    children.insert(place, node.id)
    changed = graph[parent].with_targets(Relation.CONTAINS, children)
    return graph.replace(node, changed)


def _follows(other: SpecNode, node: SpecNode) -> bool:
    """Return whether another node stands behind a new one; limits follow the fields."""
    if (other.kind == "limit") != (node.kind == "limit"):
        return other.kind == "limit"
    return other.provenance.by is Author.MORPH and other.id >= node.id


def field_of(graph: SpecGraph, entity: str, words: str) -> str:
    """Return the id of a field of an entity."""
    return graph.find(f"{graph.find(entity, 'entity').id}.{slug(words)}", "field").id


def keys_of(graph: SpecGraph, entity: str) -> tuple[str, ...]:
    """Return the key fields of an entity, which are the ids of its records."""
    fields = graph.children(entity, "field")
    return tuple(one.id.partition(".")[2] for one in fields if one.fields.get("key") == "true")


def ids_of(graph: SpecGraph, words: Iterable[str], *kinds: str) -> list[str]:
    """Return the ids of nodes named by words."""
    return [graph.find(word, *kinds).id for word in words]


def targets_of(graph: SpecGraph, words: Iterable[str], kind: str, key: str) -> list[str]:
    """Return the ids of nodes to which a relation of a kind of node may lead."""
    return ids_of(graph, words, *relations_of(kind)[key].kinds)


def started(graph: SpecGraph, words: str) -> str:
    """Return the pipeline that a trigger or a schedule runs, or else the step."""
    try:
        return graph.find(words, "pipeline").id
    except UnknownSpecNode:
        return graph.find(words, "step").id


def insert_step(graph: SpecGraph, node: SpecNode, after: str) -> SpecGraph:
    """Return the graph with a step right after another one, or first in a pipeline."""
    pipeline = after if graph[after].kind == "pipeline" else graph.parents[after]
    order = list(graph.children_ids(pipeline))
    order.insert(order.index(after) + 1 if after in order else 0, node.id)
    graph = graph.replace(node, graph[pipeline].with_targets(Relation.CONTAINS, order))
    return _in_order(graph, order)


def remove_step(graph: SpecGraph, id_: str) -> SpecGraph:
    """Return the graph without a step; its neighbours follow each other."""
    pipeline = graph.parents[id_]
    require_unused(graph, [id_], {Relation.CONTAINS, Relation.PRECEDES})
    order = [one for one in graph.children_ids(pipeline) if one != id_]
    if not order:
        raise InvalidMorph(f"{id_!r} is the only step", hint="remove the pipeline instead")
    return _in_order(graph.replace(removed=[id_]), order)


def _in_order(graph: SpecGraph, order: Sequence[str]) -> SpecGraph:
    """Return the graph with `precedes` between the steps of a pipeline, in order."""
    followers = dict(zip(order, [[one] for one in order[1:]] + [[]], strict=True))
    steps = [graph[one].with_targets(Relation.PRECEDES, followers[one]) for one in order]
    return graph.replace(*[step for step in steps if step != graph[step.id]])


def field_slot(field: str, id_: str) -> str:
    """Return the slot of a field of a node."""
    return f"{field} of {id_}"


def after_slot(step: str) -> str:
    """Return the slot of the step that follows a step."""
    return f"after {step}"


def slots_around(graph: SpecGraph, step: str) -> frozenset[str]:
    """Return a step and the slots before and after it."""
    order = graph.children_ids(graph.parents[step])
    place = order.index(step)
    before = order[place - 1] if place else graph.parents[step]
    return frozenset({step, after_slot(step), after_slot(before)})


def require_unused(graph: SpecGraph, ids: Collection[str], allowed: Collection[Relation]) -> None:
    """Refuse to remove nodes that others read, write, guard, show or test.

    A gate does not keep the steps that it guards.
    """
    for id_ in ids:
        for relation in set(Relation) - set(allowed):
            users = [node for node in graph.sources(id_, relation) if node.id not in ids]
            if relation is Relation.GUARDS and graph[id_].kind == "step":
                users = [one for one in users if one.kind != "step"]
            if users:
                other = "drop" if users[0].kind == "limit" else "change"
                fault = f"{graph[id_].kind} {id_!r} is in use: {users[0].id} {relation} it"
                raise InvalidMorph(fault, hint=f"{other} {users[0].id} first")
