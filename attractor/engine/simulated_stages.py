"""What a simulated stage is made of, and how often it is tried."""

from bisect import bisect_left
from pathlib import Path

from attractor.base.json import Json
from attractor.engine.alike import NO_STREAK, Streak, alike_limit, signature
from attractor.engine.context import Context
from attractor.engine.no_workspace import NoWorkspace
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.progress import Progress
from attractor.engine.retry import may_retry, retry_policy
from attractor.engine.seams import Stage
from attractor.engine.simulated_branches import SimulatedBranches
from attractor.language.graph.graph import Graph, Node


def count_attempts(graph: Graph, node: Node, outcome: Outcome) -> int:
    """Return how many attempts there are when every one ends the same."""
    policy = retry_policy(node, graph)
    most = max(policy.max_attempts, policy.max_attempts_after_verdict)
    # Found by halves: `max_retries` may be any number.
    return 1 + bisect_left(
        range(1, most), True, key=lambda attempt: not may_retry(policy, outcome, attempt)
    )


def limit_attempts(
    graph: Graph, node: Node, progress: Progress, outcome: Outcome, attempts: int
) -> tuple[int, Streak]:
    """Return how many of these attempts are made, and the streak of failures before the last."""
    if outcome.status.is_success or outcome.status is StageStatus.SKIPPED:
        return attempts, NO_STREAK
    failure, record = signature(outcome.failure_reason), progress.stages.get(node.id)
    before = record.alike if record and record.failure == failure else 0
    limit = alike_limit(graph, node)
    made = attempts if limit is None else max(1, min(attempts, limit - before))
    return made, Streak(failure, before + made - 1) if made > 1 else NO_STREAK


def make_stage(graph: Graph, node: Node, progress: Progress, branches: SimulatedBranches) -> Stage:
    """Return the stage that is simulated where a walk stands."""
    return Stage(
        node=node,
        graph=graph,
        context=Context({**progress.context, "current_node": node.id}),
        logs_root=Path(),
        visit=branches.visit,
        attempt=branches.attempt,
        labels=tuple(one.label for one in graph.outgoing(node.id) if one.label),
        files=_NoFiles(),
        emit=_tell_nobody,
        workspace=NoWorkspace(),
        branches=branches,
    )


class _NoFiles:
    """Keeps nothing of what a stage writes."""

    def write(self, name: str, text: str) -> None:
        """Forget it."""

    def append(self, name: str, line: str) -> None:
        """Forget it."""


def _tell_nobody(kind: str, **data: Json) -> None:
    """Forget the event."""
