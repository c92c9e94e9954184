"""Selects the edge to follow after a stage, and finds the loops in a path."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.context import ReadValue, unchanged
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.truncation import text_of
from attractor.language.conditions.condition import Lookup
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.graph.paths import is_conditional, unchecked_conditionals
from attractor.language.source.syntax_tree import Attributes


class RouteReason(StrEnum):
    """The rule that selected a route."""

    CONDITION = "condition"
    PREFERRED_LABEL = "preferred_label"
    SUGGESTED_NEXT_ID = "suggested_next_id"
    WEIGHT = "weight"
    INTO_CONDITIONAL = "into_conditional"
    RETRY_TARGET = "retry_target"
    FALLBACK_RETRY_TARGET = "fallback_retry_target"
    GOAL_GATE = "goal_gate"
    ON_FAILURE = "on_failure"
    JOIN = "join"
    NO_EDGES = "no_edges"
    NO_ROUTE = "no_route"
    FAILED = "failed"


class CandidateVerdict(StrEnum):
    """The reason why an edge was selected or not."""

    WON = "taken"
    CONDITION_FALSE = "its condition is false"
    WEIGHS_LESS = "another edge has a higher weight"
    COMES_LATER = "another edge of equal weight comes first by its target"
    DECIDED_BEFORE = "an earlier rule selected another edge"
    AFTER_FAILURE = "it is not followed after a failure"
    A_BRANCH = "it begins a branch"


@dataclass(frozen=True)
class EdgeCandidate:
    """An edge that leaves the node of a stage, and the fate of the edge."""

    edge: Edge
    fate: CandidateVerdict


@dataclass(frozen=True)
class Route:
    """The route after a stage, or the reason why no route exists; `edge` is None for a jump."""

    target: str
    reason: RouteReason
    edge: Edge | None = None
    candidates: tuple[EdgeCandidate, ...] = ()

    @property
    def is_handled_failure(self) -> bool:
        """Whether this route handles the failure of the preceding stage."""
        return bool(self.target) and self.reason is not RouteReason.ON_FAILURE


@dataclass(frozen=True)
class _Outgoing:
    """The edges that leave a node: `fulfilled` have a true condition, `unconditional` have none."""

    edges: Sequence[Edge]
    fulfilled: Sequence[Edge]
    unconditional: Sequence[Edge]


@dataclass(frozen=True)
class _Pick:
    """The edges that match one rule, the selected edge first."""

    edges: Sequence[Edge]
    reason: RouteReason


def select_edge(graph: Graph, node: Node, outcome: Outcome, lookup: Lookup) -> Route:
    """Select the edge after a stage that did not fail (attractor-spec 3.3)."""
    outgoing = _outgoing(graph, node, lookup)
    if not outgoing.edges:
        return Route("", RouteReason.NO_EDGES)
    picks = [*_named(outgoing, outcome), _Pick(_ranked(outgoing.unconditional), RouteReason.WEIGHT)]
    return _take(picks, outgoing) or Route(
        "", RouteReason.NO_ROUTE, candidates=_candidates(outgoing, CandidateVerdict.DECIDED_BEFORE)
    )


def route_failure(
    graph: Graph,
    node: Node,
    outcome: Outcome,
    lookup: Lookup,
    *,
    outside: Container[str] = (),
) -> Route:
    """Select the route after FAIL (attractor-spec 3.7 over 3.3, ruling R2).

    A retry target `outside` of the branch has no effect.
    """
    outgoing = _outgoing(graph, node, lookup)
    lost = _candidates(outgoing, CandidateVerdict.AFTER_FAILURE)
    if outcome.failure_class is FailureClass.PIPELINE:
        # An error in the pipeline itself ends the run (appendix D).
        return Route("", RouteReason.FAILED, candidates=lost)
    picks = [
        *_named(outgoing, outcome),
        _Pick(_to_judges(graph, outgoing), RouteReason.INTO_CONDITIONAL),
    ]
    if route := _take(picks, outgoing):
        return route
    if jump := find_jump(graph, node, outside=outside):
        return replace(jump, candidates=lost)
    if continues_after_failure(graph, node):
        over = _take([_Pick(_ranked(outgoing.unconditional), RouteReason.ON_FAILURE)], outgoing)
        return over or Route("", RouteReason.FAILED, candidates=lost)
    return Route("", RouteReason.FAILED, candidates=lost)


def route_join(
    graph: Graph, node: Node, outcome: Outcome, meeting: str, *, outside: Container[str] = ()
) -> Route:
    """Return the route to the node where branches meet; the edges of the fork are branches (R6)."""
    branches = tuple(
        EdgeCandidate(edge, CandidateVerdict.A_BRANCH) for edge in graph.outgoing(node.id)
    )
    if outcome.status is not StageStatus.FAIL:
        return Route(meeting, RouteReason.JOIN, candidates=branches)
    is_final = outcome.failure_class is FailureClass.PIPELINE
    jump = None if is_final else find_jump(graph, node, outside=outside)
    return replace(jump or Route("", RouteReason.FAILED), candidates=branches)


def find_jump(graph: Graph, node: Node, *, outside: Container[str] = ()) -> Route | None:
    """Return the jump to the retry target of a node.

    A goal gate also tries the retry target of the graph.
    """
    targets = list(_targets(node.attributes, *_OWN_TARGETS))
    if node.is_goal_gate:
        targets += _targets(graph.attributes, RouteReason.GOAL_GATE, RouteReason.GOAL_GATE)
    known = (
        Route(target, why)
        for target, why in targets
        if target in graph.nodes and target not in outside
    )
    return next(known, None)


def continues_after_failure(graph: Graph, node: Node) -> bool:
    """Return whether a walk can continue after a failure of a node."""
    nearest = node if node.attributes.value("on_failure") else graph
    return nearest.attributes.text("on_failure") == "continue"


_OWN_TARGETS = (RouteReason.RETRY_TARGET, RouteReason.FALLBACK_RETRY_TARGET)


def _targets(
    attributes: Attributes, first: RouteReason, second: RouteReason
) -> Iterator[tuple[str, RouteReason]]:
    yield attributes.text("retry_target"), first
    yield attributes.text("fallback_retry_target"), second


def _to_judges(graph: Graph, outgoing: "_Outgoing") -> Sequence[Edge]:
    """Return the unconditional edges to conditionals that check the outcome, ordered by weight."""
    to_judges = [edge for edge in outgoing.unconditional if is_conditional(graph, edge.target)]
    unasked = unchecked_conditionals(graph, [edge.target for edge in to_judges])
    return _ranked(edge for edge in to_judges if edge.target not in unasked)


def _outgoing(graph: Graph, node: Node, lookup: Lookup) -> _Outgoing:
    edges = graph.outgoing(node.id)
    return _Outgoing(
        edges,
        fulfilled=[edge for edge in edges if edge.is_conditional and edge.condition.holds(lookup)],
        unconditional=[edge for edge in edges if not edge.is_conditional],
    )


def _named(outgoing: _Outgoing, outcome: Outcome) -> Iterator[_Pick]:
    """Yield the edges that match steps 1 to 3: condition, preferred label, suggested target."""
    yield _Pick(_ranked(outgoing.fulfilled), RouteReason.CONDITION)
    label = normalize_label(outcome.preferred_label)
    labelled = [
        edge for edge in outgoing.unconditional if label and normalize_label(edge.label) == label
    ]
    yield _Pick(labelled, RouteReason.PREFERRED_LABEL)
    suggested = [
        edge
        for suggestion in outcome.suggested_next_ids
        for edge in outgoing.unconditional
        if edge.target == suggestion
    ]
    yield _Pick(suggested, RouteReason.SUGGESTED_NEXT_ID)


def _ranked(edges: Iterable[Edge]) -> Sequence[Edge]:
    return sorted(edges, key=lambda edge: (-edge.weight, edge.target))


def _take(picks: Iterable[_Pick], outgoing: _Outgoing) -> Route | None:
    pick = next((pick for pick in picks if pick.edges), None)
    if pick is None:
        return None
    winner = pick.edges[0]
    candidates = tuple(EdgeCandidate(edge, _fate(edge, pick, outgoing)) for edge in outgoing.edges)
    return Route(winner.target, pick.reason, winner, candidates)


def _candidates(outgoing: _Outgoing, otherwise: CandidateVerdict) -> tuple[EdgeCandidate, ...]:
    """Return the candidates when no edge was selected."""
    return tuple(
        EdgeCandidate(edge, CandidateVerdict.CONDITION_FALSE if edge.is_conditional else otherwise)
        for edge in outgoing.edges
    )


def _fate(edge: Edge, pick: _Pick, outgoing: _Outgoing) -> CandidateVerdict:
    winner = pick.edges[0]
    if edge is winner:
        return CandidateVerdict.WON
    if edge.is_conditional and not _is_among(edge, outgoing.fulfilled):
        return CandidateVerdict.CONDITION_FALSE
    if not _is_among(edge, pick.edges):
        return CandidateVerdict.DECIDED_BEFORE
    return (
        CandidateVerdict.WEIGHS_LESS
        if edge.weight < winner.weight
        else CandidateVerdict.COMES_LATER
    )


def _is_among(edge: Edge, edges: Sequence[Edge]) -> bool:
    return any(edge is other for other in edges)


_PREFIX = "context."
TOOL_OUTPUT = "tool.output"
"""The context key of the output of a command."""


def make_lookup(
    status: StageStatus,
    preferred_label: str,
    context: Mapping[str, Json],
    *,
    read: ReadValue = unchanged,
) -> Lookup:
    """Return a function that looks up the keys of conditions."""

    def look_up(key: str) -> str:
        if key == "outcome":
            return status.value
        if key == "preferred_label":
            return preferred_label
        value = context.get(key)
        if value is None:
            value = context.get(key.removeprefix(_PREFIX))
        text = "" if value is None else text_of(read(value))
        # The output of most commands ends with a newline, which nobody writes in a condition.
        return text.removesuffix("\n") if key.removeprefix(_PREFIX) == TOOL_OUTPUT else text

    return look_up


Loop = tuple[str, ...]


def find_loops(path: Sequence[str]) -> Mapping[Loop, int]:
    """Return the loops in a path, each with its number of rounds.

    A loop begins at the node where the path entered the loop. Each closed loop is removed from the
    path, so the time is linear in the length of the path.
    """
    loops: Counter[Loop] = Counter()
    names: dict[Loop, Loop] = {}
    walked: list[str] = []
    at: dict[str, int] = {}
    for node in path:
        if node in at:
            loop = tuple(walked[at[node] :])
            loops[names.setdefault(_rotated(loop), loop)] += 1
            for left in loop:
                del at[left]
            del walked[-len(loop) :]
        at[node] = len(walked)
        walked.append(node)
    return loops


def _rotated(loop: Loop) -> Loop:
    """Return a loop rotated to begin at its first node by name, so that loops can be compared."""
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]
