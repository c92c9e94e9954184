"""The process of a mission: it carries out what `next_orders` returns, until a person is needed.

It holds the lock of the mission. Each run has a process of its own, which outlives a kill of this
one: the next process finds the run by its lock, or continues it.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, LockHeld, ProcessNotStarted, is_not_now, words_of
from attractor.base.interrupts import run_in_process
from attractor.base.locks import FileLock
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file, without_token
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.evaluation.evaluate import Evaluator, read_feedback
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import Here, carry_out
from attractor.factory.operations.evaluate import request_evaluation
from attractor.factory.operations.race import cancel_here
from attractor.factory.operations.submission import remove_files
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.register import find_restarts
from attractor.missions.landing import NotMerged, merge_work, move_tip, repository_of
from attractor.missions.orders import Do, Facts, Order, RunNow, next_orders
from attractor.missions.records import (
    Begun,
    Canceled,
    Closed,
    Ended,
    History,
    Landed,
    Mission,
    MissionFolder,
    Planned,
    Returned,
    Role,
    Said,
    find_mission,
)
from attractor.missions.runs import due_run, look, read_end, read_planned, wants_evaluation
from attractor.records.diagnosis.failures import budget_option
from attractor.records.lookup import mark_of
from attractor.supervision.process import begin_process

if TYPE_CHECKING:
    from attractor.fleet.dispatch.in_pool import InPool

MODULE = "attractor.missions.process"
_POLL_S = 0.2
_LOCK_PATIENCE_S = 5.0
_START_PATIENCE_S = 30.0
_MOST_STARTS = 3
"""How often a run whose process ends without a result is started by one process of a mission."""


class MissionPlace(Protocol):
    """Where the runs of a mission are executed, and its trees are merged."""

    def facts(self, history: History) -> Facts:
        """Return what the journal does not record."""
        ...

    def start(self, begun: Begun) -> None:
        """Start a process for a run that is due, or goes on."""
        ...

    def new_run_id(self) -> str:
        """Return the id of one more run."""
        ...

    def read_end(self, begun: Begun, history: History) -> Ended:
        """Return how a run ended."""
        ...

    def read_planned(self, begun: Begun, ended: Ended, history: History) -> Planned:
        """Return the plan that a planner's run left."""
        ...

    def merge(self, order: Order, history: History) -> str | NotMerged:
        """Return the commit with the work of a run on the tip, or why there is none."""
        ...

    def move(self, landing: Begun, history: History) -> str:
        """Move the branch to a merged commit, and return its tree."""
        ...

    def feedback(self, run_id: str) -> str:
        """Return what the verdict on a run tells the planner."""
        ...

    def cancel(self, begun: Begun, history: History) -> None:
        """Cancel an open run of a mission that has ended or is paused."""
        ...


def carry(order: Order, folder: MissionFolder, history: History, place: MissionPlace) -> None:
    """Carry out one order; each line is recorded before the next one is decided."""
    if order.line:
        for begun in history.open_runs if isinstance(order.line, Closed) else ():
            place.cancel(begun, history)
        folder.record(order.line)
    elif order.do is Do.START:
        place.start(history.begun[order.run_id])
    elif order.do in (Do.RECORD, Do.READ):
        begun = history.begun[order.run_id]
        is_read = order.do is Do.READ
        ended = history.ended[order.run_id] if is_read else place.read_end(begun, history)
        folder.record(place.read_planned(begun, ended, history) if is_read else ended)
    elif order.do is Do.CANCEL:
        place.cancel(history.begun[order.run_id], history)
        folder.record(Canceled(order.run_id, place.facts(history).now))
    elif order.do is Do.MOVE:
        folder.record(_moved(history.begun[order.run_id], history, place))
    elif order.do is Do.LAND:
        _land(order, folder, history, place)
    else:
        _begin(_begun(order, _ROLES[order.do], history, place, history.tip), folder, place)


_ROLES: Mapping[Do, Role] = {
    Do.PLAN: Role.PLANNER,
    Do.TRY: Role.TRIAL,
    Do.WORK: Role.WORKER,
    Do.JUDGE: Role.JUDGE,
}


def _moved(landing: Begun, history: History, place: MissionPlace) -> Landed:
    """Move the branch, and return the line about it."""
    tree, now = place.move(landing, history), place.facts(history).now
    results = history.ended[landing.run_id].results
    where = tree, history.tip, landing.commit
    return Landed(landing.task, landing.worker, *where, now, results)


def _land(order: Order, folder: MissionFolder, history: History, place: MissionPlace) -> None:
    """Merge the work of a run; let its checks begin, or return it."""
    merged = place.merge(order, history)
    if isinstance(merged, NotMerged):
        now = place.facts(history).now
        folder.record(Returned(order.task, order.run_id, merged.cause, merged.words, now))
    else:
        _begin(_begun(order, Role.LANDING, history, place, merged), folder, place)


def _begin(begun: Begun, folder: MissionFolder, place: MissionPlace) -> None:
    """Record a run that is due, then start its process: a kill between both loses nothing."""
    folder.record(begun)
    place.start(begun)


def _begun(order: Order, role: Role, history: History, place: MissionPlace, commit: str) -> Begun:
    tasks: Sequence[str] = ()
    words = order.words
    if role is Role.TRIAL:
        tasks = [task.id for task in history.plan.tasks] if history.plan else []
    elif role is Role.LANDING:
        tasks = [*history.landed, order.task]
    elif role is Role.WORKER:
        words = "\n".join(one.words for one in history.returns_of(order.task))
    elif role is Role.PLANNER and order.run_id:
        words = place.feedback(order.run_id)
    return Begun(
        run_id=place.new_run_id(),
        role=role,
        at=place.facts(history).now,
        commit=commit,
        task=order.task,
        tasks=tasks,
        reserved_usd=order.reserved_usd,
        words=words,
        worker=order.run_id if role is Role.LANDING else "",
    )


def work(
    folder: MissionFolder, place: MissionPlace, pause: Callable[[], None], *, stays: bool = True
) -> Order | None:
    """Carry out orders until the mission has ended, or waits for a person: return that wait.

    `pause` returns after a moment, while runs work.
    """
    while True:
        history = folder.read()
        orders = next_orders(history, place.facts(history))
        doing = [order for order in orders if order.do is not Do.WAIT]
        # One at a time: a run that begins has its share of the budget before the next one.
        for order in doing[:1]:
            carry(order, folder, history, place)
        if history.closed:
            return None
        if not doing:
            if orders and not any(
                now is RunNow.WORKING for now in place.facts(history).runs.values()
            ):
                return orders[0]
            if not stays:
                return None
            pause()


@dataclass
class ThisMachine:
    """Executes the runs of a mission in processes of this machine."""

    folder: MissionFolder
    opened: OpenProject
    starts: dict[str, int]
    known: tuple[str, int] = ("", 0)
    """How many attempts the suite has left, and the state of the ledger of which that is true."""

    def facts(self, history: History) -> Facts:
        """Look at the open runs, the branch, and the attempts that the suite has left."""
        runs = {one.run_id: self._look(one) for one in history.open_runs}
        return Facts(
            now=self.opened.now(),
            runs=runs,
            branch=asyncio.run(self._branch(history)),
            attempts_left=self._attempts_left(history),
        )

    def _look(self, begun: Begun) -> RunNow:
        now = look(begun, self.folder, self.opened)
        if now is RunNow.GONE and self.starts.get(begun.run_id, 0) >= _MOST_STARTS:
            return RunNow.ASKS
        return now

    async def _branch(self, history: History) -> str:
        repository = await repository_of(self.opened)
        return await repository.ref(f"refs/heads/{history.mission.branch}")

    def _attempts_left(self, history: History) -> int:
        mark, pinned = mark_of(str(self.opened.ledger.file)), history.mission.suite
        if pinned and self.known[0] != mark:
            self.known = mark, Evaluator(self.opened).attempts_left(pinned)
        return self.known[1]

    def new_run_id(self) -> str:
        """Return a new id."""
        return self.opened.project.machine.new_run_id()

    def start(self, begun: Begun) -> None:
        """Start a process, and wait until it holds the lock of the run, or has ended."""
        self.starts[begun.run_id] = self.starts.get(begun.run_id, 0) + 1
        machine, project = self.opened.project.machine, self.folder.project
        process = begin_process(
            [sys.executable, "-P", "-m", MODULE, *words_for(self.folder, begun.run_id)],
            cwd=project.root,
            environ={
                **without_token(machine.environ),
                "ATTRACTOR_STATE_DIR": str(machine.state_dir),
            },
            log=self.folder.log,
        )
        await_lock(process.poll, self.folder.run_lock(begun.run_id))

    def read_end(self, begun: Begun, history: History) -> Ended:
        """Read the records of the run."""
        return read_end(begun, history, self.opened)

    def read_planned(self, begun: Begun, ended: Ended, history: History) -> Planned:
        """Read the plan from the files of the run."""
        return asyncio.run(read_planned(begun, ended, history, self.opened))

    def merge(self, order: Order, history: History) -> str | NotMerged:
        """Merge the work in the repository of the project."""
        tree = history.ended[order.run_id].tree
        task = history.tasks[order.task]
        return asyncio.run(merge_work(order.run_id, tree, task, history, self.opened))

    def move(self, landing: Begun, history: History) -> str:
        """Move the branch, and record it in the ledger."""
        where = landing.task, landing.worker, landing.commit
        return asyncio.run(move_tip(*where, history, self.opened))

    def feedback(self, run_id: str) -> str:
        """Return rules, tags and counts: no word of a holdout."""
        pinned = self.folder.read().mission.suite
        found = read_feedback(
            self.opened.project.runs_dir / run_id, self.opened, pinned.partition("@")[0]
        ).to_context()
        return "\n".join(f"{name}: {value}" for name, value in found.items())

    def cancel(self, begun: Begun, history: History) -> None:
        """Cancel the run, if it has begun; one whose process is about to begin it begins first."""
        lock, last = self.folder.run_lock(begun.run_id), history.last_word
        while not (roots := find_restarts(begun.run_id, self.opened)) and FileLock.is_held(lock):
            time.sleep(_POLL_S)
        for root in roots[:1]:
            if not read_candidate_run(root).state.status.is_final:
                is_paused = last and last.said is Said.PAUSED
                why = f"mission {self.folder.name} {'is paused' if is_paused else 'has ended'}"
                by = last.by if last and is_paused else history.mission.by
                _cancel(begun, root, history.mission, self.opened, by, why)


def words_for(folder: MissionFolder, run_id: str = "") -> list[str]:
    """Return the arguments of the process of a mission, or of one of its runs."""
    return [folder.name, *([run_id] if run_id else [])]


def await_lock(poll: Callable[[], int | None], lock: Path) -> None:
    """Wait until a new process holds its lock, or has ended."""
    until = time.monotonic() + _START_PATIENCE_S
    while poll() is None and not FileLock.is_held(lock):
        if time.monotonic() > until:
            raise ProcessNotStarted(
                f"a process of a mission does not begin: {lock}", hint="look at process.log there"
            )
        time.sleep(_POLL_S / 4)


def wake(folder: MissionFolder, opened: OpenProject) -> None:
    """Start the process of a mission unless it has one."""
    if FileLock.is_held(folder.lock):
        return
    machine = opened.project.machine
    process = begin_process(
        [sys.executable, "-P", "-m", MODULE, *words_for(folder)],
        cwd=folder.project.root,
        environ={**without_token(machine.environ), "ATTRACTOR_STATE_DIR": str(machine.state_dir)},
        log=folder.log,
    )
    await_lock(process.poll, folder.lock)


def _work_on_run(run_id: str, folder: MissionFolder, opened: OpenProject) -> None:
    """Begin or continue one run, in a process of its own."""
    history = folder.read()
    begun, mission = history.begun[run_id], history.mission
    purpose = f"run {run_id} of the mission {folder.name}"
    with FileLock(folder.run_lock(run_id)).acquire(wait=_LOCK_PATIENCE_S, purpose=purpose):
        try:
            place = _pool_of(begun, mission, opened) or Here(opened)
            run_in_process(carry_out(due_run(begun, folder, opened), place))
        except AttractorError as fault:
            if is_not_now(fault) or find_restarts(run_id, opened):
                raise
            # It never begins: what was asked for is refused.
            words = opened.project.redactor.text(words_of(fault))
            folder.record(Ended(run_id, opened.now(), False, words))
        finally:
            if begun.role is Role.JUDGE:
                remove_files(run_id, opened)
        root = next(iter(find_restarts(run_id, opened)), None)
        if root and budget_option(read_candidate_run(root).state.stopped):
            # Its share of the budget is spent: a resume by a person would not get more.
            why = f"mission {folder.name}: its share is spent"
            _cancel(begun, root, mission, opened, mission.by, why)
        while root and wants_evaluation(begun, root, opened):
            request_evaluation(root, opened, by=f"the mission {folder.name}")
            run_in_process(carry_out(due_run(begun, folder, opened), Here(opened)))
        if begun.role is Role.JUDGE:
            _cancel_earlier(begun, folder, opened)


def _pool_of(begun: Begun, mission: Mission, opened: OpenProject) -> "InPool | None":
    """Return the pool in which a run is executed; None for one of this machine."""
    if not (mission.pool and begun.role is Role.WORKER):
        return None
    # They load the database, which takes a second, and belongs to an extra.
    from attractor.fleet.dispatch.race_attempt import attempts_in
    from attractor.fleet.fleet import Addresses

    folder, environ = opened.project.root, opened.project.machine.environ
    settings = load_configuration(
        start=folder, cwd=folder, environ=environ, user_file=user_config_file()
    ).settings
    return attempts_in(mission.pool, Addresses.of_settings(settings), opened)


def _cancel(
    begun: Begun, root: Path, mission: Mission, opened: OpenProject, by: str, why: str
) -> None:
    """Cancel a run where it is executed."""
    pool = _pool_of(begun, mission, opened)
    cancel = pool.cancel if pool else cancel_here
    cancel(root, opened, by, why)


def _cancel_earlier(begun: Begun, folder: MissionFolder, opened: OpenProject) -> None:
    """Cancel the runs that judged earlier trees: one decision is left for a person."""
    history = folder.read()
    for before, _ in history.runs_of(Role.JUDGE):
        roots = find_restarts(before.run_id, opened)
        if roots and not read_candidate_run(roots[0]).state.status.is_final:
            why = f"mission {folder.name}: {begun.run_id} judged a later tree"
            cancel_here(roots[0], opened, history.mission.by, why)


def main(arguments: list[str]) -> None:
    """Work as the process of a mission, or of one of its runs: `NAME [RUN]`."""
    refuse_in_run("a mission", os.environ)
    project = open_project(Path.cwd(), os.environ).project
    # A command that leaves its stage becomes a child of this process: it stays recognized.
    opened = OpenProject(replace(project, machine=replace(project.machine, adopts_orphans=True)))
    folder = find_mission(arguments[0], opened)
    if len(arguments) > 1:
        _work_on_run(arguments[1], folder, opened)
        return
    before = 0
    # A word that came while `work` was ending found the lock held, and started no other process.
    while (count := len(folder.read().lines)) != before:
        before = count
        try:
            lock = FileLock(folder.lock).acquire(wait=0.5, purpose=f"mission {folder.name}")
        except LockHeld:
            return
        with lock:
            try:
                work(folder, ThisMachine(folder, opened, {}), lambda: time.sleep(_POLL_S))
            except (AttractorError, OSError) as fault:
                sys.stderr.write(f"{words_of(fault)}\n")
                raise SystemExit(1) from fault


if __name__ == "__main__":
    main(sys.argv[1:])
