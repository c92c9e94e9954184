"""Walks a graph without executing its stages."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.context import Context
from attractor.engine.outcome import StageStatus
from attractor.engine.preflight import resolve_handler
from attractor.engine.receipts import receipt_command
from attractor.engine.routing.next_move import (
    NO_BOUNDS,
    Bounds,
    BranchBounds,
    MoveDecision,
    begin_again,
    choose_move,
)
from attractor.engine.routing.retry import end_attempt, last_attempt
from attractor.engine.seams import Halted, Handler, Stage
from attractor.engine.stage.execution import execute
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.attempts import attempt_key, branch_key, signature
from attractor.engine.state.progress import Progress, Step, Visit, WalkEnd, advance, begin
from attractor.engine.state.walks import (
    Branch,
    BranchEnd,
    branch_end,
    canceled_branch,
    fork_off,
    join,
)
from attractor.language.graph.branches import Fork, Forks
from attractor.language.graph.graph import Edge, Graph, Node

WalkOn = Callable[[Progress, str, Bounds], Awaitable[Progress]]
"""Type of a function that walks the branch with a key to the end of the branch."""


@dataclass(frozen=True)
class SimulatedBranches:
    """Walks the branches of one attempt; `walked` contains the ended branches by key."""

    parent: Progress
    key: str
    node: str
    visit: int
    attempt: int
    bounds: BranchBounds
    walk_on: WalkOn
    walked: dict[str, Progress] = field(default_factory=dict[str, Progress])

    @property
    def fork(self) -> Fork | None:
        """The targets of the node's edges, and the node where the branches meet."""
        return self.bounds.fork(self.node)

    @property
    def at_once(self) -> int | None:
        """Return 1: no stage takes time here, so no branch could end before another."""
        return 1

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        """Walk a branch to its end, unless it was walked before."""
        key = self._key(branch)
        if key not in self.walked:
            bounds = Bounds(branch.until, self.bounds.outside(self.node))
            self.walked[key] = await self.walk_on(fork_off(self.parent, branch), key, bounds)
        return branch_end(branch, key, self.parent, self.walked[key])

    async def give_up(self, branch: Branch) -> BranchEnd:
        """Return the end of a branch: canceled, unless the branch was walked."""
        key = self._key(branch)
        walked = self.walked.get(key)
        return (
            branch_end(branch, key, self.parent, walked) if walked else canceled_branch(branch, key)
        )

    async def give_up_rest(self) -> None:
        """Do nothing: every branch that began has ended."""

    def _key(self, branch: Branch) -> str:
        attempt = attempt_key(self.key, self.node, self.visit, self.attempt)
        return branch_key(attempt, branch.name)


def make_stage(graph: Graph, node: Node, progress: Progress, branches: SimulatedBranches) -> Stage:
    """Return the stage that a handler gets in a simulation."""
    return Stage(
        node=node,
        graph=graph,
        context=Context(progress.context_of(node.id, branches.attempt)),
        logs_root=Path(),
        visit=branches.visit,
        attempt=branches.attempt,
        labels=tuple(edge.label for edge in graph.outgoing(node.id) if edge.label),
        files=_NoFiles(),
        emit=_tell_nobody,
        workspace=NoWorkspace(),
        branches=branches,
    )


class _NoFiles:
    """Discards the files of a stage."""

    def write(self, name: str, text: str, *, is_private: bool = False) -> bytes:
        """Discard the text."""
        return text.encode()

    def append(self, name: str, line: str) -> None:
        """Discard the line."""


def _tell_nobody(kind: str, **data: Json) -> None:
    """Discard the event."""


MAX_STEPS = 1000


@dataclass(frozen=True)
class SimulatedStep:
    """One visit of a node and the next move; `branch` is the key of the visiting branch.

    `status` selects the edge. For a conditional, `status` is the status of an earlier stage.
    """

    visit: Visit
    decision: MoveDecision
    status: StageStatus
    branch: str = ""

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges that were followed: all edges at a fork, none for a jump or at the end."""
        route, end = self.decision.routes[-1], self.decision.move.end
        if self.visit.meeting:
            return tuple(candidate.edge for candidate in self.decision.routes[0].candidates)
        goes_on = end is None or end.node == route.target
        return (route.edge,) if route.edge and goes_on else ()


@dataclass(frozen=True)
class SimulatedWalk:
    """A walk from the start; `end` is None if the walk reached the maximum number of steps."""

    graph: Graph
    steps: Sequence[SimulatedStep]
    end: WalkEnd | None

    @property
    def path(self) -> tuple[str, ...]:
        """The visited nodes in order, including the exit."""
        nodes = [step.visit.node for step in self.steps]
        if self.end and self.end.status.is_success and self.end.node != nodes[-1]:
            nodes.append(self.end.node)
        return tuple(nodes)

    @property
    def paths(self) -> Sequence[Sequence[str]]:
        """The path of the walk without its branches, followed by the path of each branch."""
        paths: dict[str, list[str]] = {}
        for step in self.steps:
            paths.setdefault(step.branch, []).append(step.visit.node)
        return list(paths.values())

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The followed edges in order."""
        return tuple(edge for step in self.steps for edge in step.edges)

    @property
    def never_visited(self) -> tuple[str, ...]:
        """The nodes that were not visited."""
        visited = set(self.path)
        return tuple(node for node in self.graph.nodes if node not in visited)

    @property
    def without_receipt(self) -> tuple[str, ...]:
        """The visited nodes with a receipt, whose commands a simulation does not run."""
        nodes = dict.fromkeys(step.visit.node for step in self.steps)
        return tuple(node for node in nodes if receipt_command(self.graph.nodes[node]))

    @property
    def never_taken(self) -> tuple[Edge, ...]:
        """The edges that were not followed."""
        taken = {id(edge) for edge in self.edges}
        return tuple(edge for edge in self.graph.edges if id(edge) not in taken)


async def walk(
    graph: Graph,
    handlers: Mapping[str, Handler],
    *,
    context: Mapping[str, Json] | None = None,
    max_steps: int = MAX_STEPS,
) -> SimulatedWalk:
    """Walk from the start to an end, with handlers that only return outcomes."""
    simulation = _Simulation(graph, handlers, max_steps)
    try:
        progress = await simulation.walk(begin(graph, "", context or {}))
    except _CutOff:
        return SimulatedWalk(graph, tuple(simulation.steps), None)
    return SimulatedWalk(graph, tuple(simulation.steps), progress.end)


class _CutOff(Halted):
    """Raised when the maximum number of steps is reached."""


@dataclass
class _Simulation:
    """One walk with its branches: the steps, and the number of visits of each node."""

    graph: Graph
    handlers: Mapping[str, Handler]
    max_steps: int
    steps: list[SimulatedStep] = field(default_factory=list["SimulatedStep"])
    visits: Counter[str] = field(default_factory=Counter[str])

    @cached_property
    def branch_bounds(self) -> BranchBounds:
        """The bounds of the branches of each node."""
        return BranchBounds(self.graph, Forks(self.graph))

    async def walk(
        self, progress: Progress, branch: str = "", bounds: Bounds = NO_BOUNDS
    ) -> Progress:
        """Walk to an end; a branch ends where branches meet.

        After a restart, the walk continues as the next run (ruling R7).
        """
        while progress.end is None:
            if self.visits.total() >= self.max_steps:
                raise _CutOff
            # Reserve the place of this visit: it comes before the visits of its branches.
            place = len(self.steps)
            visit, progress = await self._visit(progress, branch)
            decision = choose_move(self.graph, progress, visit, bounds)
            progress = advance(progress, Step(visit, decision.move))
            self.steps.insert(place, SimulatedStep(visit, decision, progress.last_status, branch))
            if progress.is_restarting:
                progress = begin_again(progress)
        return progress

    async def _visit(self, progress: Progress, key: str) -> tuple[Visit, Progress]:
        """Visit the next node; return the visit, and the progress after its branches are joined."""
        node = self.graph.nodes[progress.next_node]
        self.visits[node.id] += 1
        number, attempt, streak = self.visits[node.id], 1, progress.streak(node.id)
        while True:
            branches = SimulatedBranches(
                progress, key, node.id, number, attempt, self.branch_bounds, self.walk
            )
            stage = make_stage(self.graph, node, progress, branches)
            outcome = await execute(resolve_handler(node, self.handlers), stage)
            updates = {**stage.context.written(), **outcome.context_updates}
            outcome = replace(outcome, context_updates=updates)
            if visit := end_attempt(stage, outcome, streak):
                return visit, join(progress, branches.walked)
            # Without branches, all attempts end in the same way, so only the last one is made.
            is_equal = not branches.walked
            following = last_attempt(stage, outcome, streak) if is_equal else attempt + 1
            failure = signature(outcome.failure_reason)
            attempt, streak = following, streak.and_then(failure, following - attempt)
