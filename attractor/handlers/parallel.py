"""Walks several branches at the same time, each with its own context and workspace."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import field, replace
from itertools import count
from time import monotonic

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.seams import Exhausted, Parts, Stage, Waiting
from attractor.engine.state.branches import Branch, BranchEnd
from attractor.handlers.branch_results import JoinPolicy, count_successes, read_policy

MAX_PARALLEL = 4

_Task = asyncio.Task[BranchEnd]


@dataclass(frozen=True)
class Parallel:
    """Walks a branch for each edge, until they meet (attractor-spec 4.8, ruling R6)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Walk all branches, `max_parallel` at a time, until the join policy is settled."""
        fork = stage.branches.fork
        if fork is None or not fork.meeting:
            reason = f"the branches of {stage.node.id} never meet"
            return failure(reason, FailureClass.PIPELINE)
        branches = plan_branches(stage, fork.meeting)
        return await walk_branches(stage, branches, read_policy(stage.node, len(branches)))


def plan_branches(stage: Stage, meeting: str) -> Sequence[Branch]:
    """Return a branch for each edge of a node, named after its target."""
    edges = stage.graph.outgoing(stage.node.id)
    return [Branch(edge.target, edge.target, meeting) for edge in edges]


async def walk_branches(stage: Stage, branches: Sequence[Branch], policy: JoinPolicy) -> Outcome:
    """Walk branches under a join policy, and return its outcome."""
    began = monotonic()
    stage.emit("ParallelStarted", branch_count=len(branches), join_policy=policy.name)
    ends = await _Walking(stage, policy, _named_apart(branches)).walk_all()
    good = count_successes(ends)
    stage.emit(
        "ParallelCompleted",
        duration=round(monotonic() - began, 3),
        success_count=good,
        failure_count=sum(not one.is_canceled for one in ends) - good,
    )
    return policy.judge(ends)


def _named_apart(branches: Iterable[Branch]) -> Sequence[Branch]:
    """Return branches with unique names."""
    named: dict[str, Branch] = {}
    for one in branches:
        names = (one.name if n == 1 else f"{one.name}#{n}" for n in count(1))
        name = next(name for name in names if name not in named)
        named[name] = replace(one, name=name)
    return list(named.values())


@dataclass(frozen=True)
class _Walking:
    """The branches of one attempt while they run."""

    stage: Stage
    policy: JoinPolicy
    branches: Sequence[Branch]
    tasks: dict[str, _Task] = field(default_factory=dict[str, _Task])

    async def walk_all(self) -> Sequence[BranchEnd]:
        """Return the end of each branch, in order."""
        try:
            await self._settle()
        finally:
            await _stop(self.tasks.values())
        return [await self._end(one) for one in self.branches]

    async def _settle(self) -> None:
        """Walk until the policy is settled; if a gate parks, the other branches finish."""
        left, running, waiting = deque(self.branches), set[_Task](), list[Waiting]()
        while not self.policy.is_settled(self._ends()):
            while left and len(running) < self._at_once:
                running.add(self._begin(left.popleft()))
            if not running:
                # An exhausted budget stops the run, even if questions are open.
                raise next((one for one in waiting if isinstance(one, Exhausted)), waiting[0])
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for error in filter(None, (task.exception() for task in done)):
                if not isinstance(error, Waiting):
                    raise error
                waiting.append(error)

    @property
    def _at_once(self) -> int:
        wanted = self.stage.node.attributes.number("max_parallel") or MAX_PARALLEL
        return max(1, min(wanted, self.stage.branches.at_once or wanted))

    def _begin(self, branch: Branch) -> _Task:
        isolated = self.stage.node.attributes.text("isolation") != "shared"
        task = asyncio.create_task(self.stage.branches.walk(branch, isolated=isolated))
        self.tasks[branch.name] = task
        return task

    def _ends(self) -> Sequence[BranchEnd]:
        return [task.result() for task in self.tasks.values() if _has_ended(task)]

    async def _end(self, branch: Branch) -> BranchEnd:
        task = self.tasks.get(branch.name)
        if task is not None and _has_ended(task):
            return task.result()
        return await self.stage.branches.give_up(branch)


def _has_ended(task: _Task) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _stop(tasks: Collection[_Task]) -> None:
    """Cancel the running tasks, and wait for them; other errors were raised before."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


part = Parallel
