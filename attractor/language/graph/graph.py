"""The graph of a pipeline: nodes, edges, attributes, fidelities, and the JSON of a graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field, replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from itertools import chain
from typing import NamedTuple, Self, TypeVar, cast
from urllib.parse import quote_from_bytes

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.language.conditions.condition import ALWAYS, Condition
from attractor.language.conditions.parse import read_condition
from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.source.syntax_tree import (
    NO_ATTRIBUTES,
    NOWHERE,
    Attribute,
    Attributes,
    Plain,
    Span,
    Value,
    ValueKind,
    quoted,
)
from attractor.language.source.text import IDENTIFIER

DEFAULT_SHAPE = "box"
DEFAULT_TYPE = "codergen"
TYPE_OF_SHAPE: Mapping[str, str] = {
    "Mdiamond": "start",
    "Msquare": "exit",
    "box": "codergen",
    "hexagon": "wait.human",
    "diamond": "conditional",
    "component": "parallel",
    "tripleoctagon": "parallel.fan_in",
    "parallelogram": "tool",
    "house": "stack.manager_loop",
}
T = TypeVar("T")
NodeOrEdge = TypeVar("NodeOrEdge", "Node", "Edge")
_START, _EXIT = "start", "exit"

IDS_OF_ENDS = {_START: ("start", "Start"), _EXIT: ("exit", "Exit", "end", "End")}
"""Ids of the start and exit nodes if no node has the shape of a start or exit (ruling L4)."""

SHAPES_OF_ENDS = {type_: shape for shape, type_ in TYPE_OF_SHAPE.items() if type_ in IDS_OF_ENDS}
"""The shape of start and exit."""


@dataclass(frozen=True)
class Node:
    """A node of the graph; an executed node is a stage.

    `role` is `start` or `exit` if the graph recognizes the node by its id. The graph sets the role,
    so a copy of a node has no role.
    """

    id: str
    attributes: Attributes = NO_ATTRIBUTES
    classes: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    is_declared: bool = field(default=True, compare=False)
    role: str = field(default="", init=False, compare=False, repr=False)

    @property
    def label(self) -> str:
        """The caption; the id by default."""
        return self.attributes.text("label") or self.id

    @property
    def shape(self) -> str:
        """The shape."""
        return self.attributes.text("shape") or SHAPES_OF_ENDS.get(self.role, DEFAULT_SHAPE)

    @property
    def type(self) -> str:
        """The handler type: the attribute `type`, otherwise the role, otherwise the type of the
        shape.
        """
        return self.attributes.text("type") or self.role or _type_of_shape(self)

    @property
    def prompt(self) -> str:
        """The prompt of the stage, or an empty text."""
        return self.attributes.text("prompt")

    @property
    def is_goal_gate(self) -> bool:
        """Whether the exit stays closed until this stage succeeds."""
        return self.attributes.flag("goal_gate")


@dataclass(frozen=True)
class Edge:
    """An edge from one node to another."""

    source: str
    target: str
    attributes: Attributes = NO_ATTRIBUTES
    span: Span = field(default=NOWHERE, compare=False)
    condition: Condition = field(default=ALWAYS, compare=False)

    def __post_init__(self) -> None:
        if self.condition is ALWAYS and "condition" in self.attributes.by_key:
            condition = read_condition(self.attributes.text("condition"))
            object.__setattr__(self, "condition", condition)

    @property
    def label(self) -> str:
        """The caption, by which an outcome can prefer the edge."""
        return self.attributes.text("label")

    @property
    def weight(self) -> int:
        """The priority among edges that can be taken."""
        return self.attributes.number("weight") or 0

    @property
    def is_conditional(self) -> bool:
        """Whether the edge has a condition."""
        return bool(self.attributes.text("condition").strip())


@dataclass(frozen=True)
class Subgraph:
    """A group of nodes, drawn as a box if the id begins with `cluster`.

    `parent` is the index of the surrounding subgraph, or -1.
    """

    id: str
    attributes: Attributes = NO_ATTRIBUTES
    nodes: tuple[str, ...] = ()
    parent: int = -1
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def label(self) -> str:
        """The caption, which also gives the nodes a class."""
        return self.attributes.text("label")


@dataclass(frozen=True)
class DuplicateAttribute:
    """A duplicate attribute: the lost value, and the later value that is used instead.

    `node` is empty unless a node has the attribute.
    """

    lost: Attribute
    kept: Attribute
    node: str = ""


@dataclass(frozen=True)
class Graph:
    """A pipeline; subgraphs are in the order of their beginnings.

    `repeats` are the duplicate attributes in the text of the pipeline.
    """

    name: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...] = ()
    attributes: Attributes = NO_ATTRIBUTES
    subgraphs: tuple[Subgraph, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    repeats: tuple[DuplicateAttribute, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        found = {
            node.id: node for type_ in IDS_OF_ENDS for node in _changed_roles(self.nodes, type_)
        }
        if found:
            object.__setattr__(self, "nodes", {**self.nodes, **found})

    def to_dict(self) -> dict[str, Json]:
        """Return the graph as JSON, without places in the text."""
        return {
            "name": self.name,
            "attributes": attributes_record(self.attributes),
            "nodes": [
                {
                    "id": node.id,
                    "label": node.label,
                    "shape": node.shape,
                    "type": node.type,
                    "classes": list(node.classes),
                    "attributes": attributes_record(node.attributes),
                    **({} if node.is_declared else {"declared": False}),
                }
                for node in self.nodes.values()
            ],
            "edges": [
                {
                    "from": edge.source,
                    "to": edge.target,
                    "label": edge.label,
                    "condition": edge.attributes.text("condition"),
                    "weight": edge.weight,
                    "attributes": attributes_record(edge.attributes),
                }
                for edge in self.edges
            ],
            "subgraphs": [
                {
                    "id": subgraph.id,
                    "nodes": list(subgraph.nodes),
                    "within": subgraph.parent if subgraph.parent >= 0 else None,
                    "attributes": attributes_record(subgraph.attributes),
                }
                for subgraph in self.subgraphs
            ],
        }

    @classmethod
    def from_dict(cls, record: JsonObject) -> Self:
        """Return the graph of `to_dict`, or raise a UsageError."""
        try:
            nodes = [_read_node(part) for part in _objects(record, "nodes")]
            edges = tuple(
                Edge(str(edge["from"]), str(edge["to"]), _read_attributes(edge))
                for edge in _objects(record, "edges")
            )
            subgraphs = tuple(_read_subgraph(part) for part in _objects(record, "subgraphs"))
            by_id = {node.id: node for node in nodes}
            return cls(str(record["name"]), by_id, edges, _read_attributes(record), subgraphs)
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            fault = f"invalid record of a graph: {type(cause).__name__}: {cause}"
            raise UsageError(fault, hint="pass the result of Graph.to_dict()") from cause

    @property
    def goal(self) -> str:
        """The goal of the pipeline."""
        return self.attributes.text("goal")

    def outgoing(self, node: str) -> tuple[Edge, ...]:
        """Return the outgoing edges of a node, in the order of the text."""
        return self._outgoing.get(node, ())

    def incoming(self, node: str) -> tuple[Edge, ...]:
        """Return the incoming edges of a node, in the order of the text."""
        return self._incoming.get(node, ())

    def of_type(self, type_: str) -> tuple[Node, ...]:
        """Return the nodes of a type, in the order of the text."""
        return self._by_type.get(type_, ())

    @property
    def types(self) -> Set[str]:
        """The types of all nodes."""
        return self._by_type.keys()

    def nodes_with(self, key: str) -> Sequence[Node]:
        """Return the nodes with an attribute, in the order of the text."""
        return self._nodes_by_key.get(key, ())

    def edges_with(self, key: str) -> Sequence[Edge]:
        """Return the edges with an attribute, in the order of the text."""
        return self._edges_by_key.get(key, ())

    @property
    def node_keys(self) -> Set[str]:
        """The attributes of all nodes."""
        return self._nodes_by_key.keys()

    @property
    def edge_keys(self) -> Set[str]:
        """The attributes of all edges."""
        return self._edges_by_key.keys()

    @property
    def starts(self) -> tuple[Node, ...]:
        """The start nodes: by shape, or by id if no node has the shape."""
        return self.of_type(_START)

    @property
    def exits(self) -> tuple[Node, ...]:
        """The exit nodes: by shape, or by id if no node has the shape."""
        return self.of_type(_EXIT)

    # Indexed once for all rules that look for an attribute.
    @cached_property
    def _nodes_by_key(self) -> Mapping[str, Sequence[Node]]:
        return _by_key(self.nodes.values())

    @cached_property
    def _edges_by_key(self) -> Mapping[str, Sequence[Edge]]:
        return _by_key(self.edges)

    @cached_property
    def _by_type(self) -> Mapping[str, tuple[Node, ...]]:
        return _grouped((node.type, node) for node in self.nodes.values())

    @cached_property
    def _outgoing(self) -> Mapping[str, tuple[Edge, ...]]:
        return _grouped((edge.source, edge) for edge in self.edges)

    @cached_property
    def _incoming(self) -> Mapping[str, tuple[Edge, ...]]:
        return _grouped((edge.target, edge) for edge in self.edges)


def _changed_roles(nodes: Mapping[str, Node], type_: str) -> Iterator[Node]:
    """Yield each node whose role changes."""
    named = [nodes[id_] for id_ in IDS_OF_ENDS[type_] if id_ in nodes]
    if not named:
        return
    # Nodes with such an id come first: mostly one of them has the shape.
    is_shaped = any(
        (node.attributes.text("type") or _type_of_shape(node)) == type_
        for node in chain(named, nodes.values())
    )
    for node in named:
        has_type = node.attributes.text("type") or _type_of_shape(node) != DEFAULT_TYPE
        role = "" if is_shaped or has_type else type_
        if node.role != role:
            changed = replace(node)
            object.__setattr__(changed, "role", role)
            yield changed


def _type_of_shape(node: Node) -> str:
    return TYPE_OF_SHAPE.get(node.attributes.text("shape") or DEFAULT_SHAPE, DEFAULT_TYPE)


def _by_key(owners: Iterable[NodeOrEdge]) -> Mapping[str, Sequence[NodeOrEdge]]:
    groups: dict[str, list[NodeOrEdge]] = {}
    for owner in owners:
        for key in owner.attributes.by_key:
            if key in groups:
                groups[key].append(owner)
            else:
                groups[key] = [owner]
    return groups


def _grouped(pairs: Iterable[tuple[str, T]]) -> Mapping[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = {}
    for name, element in pairs:
        groups.setdefault(name, []).append(element)
    return {name: tuple(several) for name, several in groups.items()}


_LONGEST = 100
_HASH = 16


def folder_name(node_id: str) -> str:
    """Return the folder name of a node: the id, made safe for every file system (ruling L6b)."""
    name = node_id
    if IDENTIFIER.fullmatch(node_id) is None:
        encoded = quote_from_bytes(_bytes(node_id), safe="")
        name = encoded.replace("~", "%7E").replace(".", "%2E") or "%"
    if len(name) <= _LONGEST:
        return name
    # No other name contains "~", so a truncated name is unique.
    digest = sha256(_bytes(node_id)).hexdigest()[:_HASH]
    return f"{name[: _LONGEST - _HASH - 1]}~{digest}"


def _bytes(node_id: str) -> bytes:
    return node_id.encode("utf-8", "surrogatepass")


class Fidelity(StrEnum):
    """The amount of context from earlier stages that a stage receives (attractor-spec 5.4)."""

    FULL = "full"
    TRUNCATE = "truncate"
    COMPACT = "compact"
    SUMMARY_LOW = "summary:low"
    SUMMARY_MEDIUM = "summary:medium"
    SUMMARY_HIGH = "summary:high"


FIDELITIES = tuple(Fidelity)
"""All fidelities."""

DEFAULT_FIDELITY = Fidelity.COMPACT
"""The fidelity of a stage if no fidelity is set."""


def resolve_fidelity(graph: Graph, node: Node | None, of_edge: str = "") -> Fidelity:
    """Return the fidelity of a stage: from the edge, the node or the graph (attractor-spec 5.4).

    An unknown fidelity becomes the default; the rule `fidelity_valid` reports an unknown fidelity.
    """
    of_node = node.attributes.text("fidelity") if node else ""
    word = of_edge or of_node or graph.attributes.text("default_fidelity")
    return Fidelity(word) if word in FIDELITIES else DEFAULT_FIDELITY


# The key of the text of a template, which is rendered at each visit.
_TEMPLATE = "template"


def attributes_record(attributes: Attributes) -> dict[str, Json]:
    """Return attributes as JSON values by their keys; a template becomes an object."""
    record: dict[str, Json] = {}
    for key, attribute in attributes.by_key.items():
        plain = plain_value(attribute.value)
        is_template = attribute.value.kind is ValueKind.TEMPLATE
        record[key] = {_TEMPLATE: plain} if is_template else plain
    return record


def _objects(record: JsonObject, key: str) -> Sequence[dict[str, Json]]:
    return cast("Sequence[dict[str, Json]]", record.get(key) or ())


def _read_node(record: JsonObject) -> Node:
    classes = tuple(cast("Sequence[str]", record.get("classes") or ()))
    is_declared = record.get("declared", True) is True
    id_ = str(record["id"])
    return Node(id_, _read_attributes(record), classes, is_declared=is_declared)


def _read_subgraph(record: JsonObject) -> Subgraph:
    nodes = tuple(cast("Sequence[str]", record.get("nodes") or ()))
    parent = record.get("within")
    parent = parent if isinstance(parent, int) else -1
    return Subgraph(str(record["id"]), _read_attributes(record), nodes, parent)


def _read_attributes(record: JsonObject) -> Attributes:
    members = cast("Mapping[str, Json]", record.get("attributes") or {})
    attributes: dict[str, Attribute] = {}
    for key, member in members.items():
        if isinstance(member, dict):
            text = str(member[_TEMPLATE])
            value = Value(ValueKind.TEMPLATE, text, quoted(text))
        else:
            value = Value.of(cast("Plain", member))
        attributes[key] = Attribute(key, value)
    return Attributes(attributes)


def plain_value(value: Value) -> str | int | float | bool:
    """Return a value as a JSON value; a duration becomes a text."""
    return str(value) if isinstance(value.plain, timedelta) else value.plain


class Holder(NamedTuple):
    """The owner of an attribute, and all attributes of that owner."""

    place: AttributeOwner
    attributes: Attributes
    node: str = ""
    edge: tuple[str, str] | None = None


def each_attribute(graph: Graph, keys: Set[str]) -> Iterator[tuple[Holder, Attribute]]:
    """Yield the attributes with the given keys; an attribute of a default block is yielded once."""
    on_graph = keys & graph.attributes.by_key.keys()
    return _each(graph, on_graph, keys & graph.node_keys, keys & graph.edge_keys)


def each_unknown_attribute(
    graph: Graph, known: Mapping[AttributeOwner, Set[str]]
) -> Iterator[tuple[Holder, Attribute]]:
    """Yield the attributes that are unknown for their owner.

    An attribute of a default block is yielded once.
    """
    on_graph = graph.attributes.by_key.keys() - known[AttributeOwner.GRAPH]
    on_nodes, on_edges = (
        graph.node_keys - known[AttributeOwner.NODE],
        graph.edge_keys - known[AttributeOwner.EDGE],
    )
    return _each(graph, on_graph, on_nodes, on_edges)


CHILD_FILE = "stack.child_dotfile"


def supervised_file(graph: Graph, manager: Node) -> Value | None:
    """Return the pipeline file that a manager loop supervises: its own, otherwise the graph's."""
    return manager.attributes.value(CHILD_FILE) or graph.attributes.value(CHILD_FILE)


def required_verdict(graph: Graph, node: Node) -> bool | None:
    """Return the `require_verdict` of a node, otherwise of the graph; None without both."""
    for attributes in (node.attributes, graph.attributes):
        if attributes.value("require_verdict") is not None:
            return attributes.flag("require_verdict")
    return None


def goal_gates(graph: Graph) -> Sequence[Node]:
    """Return the goal gates."""
    return [node for node in graph.nodes_with("goal_gate") if node.is_goal_gate]


def _each(
    graph: Graph, on_graph: Set[str], on_nodes: Set[str], on_edges: Set[str]
) -> Iterator[tuple[Holder, Attribute]]:
    seen: set[int] = set()
    for key in sorted(on_graph):
        attribute = graph.attributes.by_key[key]
        seen.add(id(attribute))
        yield Holder(AttributeOwner.GRAPH, graph.attributes), attribute
    for key in sorted(on_nodes):
        for node in graph.nodes_with(key):
            attribute = node.attributes.by_key[key]
            if id(attribute) not in seen:
                seen.add(id(attribute))
                yield Holder(AttributeOwner.NODE, node.attributes, node.id), attribute
    for key in sorted(on_edges):
        for edge in graph.edges_with(key):
            attribute = edge.attributes.by_key[key]
            if id(attribute) not in seen:
                seen.add(id(attribute))
                ends = (edge.source, edge.target)
                yield Holder(AttributeOwner.EDGE, edge.attributes, edge=ends), attribute
