"""Queues of promotions: approved runs that land on a branch one after the other.

A queue is a file for each branch in the state folder, written whole, and not lines of the ledger:
an order is no evidence, nothing is judged by it, and it changes. Decisions and promotions stay
lines of the ledger, and joining and leaving a queue are events of the run. One lock is held for
each change of a file, another one by the process that promotes the runs of a branch.
"""

import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.errors import LockHeld, UnknownName, UsageError
from attractor.base.files import make_private_folder
from attractor.base.locks import FileLock, LockHolder, holder_of
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_DECISION,
    CANCELED,
    FAILED,
    REJECTED,
    RunStatus,
)
from attractor.factory.open_project import RecordFolder

IDLE = timedelta(minutes=1)
"""After this time without a process, a queue counts as stuck."""

_PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class QueuedRun:
    """An approved run that waits to land on a branch.

    `current` is the run whose result lands: the queued run, or the last run that was rebased from
    it. Its id is recorded before it is created, in place of `parent`. `trouble` is why it could not
    land at the time `since`. `returned` is why it left the order; it is kept until a person has
    seen it.
    """

    run_id: str
    current: str
    by: str
    queued: datetime
    since: datetime
    parent: str = ""
    trouble: str = ""
    returned: str = ""
    conflicts: Sequence[str] = ()

    @property
    def names(self) -> Sequence[str]:
        """The ids by which people know it."""
        return [*dict.fromkeys(filter(None, (self.run_id, self.parent, self.current)))]


@dataclass(frozen=True)
class PromotionQueue:
    """The runs that wait to land on a branch, in their order, and those that were returned."""

    branch: str
    runs: Sequence[QueuedRun] = ()

    @property
    def waiting(self) -> Sequence[QueuedRun]:
        """The runs that are to land."""
        return [run for run in self.runs if not run.returned]

    @property
    def first(self) -> QueuedRun | None:
        """The run that lands next."""
        return next(iter(self.waiting), None)

    def find(self, run_id: str) -> QueuedRun | None:
        """Return the run with an id, or None."""
        return next((run for run in self.runs if run_id in run.names), None)

    def position(self, run: QueuedRun) -> int:
        """Return the place of a run in the order, from 1; 0 for a returned run."""
        return 0 if run.returned else 1 + self.waiting.index(run)

    def without(self, run: QueuedRun) -> "PromotionQueue":
        """Return the queue without a run."""
        return replace(
            self, runs=tuple(queued for queued in self.runs if queued.run_id != run.run_id)
        )

    def removal(self, run: QueuedRun) -> str:
        """Return the command that removes a run."""
        return f"attractor queue remove {run.run_id} --branch {shlex.quote(self.branch)}"

    def changed(self, run: QueuedRun) -> "PromotionQueue":
        """Return the queue with other facts about one of its runs."""
        runs = tuple(run if queued.run_id == run.run_id else queued for queued in self.runs)
        return replace(self, runs=runs)


class PromotionQueues(RecordFolder[PromotionQueue]):
    """The queues of a project, in the state folder."""

    name = "queues"
    kind = PromotionQueue

    def all(self) -> Sequence[PromotionQueue]:
        """Return the queues that have runs, by their branches."""
        return [queue for queue in super().all() if queue.runs]

    def read(self, branch: str) -> PromotionQueue:
        """Return the queue of a branch."""
        return self._named(branch) or PromotionQueue(branch)

    @contextmanager
    def locked(self, branch: str) -> Generator[PromotionQueue]:
        """Yield the queue of a branch, which no other process changes meanwhile."""
        make_private_folder(self.folder)
        lock = FileLock(self.file(branch, "lock"))
        with lock.acquire(wait=_PATIENCE_S, purpose="attractor queue"):
            yield self.read(branch)

    def write(self, queue: PromotionQueue) -> None:
        """Write the queue of a branch, which the caller has locked."""
        self._write(queue.branch, queue)

    def change(self, branch: str, run: QueuedRun) -> bool:
        """Record other facts about a run; return whether it is still in the queue."""
        with self.locked(branch) as queue:
            is_there = queue.find(run.run_id) is not None
            if is_there and queue.changed(run) != queue:
                self.write(queue.changed(run))
        return is_there

    def find(self, run_id: str, branch: str = "") -> tuple[PromotionQueue, QueuedRun]:
        """Return the queue with a run; one of several queues is named by its branch."""
        queues = [queue for queue in self.all() if branch in ("", queue.branch)]
        found = [(queue, run) for queue in queues if (run := queue.find(run_id))]
        if len(found) == 1:
            return found[0]
        if found:
            branches = ", ".join(queue.branch for queue, _ in found)
            raise UsageError(
                f"{run_id} is in several queues: {branches}", hint="name one: --branch BRANCH"
            )
        known = [run.run_id for queue in queues for run in queue.runs]
        raise UnknownName("queued run", run_id, known)

    def holder(self, branch: str) -> LockHolder | None:
        """Return the process that promotes the runs of a branch, or None."""
        place = self.file(branch, "running")
        return holder_of(place) if FileLock.is_held(place) else None

    @contextmanager
    def processing(self, branch: str) -> Generator[None]:
        """Be the process that promotes the runs of a branch; refuse a second one."""
        make_private_folder(self.folder)
        lock = FileLock(self.file(branch, "running"))
        try:
            lock.acquire(purpose=f"attractor queue run --branch {branch}")
        except LockHeld as held:
            raise LockHeld(
                f"the queue of {branch} is held by {self.holder(branch) or 'another process'}",
                hint="that process promotes its runs; see: attractor queue",
            ) from held
        with lock:
            yield


class Step(StrEnum):
    """What is done next for the run that lands next."""

    REBASE = "rebase"
    EVALUATE = "evaluate"
    PROMOTE = "promote"
    RETURN = "return"
    WAIT = "wait"


@dataclass(frozen=True)
class LandingFacts:
    """The facts about the run that lands next.

    `status` is None if the rebased run was not created before its process died. The other facts are
    those of a run that waits for a decision: why the gate says no-go, and whether trials have no
    result, for which a person is asked.
    """

    status: RunStatus | None
    no_go: str = ""
    is_unfinished: bool = False


def next_step(facts: LandingFacts) -> Step:
    """Decide what is done for the run that lands next.

    A decision is never made here: a rebased run waits for that of a person.
    """
    match facts.status:
        case None:
            return Step.REBASE
        case status if status == APPROVED:
            return Step.PROMOTE
        case status if status in (REJECTED, FAILED, CANCELED):
            return Step.RETURN
        case status if status == AWAITING_DECISION:
            # Also if the branch moved: one rebase, and its evaluation, for each decision.
            return Step.RETURN if facts.no_go and not facts.is_unfinished else Step.WAIT
        case _:
            return Step.EVALUATE


def why_it_waits(
    queue: PromotionQueue, run: QueuedRun, status: RunStatus | None, holder: LockHolder | None
) -> str:
    """Return why a run has not landed, with the next command; `status` is that of `current`."""
    if run.returned:
        return (
            f"returned: {run.returned}; start a new run with --feedback {run.current}, then: "
            f"{queue.removal(run)}"
        )
    position = queue.position(run)
    if position > 1:
        return f"waits for {queue.waiting[position - 2].run_id} to land"
    if holder:
        return f"{holder.purpose} works on it (process {holder.pid})"
    if status == AWAITING_DECISION and not run.trouble:
        return needs_decision(queue.branch, run)
    words = run.trouble or "no process promotes it"
    return f"{words}; next: attractor queue run --branch {queue.branch}"


def needs_decision(branch: str, run: QueuedRun) -> str:
    """Return why a rebased run needs a decision of its own."""
    return (
        f"rebased onto {branch} as {run.current}, which needs a decision of its own: "
        f"attractor decide {run.current}"
    )


def is_stuck(run: QueuedRun, now: datetime, *, is_held: bool) -> bool:
    """Return whether the run that lands next needs a person who looks at the queue."""
    return not is_held and (bool(run.trouble) or now - run.since > IDLE)
