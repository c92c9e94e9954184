"""Begins the next round of a pull request: a run on the result of the last one."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from attractor.base.amounts import format_cost
from attractor.base.errors import AttractorError, LockHeld, Refused, UsageError
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_DECISION,
    CANCELED,
    FAILED,
    REJECTED,
    RunStatus,
)
from attractor.factory.candidate_run import CandidateRun, before_a_decision, read_candidate_run
from attractor.factory.decisions.promotion import CLOSED
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.feedback import read_pull_feedback
from attractor.factory.pulls.readings import PullReadings
from attractor.factory.pulls.rounds import find_pull, require_latest_round, rounds_in
from attractor.factory.resources.versions import split_pin
from attractor.records.request import RunRequest, current_request

_LOCK_PATIENCE_S = 1.0


def is_lost(run_id: str, opened: OpenProject) -> bool:
    """Return whether a run never began, or ended without a result that could be proposed."""
    try:
        status = read_candidate_run(opened.find(run_id)).state.status
    except AttractorError:
        return True
    return status in (REJECTED, FAILED, CANCELED)


def living_next_run(run_id: str, opened: OpenProject) -> str:
    """Return the run of the next round after a run, or "" if no round has begun or it is lost."""
    reading = PullReadings.of(opened).of_run(run_id)
    begun = reading.next_run if reading else ""
    return "" if not begun or is_lost(begun, opened) else begun


@contextmanager
def next_round(root: Path, opened: OpenProject) -> Generator[RunRequest]:
    """Yield the request of the next round: that of the last round, on the files of its result.

    The rest of the budget of the last round is the budget of the next one. Start the run within the
    block, during which no other process begins a round of this pull request.
    """
    facts = read_candidate_run(root)
    if root.parent != opened.project.runs_dir:
        raise UsageError(f"{root} is not in the folder of runs", hint="see: attractor pr list")
    _require_open_pull(facts, opened)
    request = current_request(facts.manifest, facts.state)
    if request.withheld:
        names = ", ".join(request.withheld)
        raise UsageError(
            f"the record of {facts.run_id} does not contain the secret values of {names}",
            hint=f"pass them: attractor run FILE --feedback {facts.run_id}",
        )
    reading = PullReadings.of(opened).of_run(facts.run_id)
    if reading and reading.moved_to:
        raise Refused(
            f"another person pushed {reading.moved_to[:12]} to the branch of {reading.url}, so no "
            "further round can be pushed",
            hint="merge or close that pull request by hand",
        )
    if not read_pull_feedback(root, facts.run_id, opened.ledger.entries(facts.run_id)):
        raise Refused(
            f"{facts.run_id} needs no further round: no check failed, and no remark was read",
            hint=f"attractor pr sync {facts.run_id}",
        )
    with _locked_next(facts.run_id, opened):
        left = require_budget_left(request.budgets.cost_usd, facts.cost_usd)
        yield replace(
            request,
            budgets=replace(request.budgets, cost_usd=left),
            builds_on=facts.run_id,
            continues=None,
            submission=None,
            suite=split_pin(request.suite)[0],
            profile=split_pin(request.profile)[0],
            evaluate=True,
        )


def _require_open_pull(facts: CandidateRun, opened: OpenProject) -> None:
    """Refuse the next round of a pull request that is missing or ended.

    After its end, the result of the round would open another one.
    """
    run_id = facts.run_id
    pull = find_pull(run_id, opened.ledger)
    if pull is None:
        is_next = any(one.next_run == run_id for one in PullReadings.of(opened).all())
        missing = "is not proposed yet" if is_next else "has no pull request"
        raise Refused(f"{run_id} {missing}", hint=_before_a_proposal(facts.state.status, run_id))
    if not pull.is_open:
        is_closed = pull.state == CLOSED
        again = f"open it again on the forge, then: attractor pr sync {run_id}"
        raise Refused(
            f"pull request {pull.number} is {pull.state}",
            hint=again if is_closed else "start a new run on the merged branch: git pull",
        )


def _before_a_proposal(status: RunStatus, name: str) -> str:
    """Return the next command on the way to a pull request."""
    if status == APPROVED:
        return f"attractor promote {name} --to pr"
    if status == AWAITING_DECISION:
        return f"attractor decide {name} --approve, then: attractor promote {name} --to pr"
    return before_a_decision(status, name)


@contextmanager
def _locked_next(run_id: str, opened: OpenProject) -> Generator[None]:
    """Lock the next round of a run; refuse it if it has begun, or begins in another process."""
    try:
        # A process that reads the pull request holds the lock for a moment.
        lock = PullReadings.of(opened).lock_next(run_id, wait=_LOCK_PATIENCE_S)
    except LockHeld as cause:
        _refuse_begun(run_id, opened)
        raise Refused(
            f"another process begins the next round of {run_id}", hint="attractor pr list"
        ) from cause
    with lock:
        _refuse_begun(run_id, opened)
        yield


def _refuse_begun(run_id: str, opened: OpenProject) -> None:
    rounds = rounds_in(opened.ledger.entries())
    for own in rounds:
        if own.run_id == run_id:
            require_latest_round(own, rounds, "attractor pr next")
    if begun := living_next_run(run_id, opened):
        raise Refused(
            f"the next round of {run_id} has begun: {begun}",
            hint=f"attractor status {begun}; or reject or cancel it first",
        )


def require_budget_left(limit: float | None, used: float) -> float | None:
    """Return the cost that is left for the next round of a pull request."""
    if limit is not None and used >= limit:
        raise Refused(
            f"the rounds of the pull request cost {format_cost(used)} of {format_cost(limit)}",
            hint="start a run with a budget of its own: attractor run FILE --feedback RUN",
        )
    return None if limit is None else limit - used
