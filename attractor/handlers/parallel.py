"""Runs the branches of a parallel node, and reads their results."""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from itertools import count
from math import isnan
from time import monotonic

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.seams import Parts, Stage, Suspended, Waiting
from attractor.engine.state.walks import GIVEN_UP, Branch, BranchEnd
from attractor.engine.truncation import one_line
from attractor.language.graph.graph import Node

NO_ITEMS = "parallel.no_items"
"""The context key that is true if no items existed; missing results are then not an error."""

ADOPTED = "parallel.adopted"
"""The context key that is true after a fan-in used the results of a fork."""

WAIT_ALL = "wait_all"
ALL = "all"
FIRST_SUCCESS = "first_success"
K_OF_N = "k_of_n"
QUORUM = "quorum"


@dataclass(frozen=True)
class JoinPolicy:
    """The number of branches that must succeed; 0 waits for all branches, whatever their outcomes.

    A branch with partial success has succeeded. The policy `all` waits for all branches too, so
    that every fault is seen.
    """

    name: str
    branches: int
    needed: int

    def is_settled(self, ends: Sequence[BranchEnd]) -> bool:
        """Return whether no running branch could change the result."""
        if not self.needed or self.name == ALL:
            return len(ends) == self.branches
        good = count_successes(ends)
        return good >= self.needed or good + self.branches - len(ends) < self.needed

    def judge(self, ends: Sequence[BranchEnd]) -> Outcome:
        """Return the outcome of the branches, with their results as context updates, in order."""
        good = count_successes(ends)
        notes = ", ".join(f"{end.name}: {_word(end)}" for end in ends)
        results: list[Json] = [result_record(end) for end in ends]
        updates: dict[str, Json] = {
            "parallel.results": results,
            NO_ITEMS: False,
            ADOPTED: False,
            "parallel.success_count": good,
            "parallel.fail_count": sum(not end.is_canceled for end in ends) - good,
        }
        if self.needed and good < self.needed:
            failed = failure(self._reason(ends, notes), FailureClass.VERDICT)
            return replace(failed, context_updates=updates, notes=notes)
        is_whole = bool(self.needed) or good == len(ends)
        status = StageStatus.SUCCESS if is_whole else StageStatus.PARTIAL_SUCCESS
        return Outcome(status, context_updates=updates, notes=notes)

    def _reason(self, ends: Sequence[BranchEnd], notes: str) -> str:
        good = count_successes(ends)
        if self.name != ALL:
            return (
                f"{self.name}: {good} of {self.branches} succeeded, {self.needed} needed ({notes})"
            )
        failed = "; ".join(_describe_failure(end) for end in ends if not end.status.is_success)
        return f"{self.name}: {self.branches - good} of {self.branches} branches failed ({failed})"


def read_policy(node: Node, branches: int) -> JoinPolicy:
    """Return the join policy of a node for a number of branches."""
    name, k = node.attributes.text("join_policy") or WAIT_ALL, node.attributes.number("k") or 0
    needed = {
        WAIT_ALL: 0,
        ALL: branches,
        FIRST_SUCCESS: 1,
        QUORUM: branches // 2 + 1,
        K_OF_N: k,
    }
    if name not in needed:
        raise UnknownName("join policy", name, needed)
    if name == K_OF_N and k < 1:
        raise UsageError(
            f"missing or invalid k of {node.id}: join_policy={K_OF_N} requires it",
            hint="set k to the number of branches that must succeed (at least 1)",
        )
    return JoinPolicy(name, branches, needed[name])


def count_successes(ends: Sequence[BranchEnd]) -> int:
    """Return the number of branches that succeeded."""
    return sum(end.status.is_success for end in ends if not end.is_canceled)


def result_record(end: BranchEnd) -> dict[str, Json]:
    """Return the record of a branch in `parallel.results`."""
    return {
        "id": end.name,
        "branch": end.key,
        "outcome": _word(end),
        "notes": end.notes,
        "failure_reason": end.reason,
        "context_updates": dict(end.updates),
        "response": end.response,
        "files_changed": list(end.changed),
        "base": end.base,
        "tree": end.tree,
        "cost_usd": end.usage.cost_usd,
        "seconds": end.seconds,
    }


def _word(end: BranchEnd) -> str:
    return GIVEN_UP if end.is_canceled else end.status.value


def _describe_failure(end: BranchEnd) -> str:
    place = end.name if end.stage in ("", end.name) else f"{end.name} at {end.stage}"
    return f"{place}: {one_line(end.reason, _LONGEST_REASON)}"


_RANKS = ("success", "partial_success", "retry", "fail", "canceled")
_GOOD = frozenset(_RANKS[:2])
_LONGEST_NOTE = 2000
_LONGEST_REASON = 240


@dataclass(frozen=True)
class BranchCandidate:
    """A branch as a candidate of a fan-in; `key` identifies the branch in the journal."""

    id: str
    key: str
    outcome: str
    score: float
    base: str
    tree: str
    result: Mapping[str, Json]

    @property
    def is_good(self) -> bool:
        """Whether the branch succeeded, at least in part."""
        return self.outcome in _GOOD

    @property
    def rank(self) -> tuple[int, float, str]:
        """The sort key of candidates, the best first."""
        return (_RANKS.index(self.outcome), -self.score, self.id)


def read_candidates(results: Json) -> Sequence[BranchCandidate]:
    """Read `parallel.results`, and ignore invalid entries."""
    candidates: list[BranchCandidate] = []
    for result in results if isinstance(results, list) else ():
        if not isinstance(result, dict) or not result.get("id"):
            continue
        outcome, updates = result.get("outcome"), result.get("context_updates")
        score = updates.get("score") if isinstance(updates, dict) else None
        candidates.append(
            BranchCandidate(
                id=str(result["id"]),
                key=str(result.get("branch") or result["id"]),
                outcome=outcome if isinstance(outcome, str) and outcome in _RANKS else "fail",
                score=_number(score),
                base=str(result.get("base") or ""),
                tree=str(result.get("tree") or ""),
                result=result,
            )
        )
    return candidates


def best_of(candidates: Sequence[BranchCandidate]) -> BranchCandidate:
    """Return the best candidate (attractor-spec 4.9)."""
    return min(candidates, key=lambda one: one.rank)


def find_named(candidates: Sequence[BranchCandidate], said: str) -> BranchCandidate | None:
    """Return the candidate that an answer names, or None.

    Either the answer is the name alone, or the last line of the answer contains the name of only
    one candidate.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for text in (said.strip(), *lines[-1:]):
        wanted = normalize_label(text.strip("`'\"*. "))
        for candidate in candidates:
            if normalize_label(candidate.id) == wanted:
                return candidate
    words = {word.strip("`'\"*.,:;()[] ") for word in (lines[-1] if lines else "").split()}
    named = [candidate for candidate in candidates if candidate.id in words]
    return named[0] if len(named) == 1 else None


def describe(candidates: Sequence[BranchCandidate]) -> str:
    """Return the descriptions of the candidates, for a prompt."""
    described: list[str] = []
    for candidate in candidates:
        changed = candidate.result.get("files_changed")
        files = ", ".join(map(str, changed)) if isinstance(changed, list) and changed else "none"
        lines = [f"## {candidate.id}", f"outcome: {candidate.outcome}", f"files changed: {files}"]
        text = str(candidate.result.get("response") or candidate.result.get("notes") or "")
        described.append("\n".join([*lines, text[:_LONGEST_NOTE]] if text else lines))
    return "\n\n".join(described)


def _number(score: Json) -> float:
    try:
        number = float(score) if isinstance(score, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return 0.0 if isnan(number) else number


MAX_PARALLEL = 4

_Task = asyncio.Task[BranchEnd]


@dataclass(frozen=True)
class Parallel:
    """Walks a branch for each edge, until the branches meet (attractor-spec 4.8, ruling R6)."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Walk all branches, `max_parallel` at a time, until the join policy is settled."""
        fork = stage.branches.fork
        if fork is None or not fork.meeting:
            reason = f"the branches of {stage.node.id} never meet at one node"
            return failure(reason, FailureClass.PIPELINE)
        branches = plan_branches(stage, fork.meeting)
        return await walk_branches(stage, branches, read_policy(stage.node, len(branches)))


def plan_branches(stage: Stage, meeting: str) -> Sequence[Branch]:
    """Return a branch for each edge of a node, named after the target of the edge."""
    edges = stage.graph.outgoing(stage.node.id)
    return [Branch(edge.target, edge.target, meeting) for edge in edges]


async def walk_branches(stage: Stage, branches: Sequence[Branch], policy: JoinPolicy) -> Outcome:
    """Walk branches under a join policy, and return the outcome according to this policy."""
    began = monotonic()
    stage.emit("ParallelStarted", branch_count=len(branches), join_policy=policy.name)
    ends = await _Walking(stage, policy, _named_apart(branches)).walk_all()
    good = count_successes(ends)
    stage.emit(
        "ParallelCompleted",
        duration=round(monotonic() - began, 3),
        success_count=good,
        failure_count=sum(not end.is_canceled for end in ends) - good,
    )
    return policy.judge(ends)


def _named_apart(branches: Iterable[Branch]) -> Sequence[Branch]:
    """Return branches with unique names."""
    named: dict[str, Branch] = {}
    for branch in branches:
        names = (branch.name if n == 1 else f"{branch.name}#{n}" for n in count(1))
        name = next(name for name in names if name not in named)
        named[name] = replace(branch, name=name)
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
            for task in self.tasks.values():
                task.cancel()
            # Other errors were raised before.
            await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        ends: list[BranchEnd] = []
        for branch in self.branches:
            task = self.tasks.get(branch.name)
            if task is not None and _has_ended(task):
                ends.append(task.result())
            else:
                ends.append(await self.stage.branches.give_up(branch))
        return ends

    async def _settle(self) -> None:
        """Walk branches until the policy is settled, even after a branch parked a question."""
        left, running, waiting = deque(self.branches), set[_Task](), list[Waiting]()
        while True:
            ended = [task.result() for task in self.tasks.values() if _has_ended(task)]
            if self.policy.is_settled(ended):
                return
            while left and len(running) < self._at_once:
                branch = left.popleft()
                isolated = self.stage.node.attributes.text("isolation") != "shared"
                task = asyncio.create_task(self.stage.branches.walk(branch, isolated=isolated))
                self.tasks[branch.name] = task
                running.add(task)
            if not running:
                # An exhausted budget, for example, stops the run even if questions are open.
                raise next((error for error in waiting if isinstance(error, Suspended)), waiting[0])
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for error in filter(None, (task.exception() for task in done)):
                if not isinstance(error, Waiting):
                    raise error
                waiting.append(error)

    @property
    def _at_once(self) -> int:
        wanted = self.stage.node.attributes.number("max_parallel") or MAX_PARALLEL
        return max(1, min(wanted, self.stage.branches.at_once or wanted))


def _has_ended(task: _Task) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


part = Parallel
