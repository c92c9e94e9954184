"""When a parallel node is done, and what its branches come to together (ruling R6)."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.engine.interfaces import BranchEnd
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.state.branch_state import GIVEN_UP
from attractor.language.graph.graph import Node

WAIT_ALL = "wait_all"
FIRST_SUCCESS = "first_success"
K_OF_N = "k_of_n"
QUORUM = "quorum"


@dataclass(frozen=True)
class JoinPolicy:
    """How many branches have to succeed; `needed` is 0 when all are waited for, however they end.

    A branch that succeeded in part has succeeded.
    """

    name: str
    branches: int
    needed: int

    def is_settled(self, ends: Sequence[BranchEnd]) -> bool:
        """Tell whether no branch that still runs could change anything."""
        if not self.needed:
            return len(ends) == self.branches
        good = count_good(ends)
        return good >= self.needed or good + self.branches - len(ends) < self.needed

    def judge(self, ends: Sequence[BranchEnd]) -> Outcome:
        """Return what the branches come to: their results go into the context, in their order."""
        good, told = count_good(ends), _told(ends)
        results: list[Json] = [result_record(one) for one in ends]
        updates: dict[str, Json] = {
            "parallel.results": results,
            "parallel.no_items": False,
            "parallel.success_count": good,
            "parallel.fail_count": sum(not one.is_canceled for one in ends) - good,
        }
        if self.needed and good < self.needed:
            reason = f"{self.name}: {good} of {self.branches} succeeded, {self.needed} needed"
            failed = failure(f"{reason} ({told})", FailureClass.VERDICT)
            return replace(failed, context_updates=updates, notes=told)
        is_whole = bool(self.needed) or good == len(ends)
        status = StageStatus.SUCCESS if is_whole else StageStatus.PARTIAL_SUCCESS
        return Outcome(status, context_updates=updates, notes=told)


def read_policy(node: Node, branches: int) -> JoinPolicy:
    """Return the policy that a node asks for, over so many branches."""
    name, k = node.attributes.text("join_policy") or WAIT_ALL, node.attributes.number("k") or 0
    needed = {WAIT_ALL: 0, FIRST_SUCCESS: 1, QUORUM: branches // 2 + 1, K_OF_N: k}
    if name not in needed:
        raise UnknownName("join policy", name, needed)
    if name == K_OF_N and k < 1:
        raise UsageError(
            f"join_policy={K_OF_N} of {node.id} does not say how many have to succeed",
            hint="set k to a number of branches",
        )
    return JoinPolicy(name, branches, needed[name])


def count_good(ends: Sequence[BranchEnd]) -> int:
    """Return how many branches succeeded."""
    return sum(one.status.is_success for one in ends if not one.is_canceled)


def result_record(end: BranchEnd) -> dict[str, Json]:
    """Return how a branch ended as `parallel.results` has it."""
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


def _told(ends: Sequence[BranchEnd]) -> str:
    return ", ".join(f"{one.name}: {_word(one)}" for one in ends)


def _word(end: BranchEnd) -> str:
    return GIVEN_UP if end.is_canceled else end.status.value
