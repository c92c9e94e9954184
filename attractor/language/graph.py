"""The graph of a pipeline: what is left when text, defaults and subgraphs are resolved.

Equality leaves places out: two graphs are equal when they mean the same.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from attractor.language.condition_parser import read_condition
from attractor.language.conditions import ALWAYS, Condition
from attractor.language.shapes import DEFAULT_SHAPE, DEFAULT_TYPE, TYPE_OF_SHAPE
from attractor.language.spans import NOWHERE, Span
from attractor.language.values import NO_ATTRIBUTES, Attribute, Attributes

T = TypeVar("T")


@dataclass(frozen=True)
class Node:
    """One node: a stage when it is executed."""

    id: str
    attributes: Attributes = NO_ATTRIBUTES
    classes: tuple[str, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    is_declared: bool = field(default=True, compare=False)

    @property
    def label(self) -> str:
        """What people read; the id when nothing is set."""
        return self.attributes.text("label") or self.id

    @property
    def shape(self) -> str:
        """The drawn shape."""
        return self.attributes.text("shape") or DEFAULT_SHAPE

    @property
    def type(self) -> str:
        """The type of its handler: as set, else by its shape."""
        return self.attributes.text("type") or TYPE_OF_SHAPE.get(self.shape, DEFAULT_TYPE)

    @property
    def prompt(self) -> str:
        """The instruction for its stage."""
        return self.attributes.text("prompt")

    @property
    def is_goal_gate(self) -> bool:
        """Whether the pipeline may exit only when this stage succeeded."""
        return self.attributes.flag("goal_gate")


@dataclass(frozen=True)
class Edge:
    """A way from one node to another."""

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
        """The caption, by which an outcome can prefer this way."""
        return self.attributes.text("label")

    @property
    def weight(self) -> int:
        """How strongly this way is wanted among equals."""
        return self.attributes.number("weight") or 0

    @property
    def is_conditional(self) -> bool:
        """Whether a condition guards this way."""
        return bool(self.attributes.text("condition").strip())


@dataclass(frozen=True)
class Subgraph:
    """Nodes that stand together, drawn in a box when the id begins with `cluster`.

    `parent` is the place of the subgraph around it among the graph's, -1 when there is none.
    """

    id: str
    attributes: Attributes = NO_ATTRIBUTES
    nodes: tuple[str, ...] = ()
    parent: int = -1
    span: Span = field(default=NOWHERE, compare=False)

    @property
    def label(self) -> str:
        """What people read, which also gives its nodes a class."""
        return self.attributes.text("label")


@dataclass(frozen=True)
class Repeat:
    """An attribute that was said twice of the same thing, so that what was said first is lost.

    `node` is empty where it stands in a list of something else.
    """

    lost: Attribute
    kept: Attribute
    node: str = ""


@dataclass(frozen=True)
class Graph:
    """A whole pipeline; subgraphs stand in the order in which they begin.

    `repeats` is no part of what it means: it is what its text said in vain.
    """

    name: str
    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...] = ()
    attributes: Attributes = NO_ATTRIBUTES
    subgraphs: tuple[Subgraph, ...] = ()
    span: Span = field(default=NOWHERE, compare=False)
    repeats: tuple[Repeat, ...] = field(default=(), compare=False)

    @property
    def goal(self) -> str:
        """What the pipeline is for."""
        return self.attributes.text("goal")

    def outgoing(self, node: str) -> tuple[Edge, ...]:
        """Return the ways out of a node, in the order they were written."""
        return self._outgoing.get(node, ())

    def incoming(self, node: str) -> tuple[Edge, ...]:
        """Return the ways into a node, in the order they were written."""
        return self._incoming.get(node, ())

    def of_type(self, type_: str) -> tuple[Node, ...]:
        """Return the nodes of a type, in the order they were written."""
        return self._by_type.get(type_, ())

    @property
    def types(self) -> Set[str]:
        """Every type that a node has."""
        return self._by_type.keys()

    @cached_property
    def starts(self) -> tuple[Node, ...]:
        """Every node that could be the start: by shape, and by id when none has the shape."""
        return self._ends_of("start", ("start", "Start"))

    @cached_property
    def exits(self) -> tuple[Node, ...]:
        """Every node that could be the exit: by shape, and by id when none has the shape."""
        return self._ends_of("exit", ("exit", "Exit", "end", "End"))

    def _ends_of(self, type_: str, ids: tuple[str, ...]) -> tuple[Node, ...]:
        return self.of_type(type_) or tuple(self.nodes[one] for one in ids if one in self.nodes)

    @cached_property
    def _by_type(self) -> Mapping[str, tuple[Node, ...]]:
        return _grouped((node.type, node) for node in self.nodes.values())

    @cached_property
    def _outgoing(self) -> Mapping[str, tuple[Edge, ...]]:
        return _grouped((edge.source, edge) for edge in self.edges)

    @cached_property
    def _incoming(self) -> Mapping[str, tuple[Edge, ...]]:
        return _grouped((edge.target, edge) for edge in self.edges)


def _grouped(pairs: Iterable[tuple[str, T]]) -> Mapping[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = {}
    for name, one in pairs:
        groups.setdefault(name, []).append(one)
    return {name: tuple(several) for name, several in groups.items()}
