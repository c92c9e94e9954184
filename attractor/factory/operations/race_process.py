"""The processes of a race: one that starts the attempts, and one for each attempt.

Each attempt is a process with a session of its own: if the first one is killed, attempts go on. A
slot, which an attempt inherits, limits how many work at once, also beside those of an earlier
process. An attempt holds a lock, so that no second process executes it.

With `first_go`, the first process looks at the results whenever an attempt began or ended. After a
go it ends the others and cancels their runs, where they are executed.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from subprocess import Popen

from attractor.base.errors import LockHeld
from attractor.base.files import make_private_folder
from attractor.base.interrupts import run_in_process
from attractor.base.locks import FileLock, holder_of, take_slot
from attractor.config.user_folders import without_token
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import DuePlace, DueRun, Here, carry_out, is_over
from attractor.factory.operations.race import (
    AttemptView,
    CancelRun,
    attempt_lock,
    attempt_log,
    cancel_attempt,
    cancel_here,
    end_race,
    look,
    race_folder,
    settle_race,
)
from attractor.factory.operations.start import plan_start, with_registered
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.races import (
    Race,
    RaceAttempt,
    Stop,
    find_race,
    is_won_early,
    results_of,
    winner_of,
)
from attractor.factory.register import find_restarts
from attractor.factory.resources.versions import split_pin
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.records.request import RunRequest, request_from_record
from attractor.supervision.process import begin_process

MODULE = "attractor.factory.operations.race_process"

_POLL_S = 0.1
_LOCK_PATIENCE_S = 5.0
"""The time in which a process that only looks at an attempt lets its lock go."""


def run_race(
    race: Race, opened: OpenProject, module: str = MODULE, cancel: CancelRun = cancel_here
) -> list[AttemptView]:
    """Execute the attempts that have not ended, and record the end of the race if all have.

    The process of an attempt executes `module`, and `cancel` cancels a run after the first go. An
    interrupt ends the attempts; a resume of the race continues them.
    """
    opened.refuse_in_run("a race")
    folder = race_folder(race, opened)
    make_private_folder(folder)
    with FileLock(folder / "race.lock").acquire(purpose=f"race {race.race_id}"):
        _walk_attempts(race, opened, module)
        views = asyncio.run(look(race, opened))
        with ExitStack() as stack:
            if is_won_early(race, [view.result for view in views]):
                views = _cut(race, opened, stack, cancel)
            has_ended = end_race(race, views, opened)
        if has_ended:
            asyncio.run(settle_race(race, opened))
            views = asyncio.run(look(race, opened))
    return views


def _walk_attempts(race: Race, opened: OpenProject, module: str) -> None:
    """Execute attempts until all have ended, or until the first go of a race that ends with it."""
    left = [attempt for attempt in race.attempts if _needs_process(attempt, opened)]
    processes: list[Popen[bytes]] = []
    seen: Sequence[str] | None = None
    try:
        while left or any(process.poll() is None for process in processes):
            # Also those of a command that was killed.
            working = _working(race, opened)
            if race.stop is Stop.FIRST_GO and working != seen:
                seen = working
                if is_won_early(race, [view.result for view in asyncio.run(look(race, opened))]):
                    return
            free = [attempt for attempt in left if attempt.run_id not in working]
            if free and not _needs_process(free[0], opened):
                left.remove(free[0])
            elif free and (slot := take_slot(race_folder(race, opened), race.at_once)):
                left.remove(free[0])
                with slot:
                    processes.append(_start(free[0], race, opened, slot.fileno(), module))
            else:
                time.sleep(_POLL_S)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _working(race: Race, opened: OpenProject) -> Sequence[str]:
    """Return the attempts that a process executes."""
    locks = {attempt.run_id: attempt_lock(race, attempt, opened) for attempt in race.attempts}
    return [run_id for run_id, lock in locks.items() if FileLock.is_held(lock)]


def _cut(race: Race, opened: OpenProject, stack: ExitStack, cancel: CancelRun) -> list[AttemptView]:
    """Cancel the attempts that were not judged before the first go.

    The stack holds the locks of all attempts, so that none begins before the end of the race is
    recorded.
    """
    for attempt in race.attempts:
        lock = attempt_lock(race, attempt, opened)
        while FileLock.is_held(lock):
            # By a process of a command that was killed.
            if (holder := holder_of(lock)) and holder.host != os.uname().nodename:
                hint = f"end it there, then: attractor race resume {race.race_id}"
                raise LockHeld(f"{holder.host} executes {attempt.run_id}", hint=hint)
            if holder:
                with suppress(ProcessLookupError):
                    os.kill(holder.pid, signal.SIGTERM)
            time.sleep(_POLL_S)
        stack.enter_context(FileLock(lock).acquire(wait=_POLL_S))
    views = asyncio.run(look(race, opened))
    first = winner_of(view.result for view in views)
    assert first
    for view in views:
        if view.left and view.root:
            why = f"race: {first.run_ids[0]} had the first go"
            cancel_attempt(view.root, opened, by=race.by, why=why, cancel=cancel)
    return asyncio.run(look(race, opened))


def give_up_attempts(race: Race, opened: OpenProject, *, by: str) -> list[AttemptView]:
    """End a race without the attempts that have not begun, in the name of a person.

    All others must have ended. Attempts that were given up still count; their locks are held, so
    that none begins meanwhile.
    """
    opened.refuse_in_run("the end of a race")
    folder = race_folder(race, opened)
    make_private_folder(folder)
    purpose = f"the end of race {race.race_id}"
    with ExitStack() as stack:
        stack.enter_context(FileLock(folder / "race.lock").acquire(purpose=purpose))
        for view in asyncio.run(look(race, opened)):
            if view.root is None:
                lock = FileLock(attempt_lock(race, view.attempt, opened))
                stack.enter_context(lock.acquire(wait=_POLL_S, purpose=purpose))
        if end_race(race, asyncio.run(look(race, opened)), opened, given_up_by=by):
            asyncio.run(settle_race(race, opened))
    return asyncio.run(look(race, opened))


def _needs_process(attempt: RaceAttempt, opened: OpenProject) -> bool:
    found = find_restarts(attempt.run_id, opened)
    return not found or not _is_over(found[0])


def _is_over(root: Path) -> bool:
    directory = RunDirectory(root)
    return is_over(open_journal(directory.events, directory.checkpoint).state)


def _start(
    attempt: RaceAttempt, race: Race, opened: OpenProject, slot: int, module: str
) -> Popen[bytes]:
    project, machine = opened.project, opened.project.machine
    return begin_process(
        [sys.executable, "-P", "-m", module, race.race_id, attempt.run_id],
        cwd=project.root,
        environ={**without_token(machine.environ), "ATTRACTOR_STATE_DIR": str(machine.state_dir)},
        log=attempt_log(race, attempt, opened),
        pass_fds=[slot],
    )


def walk_attempt(
    attempt: RaceAttempt, race: Race, opened: OpenProject, place: DuePlace | None = None
) -> RunResult | None:
    """Begin or continue the run of an attempt, here or in a pool; a race that ended begins none."""
    place = place or Here(opened)
    make_private_folder(race_folder(race, opened))
    lock = FileLock(attempt_lock(race, attempt, opened))

    def withdrawn() -> str:
        return "" if results_of(opened.ledger, race.race_id) is None else "the race has ended"

    async def plan() -> RunPlan:
        pipeline = opened.pipelines.versions.of_pin(race.pipeline)
        file, registered = with_registered(pipeline, opened)
        request = replace(request_of(attempt, race), file=file)
        return await plan_start(request, registered, run_id=attempt.run_id, commit=race.commit)

    with lock.acquire(wait=_LOCK_PATIENCE_S, purpose=f"an attempt of race {race.race_id}"):
        due = DueRun(attempt.run_id, plan, withdrawn)
        return run_in_process(carry_out(due, place)).result


def request_of(attempt: RaceAttempt, race: Race) -> RunRequest:
    """Return the request of an attempt, with the pinned suite and profile."""
    return replace(
        request_from_record(race.request, f"race {race.race_id}: request"),
        backend=attempt.backend,
        model=attempt.model,
        provider=attempt.provider,
        suite=split_pin(race.suite)[0],
        profile=split_pin(race.profile)[0],
    )


def open_attempt(arguments: list[str]) -> tuple[RaceAttempt, Race, OpenProject]:
    """Return an attempt, its race, and their project: `RACE RUN`."""
    refuse_in_run("an attempt of a race", os.environ)
    race_id, run_id = arguments
    project = open_project(Path.cwd(), os.environ).project
    # A command that leaves its stage becomes a child of this process: it stays recognized.
    opened = OpenProject(replace(project, machine=replace(project.machine, adopts_orphans=True)))
    race = find_race(opened.ledger, opened.identity.project_id(), race_id)
    [attempt] = [attempt for attempt in race.attempts if attempt.run_id == run_id]
    return attempt, race, opened


def main(arguments: list[str]) -> None:
    """Execute an attempt on this machine: `RACE RUN`."""
    walk_attempt(*open_attempt(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
