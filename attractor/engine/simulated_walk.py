"""Walks a graph without running anything: by the very decisions a run makes.

Routing, goal gates, retries and limits are the run's own functions. Only what a run keeps on disk
is left out: the journal, the stage folders, the trees.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attractor.base.canonical import Json
from attractor.engine.context import Context
from attractor.engine.execution import execute
from attractor.engine.moves import Decision, choose_move
from attractor.engine.no_workspace import NoWorkspace
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.preflight import resolve_handler
from attractor.engine.progress import Ending, Progress, Step, Visit, advance, begin
from attractor.engine.retry import may_retry, retry_policy, settle
from attractor.engine.seams import Handler, Stage
from attractor.language.graph import Edge, Graph, Node

MAX_STEPS = 1000


@dataclass(frozen=True)
class SimulatedStep:
    """One visit of a node, and where the walk went from there.

    `status` is the outcome that ways out are chosen by: a conditional has that of a stage before.
    """

    visit: Visit
    decision: Decision
    status: StageStatus

    @property
    def edge(self) -> Edge | None:
        """The edge that was followed; None for a jump, and where the walk ended."""
        route, move = self.decision.routes[-1], self.decision.move
        goes_on = move.end is None or move.end.status.is_success
        return route.edge if goes_on else None


@dataclass(frozen=True)
class SimulatedWalk:
    """A walk from the start; without an end it was cut off after the most steps allowed."""

    graph: Graph
    steps: Sequence[SimulatedStep]
    end: Ending | None

    @property
    def path(self) -> tuple[str, ...]:
        """The nodes in the order they were come to, the exit among them."""
        nodes = [step.visit.node for step in self.steps]
        if self.end and self.end.status.is_success and self.end.node != nodes[-1]:
            nodes.append(self.end.node)
        return tuple(nodes)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges in the order they were followed."""
        return tuple(step.edge for step in self.steps if step.edge)

    @property
    def never_visited(self) -> tuple[str, ...]:
        """The nodes that were not come to."""
        visited = set(self.path)
        return tuple(node for node in self.graph.nodes if node not in visited)

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
    """Walk from the start to an end, with handlers that do nothing but say how a stage ended."""
    progress, steps = begin(graph, "", context or {}), list[SimulatedStep]()
    while progress.end is None and len(steps) < max_steps:
        visit = await _visit(graph, handlers, progress)
        decision = choose_move(graph, progress, visit)
        progress = advance(progress, Step(visit, decision.move))
        steps.append(SimulatedStep(visit, decision, progress.last_status))
    return SimulatedWalk(graph, tuple(steps), progress.end)


async def _visit(graph: Graph, handlers: Mapping[str, Handler], progress: Progress) -> Visit:
    node = graph.nodes[progress.next_node]
    number = progress.visits(node.id) + 1
    stage = _stage(graph, node, progress, number)
    outcome = await execute(resolve_handler(node, handlers), stage)
    updates = {**stage.context.written(), **outcome.context_updates}
    attempts = _attempts(graph, node, outcome)
    settled = settle(node, replace(outcome, context_updates=updates))
    return Visit(
        node=node.id,
        number=number,
        attempts=attempts,
        outcome=settled,
        logs=stage.context.logs(),
        is_transparent=node.type == "conditional" and settled.status.is_success,
    )


def _attempts(graph: Graph, node: Node, outcome: Outcome) -> int:
    """Return how many attempts there are when every one ends the same."""
    policy = retry_policy(node, graph)
    most = max(policy.max_attempts, policy.max_attempts_after_verdict)
    # Found by halves: `max_retries` may be any number.
    return 1 + bisect_left(
        range(1, most), True, key=lambda attempt: not may_retry(policy, outcome, attempt)
    )


def _stage(graph: Graph, node: Node, progress: Progress, visit: int) -> Stage:
    return Stage(
        node=node,
        graph=graph,
        context=Context({**progress.context, "current_node": node.id}),
        logs_root=Path(),
        visit=visit,
        attempt=1,
        labels=tuple(one.label for one in graph.outgoing(node.id) if one.label),
        files=_NoFiles(),
        emit=_tell_nobody,
        workspace=NoWorkspace(),
    )


class _NoFiles:
    """Keeps nothing of what a stage writes."""

    def write(self, name: str, text: str) -> None:
        """Forget it."""

    def append(self, name: str, line: str) -> None:
        """Forget it."""


def _tell_nobody(kind: str, **data: Json) -> None:
    """Forget the event."""
