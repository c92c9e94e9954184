"""Decides the next move of a walk: an edge, a goal gate, a restart or the end."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from attractor.base.amounts import number_of
from attractor.base.dataclasses import changed, dataclass
from attractor.engine.context import ReadValue, unchanged
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.prompts.preamble import NOTHING_PAST, remember_keys
from attractor.engine.routing.edge_selection import (
    Route,
    RouteReason,
    find_jump,
    make_lookup,
    route_failure,
    route_join,
    select_edge,
)
from attractor.engine.routing.retry import same_failure_limit
from attractor.engine.state.progress import (
    Move,
    Progress,
    StageRecord,
    Visit,
    WalkEnd,
    record_visit,
)
from attractor.language.graph.branches import Fork, Forks, is_restart
from attractor.language.graph.graph import Edge, Graph, Node, required_verdict
from attractor.language.graph.paid_loops import DEFAULT_PAID_VISITS, default_visits
from attractor.language.graph.paths import failure_targets, reached_from, targets, targets_and_jumps
from attractor.language.source.syntax_tree import NO_ATTRIBUTES


@dataclass(frozen=True)
class Bounds:
    """The bounds of a branch: the node where branches meet, and the nodes not to enter."""

    until: str = ""
    outside: frozenset[str] = frozenset()

    def closed(self, graph: Graph) -> frozenset[str]:
        """Return the nodes that the walk must not enter; exits are closed to a branch too."""
        if not self.until:
            return frozenset()
        return self.outside.union(exit_.id for exit_ in graph.exits) - {self.until}


NO_BOUNDS = Bounds()


class BranchBounds:
    """Computes once the forks of a graph, and the nodes that the branches of each fork must not
    enter.
    """

    def __init__(self, graph: Graph, forks: Forks) -> None:
        self._graph = graph
        self._forks = forks
        self._known: dict[str, Fork | None] = {}
        self._outside: dict[str, frozenset[str]] = {}

    def fork(self, node: str) -> Fork | None:
        """Return the fork that the edges or the failure route of a node make, or None."""
        if node not in self._known:
            self._known[node] = self._forks.at(node) or self._fork_after_failure(node)
        return self._known[node]

    def outside(self, node: str) -> frozenset[str]:
        """Return the nodes that no branch can enter: before the fork, or after the meeting node.

        A node that is only reached by failures in a branch belongs to the branch.
        """
        if node not in self._outside:
            fork = self.fork(node)
            self._outside[node] = _find_outside(self._graph, fork) if fork else frozenset()
        return self._outside[node]

    def _fork_after_failure(self, node: str) -> Fork | None:
        if node not in self._graph.nodes:
            return None
        by_failure = Edge(self._graph.starts[0].id, node)
        return Forks(replace(self._graph, edges=(*self._graph.edges, by_failure))).at(node)


def _find_outside(graph: Graph, fork: Fork) -> frozenset[str]:
    if not fork.meeting:
        return frozenset()
    leaks = {edge.target for edge in fork.leaks}
    ends = {fork.node, fork.meeting, *(exit_.id for exit_ in graph.exits), *leaks}
    inside = reached_from(targets(graph)(fork.node), targets(graph), until=ends) - ends
    reached = reached_from(
        [graph.starts[0].id, fork.meeting], _after_failures_too(graph), until=[fork.node, *inside]
    )
    return frozenset((reached | leaks) - inside - {fork.meeting})


def _after_failures_too(graph: Graph) -> Callable[[str], Iterable[str]]:
    """Return a function that follows edges and jumps.

    Jumps set on the graph begin at the start node.
    """
    follow, start = targets_and_jumps(graph), graph.starts[0].id
    of_graph = failure_targets(graph.attributes)
    return lambda node: [*follow(node), *(of_graph if node == start else ())]


DEFAULT_REDIRECTS = 10


def find_unsatisfied(graph: Graph, progress: Progress) -> Node | None:
    """Return the first goal gate that was visited and has not succeeded, or None.

    A gate in a branch that lost against a winner does not count (ruling R6).
    """
    open_ones = (
        graph.nodes.get(id_)
        for id_, record in progress.stages.items()
        if not record.outcome.is_success and _counts(record, progress)
    )
    return next((node for node in open_ones if node and node.is_goal_gate), None)


def _counts(record: StageRecord, progress: Progress) -> bool:
    return not record.branches or not set(record.branches) <= set(progress.left_out)


def wants_verdict(graph: Graph, node: Node, *, by_agent: bool = False) -> bool:
    """Return whether stages of a node must report a verdict: a goal gate, or set on the node.

    The default of a goal gate is yes if a coding agent executes it, otherwise no (ruling R4).
    """
    written = required_verdict(graph, node)
    is_required = by_agent if written is None else written
    is_asked = node.is_goal_gate or node.attributes.flag("require_verdict")
    return is_asked and is_required and not node.attributes.flag("auto_status")


def redirect(graph: Graph, gate: Node) -> Route | None:
    """Return the route from the exit back to the retry target of an unsatisfied gate, or None."""
    jump = find_jump(graph, gate)
    if jump is None or graph.nodes[jump.target] in graph.exits:
        return None
    return Route(jump.target, RouteReason.GOAL_GATE)


def redirect_limit(graph: Graph) -> int:
    """Return the maximum number of redirects to retry targets, over all goal gates of a run."""
    limit = graph.attributes.number("max_goal_gate_redirects")
    return DEFAULT_REDIRECTS if limit is None else limit


def visit_limit(graph: Graph, node: Node) -> tuple[int, str]:
    """Return the maximum number of visits of a node, and the attribute that sets this maximum.

    By default, a stage that costs money is visited less often than other stages.
    """
    own = node.attributes.number("max_visits")
    if own is not None:
        return own, "max_visits"
    limit = graph.attributes.number("max_node_visits")
    if limit is not None:
        return limit, "max_node_visits"
    default = default_visits(graph, node)
    return default, "max_visits" if default == DEFAULT_PAID_VISITS else "max_node_visits"


def has_reached_visit_limit(graph: Graph, progress: Progress, node: Node) -> bool:
    """Return whether a node may not be visited again.

    Visits in other branches, such as one for each item, do not count for the default limit of
    stages that cost money.
    """
    visits = progress.visits(node.id)
    own = node.attributes.number("max_visits")
    limit = graph.attributes.number("max_node_visits") if own is None else own
    if limit is not None:
        return visits >= limit
    # The default is only computed if it can be reached, because it depends on all branches.
    if visits < DEFAULT_PAID_VISITS:
        return False
    limit = default_visits(graph, node)
    return (progress.completed.count(node.id) if limit == DEFAULT_PAID_VISITS else visits) >= limit


EDGE_REASON = "loop_restart"
"""The edge reason of the first node in a run that `loop_restart` began."""

DEFAULT_RESTARTS = 5

_KEPT = ("graph.", "context.keep.")


def restart_limit(graph: Graph) -> int:
    """Return the maximum number of restarts of a run."""
    limit = graph.attributes.number("max_restarts")
    return DEFAULT_RESTARTS if limit is None else limit


def begin_again(progress: Progress) -> Progress:
    """Return the progress with which the next run begins after `loop_restart`.

    Only `graph.*` and `context.keep.*` remain in the context. Files stay. The usage of earlier runs
    is included, because the budgets cover the whole chain of runs.
    """
    remaining = {key: value for key, value in progress.context.items() if key.startswith(_KEPT)}
    return Progress(
        next_node=progress.next_node,
        edge_reason=EDGE_REASON,
        tree=progress.tree,
        context=remaining,
        edge_fidelity=progress.edge_fidelity,
        edge_thread=progress.edge_thread,
        past=remember_keys(NOTHING_PAST, remaining, ()),
        usage=progress.usage,
        seconds=progress.seconds,
        restarts=progress.restarts + 1,
    )


@dataclass(frozen=True)
class MoveDecision:
    """The next move, and the routes that led to the move: with a redirect, two routes."""

    move: Move
    routes: tuple[Route, ...]


def choose_move(
    graph: Graph,
    progress: Progress,
    visit: Visit,
    bounds: Bounds = NO_BOUNDS,
    *,
    read: ReadValue = unchanged,
) -> MoveDecision:
    """Choose the next move of a walk after a visit.

    Conditions resolve references in the context with `read`.
    """
    after = record_visit(progress, visit)
    route = _route(graph, after, visit, read, bounds.closed(graph))
    failed = visit.outcome.status is StageStatus.FAIL and not visit.is_transparent
    of_edge = route.edge.attributes if route.edge else NO_ATTRIBUTES
    move = Move(
        route.target,
        route.reason.value,
        fidelity=of_edge.text("fidelity"),
        thread=of_edge.text("thread_id"),
        redirects=int(route.reason is RouteReason.GOAL_GATE),
        is_handled=failed and route.is_handled_failure,
        is_stepped_over=failed and route.reason is RouteReason.ON_FAILURE,
    )
    return _Deciding(graph, after, visit, bounds).decide(move, route)


def _route(
    graph: Graph, after: Progress, visit: Visit, read: ReadValue, outside: frozenset[str]
) -> Route:
    node, outcome = graph.nodes[visit.node], visit.outcome
    if visit.meeting:
        return route_join(graph, node, outcome, visit.meeting, outside=outside)
    if visit.is_transparent:
        outcome = Outcome(after.last_status, preferred_label=after.last_label)
    lookup = make_lookup(outcome.status, outcome.preferred_label, after.context, read=read)
    # A conditional always succeeds itself; the outcome that it passes on is that of the stage
    # before.
    failed = outcome.status is StageStatus.FAIL and not visit.is_transparent
    if failed:
        return route_failure(graph, node, outcome, lookup, outside=outside)
    return select_edge(graph, node, outcome, lookup)


@dataclass(frozen=True)
class _Deciding:
    """One decision: a visit, and the progress after the visit."""

    graph: Graph
    after: Progress
    visit: Visit
    bounds: Bounds

    def decide(self, move: Move, route: Route) -> MoveDecision:
        """Choose the end of the walk, a redirect, or the next node."""
        if stuck := self._stuck():
            return MoveDecision(self._failed(move, stuck), (route,))
        if route.reason is RouteReason.FAILED:
            return MoveDecision(self._failed(move, self.visit.outcome.failure_reason), (route,))
        if route.reason is RouteReason.NO_ROUTE:
            reason = f"no_route: no edge out of {self.visit.node} can be followed"
            return MoveDecision(self._failed(move, reason), (route,))
        if self.bounds.until:
            return self._within_branch(move, route)
        if route.reason is RouteReason.NO_EDGES or self._is_exit(route.target):
            return self._leave(move, route)
        if route.edge and is_restart(route.edge):
            return MoveDecision(self._restarted(move), (route,))
        return MoveDecision(self._within_limits(move), (route,))

    def _restarted(self, move: Move) -> Move:
        """Continue as another run (ruling R7), or fail if `max_restarts` is reached."""
        limit = restart_limit(self.graph)
        if self.after.restarts >= limit:
            return self._failed(move, f"loop_restart: limit max_restarts={limit} reached")
        return changed(move, is_restart=True)

    def _stuck(self) -> str:
        """Return the reason to stop after `max_same_failures` equal failures.

        Empty after fewer failures.
        """
        visit = self.visit
        record = self.after.stages.get(visit.node)
        limit = same_failure_limit(self.graph, self.graph.nodes[visit.node])
        if limit is None or record is None or visit.is_transparent or record.failure_count < limit:
            return ""
        times = f"{number_of(record.failure_count, 'time')} in a row (max_same_failures={limit})"
        return f"{visit.node} failed in the same way {times}: {visit.outcome.failure_reason}"

    def _within_branch(self, move: Move, route: Route) -> MoveDecision:
        until = self.bounds.until
        if route.edge and is_restart(route.edge):
            return MoveDecision(
                self._failed(move, "loop_restart is invalid inside a branch"), (route,)
            )
        if route.reason is RouteReason.NO_EDGES or route.target == until:
            return MoveDecision(self._arrived(move, route), (route,))
        if route.target in self.bounds.closed(self.graph):
            leaving = f"the branch leads to {route.target} before branches meet at {until}"
            return MoveDecision(self._failed(move, leaving), (route,))
        return MoveDecision(self._within_limits(move), (route,))

    def _arrived(self, move: Move, route: Route) -> Move:
        """End a branch with the status of its last stage.

        Goal gates in the branch are checked at the exit of the graph.
        """
        over = self.after.stepped_over or move.is_stepped_over
        status = StageStatus.PARTIAL_SUCCESS if over else self.after.last_status
        reason = self.visit.outcome.failure_reason
        if self.visit.is_transparent and not status.is_success and self.after.past.notes:
            # A conditional passes on the failure of the stage before it.
            reason = self.after.past.notes[-1].words
        reason = reason or "completed"
        return changed(
            move, target="", end=WalkEnd(status, reason, route.target or self.visit.node)
        )

    def _leave(self, move: Move, route: Route) -> MoveDecision:
        gate = find_unsatisfied(self.graph, self.after)
        if gate is None:
            return MoveDecision(self._succeeded(move, route), (route,))
        back = redirect(self.graph, gate)
        if back is None:
            reason = f"goal gate {gate.id} unsatisfied and no retry target"
            return MoveDecision(self._failed(move, reason), (route,))
        sent_back = changed(
            move,
            target=back.target,
            reason=back.reason.value,
            redirects=move.redirects + 1,
            fidelity="",
            thread="",
        )
        return MoveDecision(self._within_limits(sent_back), (route, back))

    def _within_limits(self, move: Move) -> Move:
        most = redirect_limit(self.graph)
        if move.redirects and self.after.redirects + move.redirects > most:
            return self._failed(move, f"goal gates: limit max_goal_gate_redirects={most} reached")
        target = self.graph.nodes.get(move.target)
        if target is None:
            return self._failed(move, f"unknown node {move.target!r}")
        if has_reached_visit_limit(self.graph, self.after, target):
            limit, name = visit_limit(self.graph, target)
            return self._failed(move, f"node {target.id}: limit {name}={limit} reached")
        return move

    def _succeeded(self, move: Move, route: Route) -> Move:
        over = [*self.after.stepped_over, *([self.visit.node] if move.is_stepped_over else [])]
        status = StageStatus.PARTIAL_SUCCESS if over else StageStatus.SUCCESS
        reason = (
            f"completed despite failed stages: {', '.join(dict.fromkeys(over))}"
            if over
            else "completed"
        )
        end = WalkEnd(status, reason, route.target or self.visit.node)
        return changed(move, target="", end=end)

    def _failed(self, move: Move, reason: str) -> Move:
        end = WalkEnd(StageStatus.FAIL, reason or "failed, no reason given", self.visit.node)
        return changed(move, target="", is_handled=False, end=end)

    def _is_exit(self, target: str) -> bool:
        return any(target == exit_.id for exit_ in self.graph.exits)
