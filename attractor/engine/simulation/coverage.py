"""Finds the nodes and edges that no run can come to, by trying what stages may come to.

A stage may end well, in part or badly, prefer any label on its ways out, suggest any node, and
write anything into the context; so after a stage nothing is remembered but where the walk is. Only
a conditional hands on what the stage before it said (ruling R1): there the outcome, the label and
the values that conditions have asked for since are part of the place. Goal gates and limits only
cut walks short. Whatever is too much to try is taken to be possible: what is reported as out of
reach is so in every run.

What a stage may come to, and which values a condition can tell apart.

Both are as wide as can be: what none of them leads to cannot be reached in any run.

Tries every way out of a place in a graph, by the run's own routing.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field, fields, is_dataclass
from enum import IntEnum
from functools import cached_property
from itertools import product
from math import prod
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.routing.branch_bounds import BranchBounds
from attractor.engine.routing.edge_selection import (
    Route,
    RouteReason,
    find_jump,
    make_lookup,
    route_failure,
    select_edge,
)
from attractor.engine.routing.next_move import redirect
from attractor.engine.state.progress import Progress, begin
from attractor.language.conditions.condition import ALWAYS, Comparison, Condition, Unreadable
from attractor.language.graph.branches import FORKS, Fork, Forks, is_restart
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.graph.outcomes import is_conditional
from attractor.language.source.syntax_tree import parse_integer

STATUSES = (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS, StageStatus.FAIL)

SAY_NO_LABEL = frozenset({"start", "exit", "conditional", "tool", "wait.human"})
"""Types whose stages neither prefer a label nor suggest a node of their own accord."""

_ALWAYS_SUCCEED = frozenset({"start", "exit", "conditional"})
_PREFIX = "context."
_OTHER = "something else"


@dataclass(frozen=True)
class ConditionValues:
    """What conditions ask for: the values they tell apart, by key, and whether all were found."""

    values: Mapping[str, Sequence[str]]
    is_whole: bool


def possible_outcomes(graph: Graph, node: Node) -> Sequence[Outcome]:
    """Return what a stage may come to that suggests no next node, but for the choice of a gate."""
    if node.type in _ALWAYS_SUCCEED:
        return (Outcome(StageStatus.SUCCESS),)
    if node.type == "tool":
        return (Outcome(StageStatus.SUCCESS), failure("simulated", FailureClass.VERDICT))
    if node.type == "wait.human":
        return (*_choices(graph, node), failure("nobody answered", FailureClass.TERMINAL))
    words = ("", *labels_asked(graph, node.id))
    return tuple(Outcome(status, word) for status in STATUSES for word in words)


def _choices(graph: Graph, node: Node) -> Iterator[Outcome]:
    """Yield what comes of each choice at a gate; a label that two of them share may be left out."""
    ways = dict.fromkeys(
        (edge.label or edge.target, edge.target) for edge in graph.outgoing(node.id)
    )
    times = Counter(normalize_label(label) for label, _ in ways)
    for label, target in ways:
        yield Outcome(StageStatus.SUCCESS, label, (target,))
        if times[normalize_label(label)] > 1:
            yield Outcome(StageStatus.SUCCESS, "", (target,))


def suggestions(node: Node, targets: Iterable[str]) -> Sequence[Outcome]:
    """Return the outcomes that suggest one of some nodes; not every stage can."""
    if node.type in SAY_NO_LABEL:
        return ()
    return tuple(Outcome(status, "", (target,)) for status in STATUSES for target in targets)


def labels_asked(graph: Graph, node: str) -> Sequence[str]:
    """Return the labels by which an outcome can choose a way out of a node."""
    edges = graph.outgoing(node)
    asked = told_apart(edge.condition for edge in edges).values.get("preferred_label", ())
    labels = (edge.label for edge in edges if not edge.is_conditional)
    return tuple(filter(None, dict.fromkeys([*labels, *asked])))


def told_apart(conditions: Iterable[Condition]) -> ConditionValues:
    """Return the values of each key that some conditions tell apart."""
    values: dict[str, dict[str, None]] = {}
    is_whole = True
    for clause in _clauses(conditions):
        keys, tried = clause.keys(), tuple(_tried(clause))
        for key in keys:
            values.setdefault(bare(key), {}).update(dict.fromkeys(tried))
        # What an earlier stage preferred may be anything.
        is_whole = is_whole and "context.preferred_label" not in keys and _decides(clause, tried)
    return ConditionValues({key: tuple(found) for key, found in values.items()}, is_whole)


def bare(key: str) -> str:
    """Return a key as the context has it; the outcome of the last stage goes by `outcome`."""
    return key.removeprefix(_PREFIX)


def _clauses(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield the conditions that hold no others."""
    waiting = [one for one in conditions if one is not ALWAYS]
    while waiting:
        condition = waiting.pop()
        inner = [one for value in _held(condition) for one in _conditions_in(value)]
        waiting += inner
        if not inner and not isinstance(condition, Unreadable):
            yield condition


def _held(condition: Condition) -> Sequence[object]:
    if not is_dataclass(condition):
        return ()
    return [getattr(condition, field.name) for field in fields(condition)]


def _conditions_in(value: object) -> Sequence[Condition]:
    inner = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    return [cast(Condition, one) for one in inner if hasattr(one, "holds")]


def _tried(clause: Condition) -> Iterator[str]:
    """Yield the values to try for the keys of a clause, whatever its operator."""
    keys = clause.keys()
    texts = [one for one in _held(clause) if isinstance(one, str) and one not in keys]
    yield from texts
    yield _OTHER if "" in texts else ""
    if isinstance(clause, Comparison):
        return
    yield "true"
    for number in filter(None, map(parse_integer, texts)):
        yield from (str(number - 1), str(number + 1))


def _decides(clause: Condition, tried: Sequence[str]) -> bool:
    """Tell whether the values tried can make a clause hold, or not hold."""
    found = {clause.holds(lambda key, value=value: value) for value in tried}
    return found == {True, False}


_ASKED_ANYWAY = frozenset({"outcome", "preferred_label", "current_node"})
# A value that is forgotten may be any again, so nothing is lost but some precision.
_MOST_VALUES = 8


@dataclass(frozen=True)
class ReachedNode:
    """A node to come to, and what a conditional was handed: None, and a missing value, is any."""

    node: str
    status: StageStatus | None = None
    label: str | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Exit:
    """A way out: by which route, to which place."""

    route: Route
    ahead: ReachedNode


@dataclass(frozen=True)
class Ways:
    """What there is to try at a place; `is_whole` when no other value of a key could matter."""

    graph: Graph
    node: Node
    outcomes: Sequence[Outcome]
    known: Mapping[str, Json]
    free: Mapping[str, Sequence[str]]
    shared: Set[str]
    is_whole: bool

    @property
    def degree(self) -> int:
        """How many edges are looked at to choose one."""
        return max(1, len(self.graph.outgoing(self.node.id)))

    def cost(self, outcomes: Sequence[Outcome]) -> int:
        """Return how many looks at an edge it takes to try some outcomes."""
        return len(outcomes) * prod(map(len, self.free.values())) * self.degree

    def tried(self, outcomes: Sequence[Outcome]) -> Iterator[Exit]:
        """Try outcomes, each with every combination of values."""
        for outcome in outcomes:
            for chosen in product(*self.free.values()):
                values = dict(zip(self.free, chosen, strict=True))
                yield self._way(outcome, {**self.known, **values})

    def _way(self, outcome: Outcome, values: Mapping[str, Json]) -> Exit:
        status, label = outcome.status, outcome.preferred_label
        context = {
            **values,
            "outcome": status.value,
            "preferred_label": label,
            "current_node": self.node.id,
        }
        failed = status is StageStatus.FAIL and self.node.type != "conditional"
        choose = route_failure if failed else select_edge
        route = choose(self.graph, self.node, outcome, make_lookup(status, label, context))
        if route.edge and is_restart(route.edge):
            return Exit(route, _ahead_anew(self.graph, route.target))
        return Exit(route, self._ahead(route.target, outcome, values))

    def _ahead(self, target: str, outcome: Outcome, values: Mapping[str, Json]) -> ReachedNode:
        """Return the place a route leads to; only a conditional is handed anything (ruling R1)."""
        if not is_conditional(self.graph, target):
            return ReachedNode(target)
        label = outcome.preferred_label
        is_free = not label and self.node.type not in SAY_NO_LABEL
        held = tuple(
            (key, value)
            for key, value in values.items()
            if key in self.shared and isinstance(value, str)
        )
        return ReachedNode(target, outcome.status, None if is_free else label, held[-_MOST_VALUES:])


@dataclass(frozen=True)
class Lookout:
    """What the conditions of a graph ask for: at each node, and at more conditionals than one."""

    graph: Graph
    fixed: Mapping[str, Json]
    told: Mapping[str, ConditionValues]
    shared: Set[str]

    def ways(self, place: ReachedNode) -> Ways:
        """Find what there is to try at a place."""
        told, node = self.told[place.node], self.graph.nodes[place.node]
        known = {key: self.fixed[key] for key in told.values if key in self.fixed}
        known |= dict(place.values)
        free = {
            key: values
            for key, values in told.values.items()
            if key not in known and key not in _ASKED_ANYWAY
        }
        outcomes = _outcomes(self.graph, node, place)
        return Ways(self.graph, node, outcomes, known, free, self.shared, told.is_whole)


def look_out(graph: Graph) -> Lookout:
    """Find what the conditions of a graph ask for; no stage can change the graph's attributes."""
    told = {
        node: told_apart(edge.condition for edge in graph.outgoing(node)) for node in graph.nodes
    }
    asked = Counter(
        key for node, one in told.items() if is_conditional(graph, node) for key in one.values
    )
    shared = frozenset(key for key, times in asked.items() if times > 1)
    return Lookout(graph, begin(graph, "", {}).context, told, shared)


def _ahead_anew(graph: Graph, target: str) -> ReachedNode:
    """Return the place where another run begins: nothing was said before it (ruling R7)."""
    if not is_conditional(graph, target):
        return ReachedNode(target)
    fresh = Progress(target)
    return ReachedNode(target, fresh.last_status, fresh.last_label)


def _outcomes(graph: Graph, node: Node, place: ReachedNode) -> Sequence[Outcome]:
    if node.type != "conditional":
        return possible_outcomes(graph, node)
    statuses = STATUSES if place.status is None else (place.status,)
    words = ("", *labels_asked(graph, node.id)) if place.label is None else (place.label,)
    return [Outcome(status, word) for status in statuses for word in words]


MOST_AT_A_PLACE = 100_000
"""How many looks at an edge are allowed at one place."""

MOST_OF_AN_EDGE = 40
"""How many looks at an edge are allowed at all places, for each edge there is."""

_MOST_PLACES_OF_A_NODE = 16


@dataclass(frozen=True)
class Coverage:
    """What can be reached; `untried` was taken to be possible, because it was too much to try."""

    nodes: frozenset[str]
    unreachable_nodes: tuple[str, ...]
    unreachable_edges: tuple[Edge, ...]
    only_suggested: tuple[Edge, ...]
    untried: tuple[Edge, ...]


class _How(IntEnum):
    """How an edge was found to be possible, the surest way first."""

    CHOSEN = 0
    SUGGESTED = 1
    ASSUMED = 2


def cover(graph: Graph, *, most: int = MOST_AT_A_PLACE) -> Coverage:
    """Try what the stages of a graph may come to, and tell what cannot be reached by that."""
    in_all = most + MOST_OF_AN_EDGE * len(graph.edges)
    exploring = _Exploring(graph, look_out(graph), most, in_all)
    exploring.explore()
    found, reached = exploring.found, frozenset(exploring.places)
    return Coverage(
        nodes=reached,
        unreachable_nodes=tuple(node for node in graph.nodes if node not in reached),
        unreachable_edges=tuple(edge for edge in graph.edges if id(edge) not in found),
        only_suggested=_found(graph, found, _How.SUGGESTED),
        untried=_found(graph, found, _How.ASSUMED),
    )


def _found(graph: Graph, found: Mapping[int, _How], how: _How) -> tuple[Edge, ...]:
    return tuple(edge for edge in graph.edges if found.get(id(edge)) is how)


@dataclass
class _Exploring:
    """A search in breadth through the places of a graph."""

    graph: Graph
    lookout: Lookout
    most_at_a_place: int
    left: int
    places: dict[str, set[ReachedNode]] = field(default_factory=dict[str, set[ReachedNode]])
    found: dict[int, _How] = field(default_factory=dict[int, _How])
    waiting: deque[ReachedNode] = field(default_factory=deque[ReachedNode])
    may_end: bool = False

    @cached_property
    def branch_bounds(self) -> BranchBounds:
        """Where the branches of each node lead."""
        return BranchBounds(self.graph, Forks(self.graph))

    def explore(self) -> None:
        """Try one place after the other until nothing new is found."""
        self._come_to(ReachedNode(self.graph.starts[0].id))
        while self.waiting:
            self._leave(self.waiting.popleft())
            if not self.waiting:
                self._send_back()

    def _come_to(self, place: ReachedNode) -> None:
        known = self.places.setdefault(place.node, set())
        if len(known) >= _MOST_PLACES_OF_A_NODE:
            place = ReachedNode(place.node)
        if place not in known:
            known.add(place)
            self.waiting.append(place)

    def _send_back(self) -> None:
        """Go where goal gates that do not hold send the walk from its end (ruling R4)."""
        if not self.may_end:
            return
        reached = [self.graph.nodes[id_] for id_ in self.places]
        for gate in reached:
            back = redirect(self.graph, gate) if gate.is_goal_gate else None
            if back:
                self._come_to(ReachedNode(back.target))

    def _leave(self, place: ReachedNode) -> None:
        node = self.graph.nodes[place.node]
        if node in self.graph.exits:
            self.may_end = True
            return
        if fork := self._fork(node):
            self._branch(node, fork)
            return
        ways = self.lookout.ways(place)
        is_tried = self._try(node, ways, ways.outcomes, _How.CHOSEN)
        if missed := self._missed(node):
            suggested = suggestions(node, missed)
            is_tried = self._try(node, ways, suggested, _How.SUGGESTED) and is_tried
        if not (is_tried and ways.is_whole):
            self._assume(node)

    def _fork(self, node: Node) -> Fork | None:
        return self.branch_bounds.fork(node.id) if node.type in FORKS else None

    def _branch(self, node: Node, fork: Fork) -> None:
        """Go every way out of a fork, and on where the branches meet, however they ended."""
        for edge in self.graph.outgoing(node.id):
            self._take(edge, _How.CHOSEN)
            self._come_to(ReachedNode(edge.target))
        if fork.meeting:
            self._come_to(ReachedNode(fork.meeting))
        else:
            self.may_end = True
        if jump := find_jump(self.graph, node):
            self._come_to(ReachedNode(jump.target))

    def _try(self, node: Node, ways: Ways, outcomes: Sequence[Outcome], how: _How) -> bool:
        """Go every way that outcomes lead; tell whether they were not too many to try."""
        cost = ways.cost(outcomes)
        if cost > min(self.most_at_a_place, self.left):
            return False
        for way in ways.tried(outcomes):
            self.left -= ways.degree
            if way.route.edge:
                self._take(way.route.edge, how)
            if way.route.target:
                self._come_to(way.ahead)
            self.may_end = self.may_end or way.route.reason is RouteReason.NO_EDGES
            if self._is_done(node):
                break
        return True

    def _is_done(self, node: Node) -> bool:
        """Whether nothing new can come of a node: every way out of it leads to where we were."""
        jump = find_jump(self.graph, node)
        return (jump is None or not self._is_new(jump.target)) and not self._missed(node)

    def _missed(self, node: Node) -> Sequence[str]:
        """Return where edges lead that are not found yet, or that hand on what was said."""
        return [
            edge.target
            for edge in self.graph.outgoing(node.id)
            if id(edge) not in self.found or self._is_new(edge.target)
        ]

    def _is_new(self, target: str) -> bool:
        """Whether there may be more to find at a node that is gone to."""
        return target not in self.places or is_conditional(self.graph, target)

    def _assume(self, node: Node) -> None:
        """Take every way out of a node to be possible that was not chosen, and none of them."""
        self.may_end = True
        for edge in self.graph.outgoing(node.id):
            if id(edge) not in self.found:
                self._take(edge, _How.ASSUMED)
            self._come_to(ReachedNode(edge.target))
        if jump := find_jump(self.graph, node):
            self._come_to(ReachedNode(jump.target))

    def _take(self, edge: Edge, how: _How) -> None:
        self.found[id(edge)] = min(how, self.found.get(id(edge), how))
