"""Finds the nodes and edges that no run can reach, by trying the possible outcomes of stages.

A stage can have any status, prefer any label, suggest any node, and write any value to the context;
so the state of the search is the node alone. The exception is a conditional, which passes on the
outcome of the preceding stage (ruling R1): its state includes this outcome and the values in
conditions. Goal gates and limits only shorten walks. Everything that takes too long to try counts
as possible. Therefore, everything that is reported as unreachable is unreachable in every run.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field, fields, is_dataclass
from enum import IntEnum
from functools import cached_property
from itertools import product
from math import prod

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.routing.edge_selection import (
    Route,
    RouteReason,
    find_jump,
    make_lookup,
    route_failure,
    select_edge,
)
from attractor.engine.routing.next_move import BranchBounds, redirect
from attractor.engine.state.progress import Progress, begin
from attractor.language.conditions.condition import (
    Comparison,
    Condition,
    Unreadable,
    each_clause,
    keys_of,
)
from attractor.language.graph.branches import FORKS, Fork, Forks, is_restart
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.graph.paths import is_conditional
from attractor.language.source.syntax_tree import parse_integer

STATUSES = (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS, StageStatus.FAIL)

WITHOUT_LABEL = frozenset({"start", "exit", "conditional", "tool", "wait.human"})
"""The node types whose stages set neither a label nor a next node."""

_ALWAYS_SUCCEED = frozenset({"start", "exit", "conditional"})
_PREFIX = "context."
_OTHER = "something else"


@dataclass(frozen=True)
class ConditionValues:
    """The values that conditions distinguish, by context key, and whether these are all values."""

    values: Mapping[str, Sequence[str]]
    is_whole: bool


def possible_outcomes(graph: Graph, node: Node) -> Sequence[Outcome]:
    """Return the possible outcomes of a stage, without suggested next nodes."""
    if node.type in _ALWAYS_SUCCEED:
        return (Outcome(StageStatus.SUCCESS),)
    if node.type == "tool":
        return (Outcome(StageStatus.SUCCESS), failure("simulated", FailureClass.VERDICT))
    if node.type == "wait.human":
        return (*_choices(graph, node), failure("no person answered", FailureClass.TERMINAL))
    words = ("", *labels_asked(graph, node.id))
    return tuple(Outcome(status, word) for status in STATUSES for word in words)


def _choices(graph: Graph, node: Node) -> Iterator[Outcome]:
    """Yield the outcome of each choice at a human gate.

    An ambiguous label is left out.
    """
    choices = dict.fromkeys(
        (edge.label or edge.target, edge.target) for edge in graph.outgoing(node.id)
    )
    times = Counter(normalize_label(label) for label, _ in choices)
    for label, target in choices:
        yield Outcome(StageStatus.SUCCESS, label, (target,))
        if times[normalize_label(label)] > 1:
            yield Outcome(StageStatus.SUCCESS, "", (target,))


def suggestions(node: Node, targets: Iterable[str]) -> Sequence[Outcome]:
    """Return outcomes that each suggest one of the targets; some node types suggest none."""
    if node.type in WITHOUT_LABEL:
        return ()
    return tuple(Outcome(status, "", (target,)) for status in STATUSES for target in targets)


def labels_asked(graph: Graph, node: str) -> Sequence[str]:
    """Return the labels with which an outcome can select an edge of a node.

    For a label that a condition compares too, this includes another spelling, which selects the
    edge although the condition is false.
    """
    edges = graph.outgoing(node)
    asked = distinguished_values(edge.condition for edge in edges).values.get("preferred_label", ())
    labels = [edge.label for edge in edges if not edge.is_conditional]
    others = (_other_spelling(label, asked) for label in labels if label in asked)
    return tuple(filter(None, dict.fromkeys([*labels, *asked, *others])))


def _other_spelling(label: str, words: Sequence[str]) -> str:
    plain = normalize_label(label)
    return next((one for one in (plain, plain.upper(), plain.title()) if one not in words), label)


def distinguished_values(conditions: Iterable[Condition]) -> ConditionValues:
    """Return the values that some conditions distinguish, by context key."""
    values: dict[str, dict[str, None]] = {}
    is_whole = True
    clauses = [clause for condition in conditions for clause in each_clause(condition)]
    for clause in reversed(clauses):
        if isinstance(clause, Unreadable):
            continue
        keys, tried = keys_of(clause), tuple(_tried(clause))
        for key in keys:
            values.setdefault(bare(key), {}).update(dict.fromkeys(tried))
        # The preferred label comes from an earlier stage, and may be any text.
        is_whole = is_whole and "context.preferred_label" not in keys and _decides(clause, tried)
    return ConditionValues({key: tuple(found) for key, found in values.items()}, is_whole)


def bare(key: str) -> str:
    """Return a condition key as a context key; the last outcome has the key `outcome`."""
    return key.removeprefix(_PREFIX)


def _parts(condition: Condition) -> Sequence[object]:
    if not is_dataclass(condition):
        return ()
    return [getattr(condition, field.name) for field in fields(condition)]


def _tried(clause: Condition) -> Iterator[str]:
    """Yield the values to try for the keys of a clause."""
    keys = keys_of(clause)
    texts = [part for part in _parts(clause) if isinstance(part, str) and part not in keys]
    yield from texts
    yield _OTHER if "" in texts else ""
    if isinstance(clause, Comparison):
        return
    yield "true"
    for number in filter(None, map(parse_integer, texts)):
        yield from (str(number - 1), str(number + 1))


def _decides(clause: Condition, tried: Sequence[str]) -> bool:
    """Return whether the tried values make a clause true in one case and false in another."""
    found = {clause.holds(lambda key, value=value: value) for value in tried}
    return found == {True, False}


_ASKED_ANYWAY = frozenset({"outcome", "preferred_label", "current_node"})
# Values that are not passed on may be any value again. That is correct, only less precise.
_MOST_VALUES = 8


@dataclass(frozen=True)
class ReachedNode:
    """A node, with the outcome passed to a conditional.

    An outcome of None, or a missing value, means any.
    """

    node: str
    status: StageStatus | None = None
    label: str | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TriedRoute:
    """A route that a walk can take from a node, and the node that the route reaches."""

    route: Route
    ahead: ReachedNode


@dataclass(frozen=True)
class NodeTrials:
    """The outcomes and values to try at a node.

    If `is_whole`, no other value makes a difference.
    """

    graph: Graph
    node: Node
    outcomes: Sequence[Outcome]
    known: Mapping[str, Json]
    free: Mapping[str, Sequence[str]]
    shared: Set[str]
    is_whole: bool
    is_label_free: bool
    """Whether an outcome without a label stands for outcomes with any label that is not tried."""

    @property
    def degree(self) -> int:
        """The number of edges that one selection examines."""
        return max(1, len(self.graph.outgoing(self.node.id)))

    def cost(self, outcomes: Sequence[Outcome]) -> int:
        """Return the number of edges to examine for a number of outcomes."""
        return len(outcomes) * prod(map(len, self.free.values())) * self.degree

    def tried(self, outcomes: Sequence[Outcome]) -> Iterator[TriedRoute]:
        """Try outcomes, each with every combination of values."""
        for outcome in outcomes:
            for chosen in product(*self.free.values()):
                values = dict(zip(self.free, chosen, strict=True))
                yield self._route(outcome, {**self.known, **values})

    def _route(self, outcome: Outcome, values: Mapping[str, Json]) -> TriedRoute:
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
            if not is_conditional(self.graph, route.target):
                ahead = ReachedNode(route.target)
            else:
                fresh = Progress(route.target)
                ahead = ReachedNode(route.target, fresh.last_status, fresh.last_label)
            return TriedRoute(route, ahead)
        return TriedRoute(route, self._reached(route.target, outcome, values))

    def _reached(self, target: str, outcome: Outcome, values: Mapping[str, Json]) -> ReachedNode:
        """Return the node that a route reaches; for a conditional, also the outcome (ruling R1)."""
        if not is_conditional(self.graph, target):
            return ReachedNode(target)
        label = outcome.preferred_label
        is_free = not label and self.is_label_free
        held = tuple(
            (key, value)
            for key, value in values.items()
            if key in self.shared and isinstance(value, str)
        )
        return ReachedNode(target, outcome.status, None if is_free else label, held[-_MOST_VALUES:])


@dataclass(frozen=True)
class ConditionIndex:
    """The values that the conditions of a graph distinguish, and the values passed between
    conditionals.
    """

    graph: Graph
    fixed: Mapping[str, Json]
    values_of: Mapping[str, ConditionValues]
    shared: Set[str]

    def trials(self, place: ReachedNode) -> NodeTrials:
        """Return the outcomes and values to try at a node."""
        values_of, node = self.values_of[place.node], self.graph.nodes[place.node]
        known = {key: self.fixed[key] for key in values_of.values if key in self.fixed}
        known |= dict(place.values)
        free = {
            key: values
            for key, values in values_of.values.items()
            if key not in known and key not in _ASKED_ANYWAY
        }
        if node.type != "conditional":
            outcomes = possible_outcomes(self.graph, node)
        else:
            statuses = STATUSES if place.status is None else (place.status,)
            words = (
                ("", *labels_asked(self.graph, node.id)) if place.label is None else (place.label,)
            )
            outcomes = [Outcome(status, word) for status in statuses for word in words]
        is_label_free = node.type not in WITHOUT_LABEL
        if node.type == "conditional":
            is_label_free = place.label is None
        return NodeTrials(
            self.graph,
            node,
            outcomes,
            known,
            free,
            self.shared,
            values_of.is_whole,
            is_label_free,
        )


def read_conditions(graph: Graph) -> ConditionIndex:
    """Read the conditions of a graph, and the attributes of the graph, which no stage
    can change.
    """
    values_of = {
        node: distinguished_values(edge.condition for edge in graph.outgoing(node))
        for node in graph.nodes
    }
    asked = Counter(
        key for node, one in values_of.items() if is_conditional(graph, node) for key in one.values
    )
    shared = frozenset(key for key, times in asked.items() if times > 1)
    return ConditionIndex(graph, begin(graph, "", {}).context, values_of, shared)


MOST_AT_A_PLACE = 100_000
"""The maximum number of edges examined for one node."""

MOST_OF_AN_EDGE = 40
"""The maximum number of edges examined for all nodes, per edge of the graph."""

_MOST_PLACES_OF_A_NODE = 16


@dataclass(frozen=True)
class Coverage:
    """The reachable nodes and edges.

    `untried` edges are too many to try, and count as reachable.
    """

    nodes: frozenset[str]
    unreachable_nodes: tuple[str, ...]
    unreachable_edges: tuple[Edge, ...]
    only_suggested: tuple[Edge, ...]
    untried: tuple[Edge, ...]


class _Certainty(IntEnum):
    """The reason why an edge counts as possible, most certain reason first."""

    CHOSEN = 0
    SUGGESTED = 1
    ASSUMED = 2


def cover(graph: Graph, *, most: int = MOST_AT_A_PLACE) -> Coverage:
    """Return the nodes and edges that the possible outcomes of stages reach."""
    in_all = most + MOST_OF_AN_EDGE * len(graph.edges)
    exploring = _Exploring(graph, read_conditions(graph), most, in_all)
    exploring.explore()
    found, reached = exploring.found, frozenset(exploring.places)
    return Coverage(
        nodes=reached,
        unreachable_nodes=tuple(node for node in graph.nodes if node not in reached),
        unreachable_edges=tuple(edge for edge in graph.edges if id(edge) not in found),
        only_suggested=_found(graph, found, _Certainty.SUGGESTED),
        untried=_found(graph, found, _Certainty.ASSUMED),
    )


def _found(graph: Graph, found: Mapping[int, _Certainty], how: _Certainty) -> tuple[Edge, ...]:
    return tuple(edge for edge in graph.edges if found.get(id(edge)) is how)


@dataclass
class _Exploring:
    """A breadth-first search through a graph."""

    graph: Graph
    lookout: ConditionIndex
    most_at_a_place: int
    left: int
    places: dict[str, set[ReachedNode]] = field(default_factory=dict[str, set[ReachedNode]])
    found: dict[int, _Certainty] = field(default_factory=dict[int, _Certainty])
    waiting: deque[ReachedNode] = field(default_factory=deque[ReachedNode])
    may_end: bool = False

    @cached_property
    def branch_bounds(self) -> BranchBounds:
        """The bounds of the branches of each node."""
        return BranchBounds(self.graph, Forks(self.graph))

    def explore(self) -> None:
        """Try one node after another until no new node is reached."""
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
        """Follow the routes back from unsatisfied goal gates (ruling R4)."""
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
        trials = self.lookout.trials(place)
        is_tried = self._try(node, trials, trials.outcomes, _Certainty.CHOSEN)
        if missed := self._missed(node):
            suggested = suggestions(node, missed)
            is_tried = self._try(node, trials, suggested, _Certainty.SUGGESTED) and is_tried
        if not (is_tried and trials.is_whole):
            self._assume(node)

    def _fork(self, node: Node) -> Fork | None:
        return self.branch_bounds.fork(node.id) if node.type in FORKS else None

    def _branch(self, node: Node, fork: Fork) -> None:
        """Follow every edge of a fork, and continue at the node where branches meet."""
        for edge in self.graph.outgoing(node.id):
            self._take(edge, _Certainty.CHOSEN)
            self._come_to(ReachedNode(edge.target))
        if fork.meeting:
            self._come_to(ReachedNode(fork.meeting))
        else:
            self.may_end = True
        if jump := find_jump(self.graph, node):
            self._come_to(ReachedNode(jump.target))

    def _try(
        self, node: Node, trials: NodeTrials, outcomes: Sequence[Outcome], how: _Certainty
    ) -> bool:
        """Follow the routes of outcomes; return False if there are too many routes to try."""
        cost = trials.cost(outcomes)
        if cost > min(self.most_at_a_place, self.left):
            return False
        for tried in trials.tried(outcomes):
            self.left -= trials.degree
            if tried.route.edge:
                self._take(tried.route.edge, how)
            if tried.route.target:
                self._come_to(tried.ahead)
            self.may_end = self.may_end or tried.route.reason is RouteReason.NO_EDGES
            jump = find_jump(self.graph, node)
            if (jump is None or not self._is_new(jump.target)) and not self._missed(node):
                break
        return True

    def _missed(self, node: Node) -> Sequence[str]:
        """Return the targets of edges that are not found yet, and targets that may have
        new states.
        """
        return [
            edge.target
            for edge in self.graph.outgoing(node.id)
            if id(edge) not in self.found or self._is_new(edge.target)
        ]

    def _is_new(self, target: str) -> bool:
        """Return whether a node was not tried yet in this state."""
        return target not in self.places or is_conditional(self.graph, target)

    def _assume(self, node: Node) -> None:
        """Count every edge of a node as possible, and the end of the walk too."""
        self.may_end = True
        for edge in self.graph.outgoing(node.id):
            if id(edge) not in self.found:
                self._take(edge, _Certainty.ASSUMED)
            self._come_to(ReachedNode(edge.target))
        if jump := find_jump(self.graph, node):
            self._come_to(ReachedNode(jump.target))

    def _take(self, edge: Edge, how: _Certainty) -> None:
        self.found[id(edge)] = min(how, self.found.get(id(edge), how))
