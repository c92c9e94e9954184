"""The processes of a race: one that starts the attempts, and one for each attempt.

Each attempt is a process with a session of its own: if the first one is killed, attempts go on. A
slot, which an attempt inherits, limits how many work at once, also beside those of an earlier
process. An attempt holds a lock, so that no second process executes it.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from subprocess import Popen
from typing import Any

from attractor.base.files import make_private_folder
from attractor.base.locks import FileLock, take_slot
from attractor.config.user_folders import TOKEN_VARIABLE
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.race import (
    AttemptView,
    attempt_lock,
    attempt_log,
    end_race,
    find_attempt,
    is_over,
    look,
    race_folder,
    settle_race,
)
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run, with_registered
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.races import Attempt, Race, find_race
from attractor.factory.resources.versions import split_pin
from attractor.records.lookup import remove_incomplete, run_root
from attractor.records.request import RunRequest, request_from_record
from attractor.supervision.process import begin_process

MODULE = "attractor.factory.operations.race_process"

_POLL_S = 0.1
_LOCK_PATIENCE_S = 7 * 86_400.0


def run_race(race: Race, opened: OpenProject) -> list[AttemptView]:
    """Execute the attempts that have not ended, and record the end of the race if all have.

    An interrupt ends the attempts; a resume of the race continues them.
    """
    opened.refuse_in_run("a race")
    folder = race_folder(race, opened)
    make_private_folder(folder)
    with FileLock(folder / "race.lock").acquire(purpose=f"race {race.race_id}"):
        left = [one for one in race.attempts if _needs_process(one, opened)]
        processes: list[Popen[bytes]] = []
        try:
            while left or any(one.poll() is None for one in processes):
                if left and (slot := take_slot(folder, race.at_once)):
                    with slot:
                        attempt = left.pop(0)
                        processes.append(_start(attempt, race, opened, slot.fileno()))
                else:
                    time.sleep(_POLL_S)
        except BaseException:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
            raise
        views = asyncio.run(look(race, opened))
        if end_race(race, views, opened):
            asyncio.run(settle_race(race, opened))
            views = asyncio.run(look(race, opened))
    return views


def _needs_process(attempt: Attempt, opened: OpenProject) -> bool:
    found = find_attempt(attempt.run_id, opened)
    return not found or not _is_over(found[0])


def _is_over(root: Path) -> bool:
    directory = RunDirectory(root)
    return is_over(open_journal(directory.events, directory.checkpoint).state)


def _start(attempt: Attempt, race: Race, opened: OpenProject, slot: int) -> Popen[bytes]:
    project, machine = opened.project, opened.project.machine
    variables = {name: one for name, one in machine.environ.items() if name != TOKEN_VARIABLE}
    return begin_process(
        [sys.executable, "-P", "-m", MODULE, race.race_id, attempt.run_id],
        cwd=project.root,
        environ={**variables, "ATTRACTOR_STATE_DIR": str(machine.state_dir)},
        log=attempt_log(race, attempt, opened),
        pass_fds=[slot],
    )


def walk_attempt(attempt: Attempt, race: Race, opened: OpenProject) -> RunResult | None:
    """Begin or continue the run of an attempt in this process; None if nothing is to be done."""
    make_private_folder(race_folder(race, opened))
    lock = FileLock(attempt_lock(race, attempt, opened))
    with lock.acquire(wait=_LOCK_PATIENCE_S, purpose=f"an attempt of race {race.race_id}"):
        if found := find_attempt(attempt.run_id, opened):
            return None if _is_over(found[0]) else _run(resume_run(found[0], opened))
        # A killed process may have left an incomplete directory.
        remove_incomplete(run_root(attempt.run_id, opened.project.runs_dir))
        pipeline = opened.pipelines.versions.of_pin(race.pipeline)
        file, registered = with_registered(pipeline, opened)
        request = replace(request_of(attempt, race), file=file)
        run_id, commit = attempt.run_id, race.commit
        return _run(start_run(request, registered, run_id=run_id, commit=commit))


def request_of(attempt: Attempt, race: Race) -> RunRequest:
    """Return the request of an attempt, with the pinned suite and profile."""
    return replace(
        request_from_record(race.request, f"race {race.race_id}: request"),
        backend=attempt.backend,
        model=attempt.model,
        provider=attempt.provider,
        suite=split_pin(race.suite)[0],
        profile=split_pin(race.profile)[0],
    )


def _run(work: Coroutine[Any, Any, RunResult]) -> RunResult:
    """Run a coroutine; SIGTERM and Ctrl-C interrupt the run first."""

    async def interruptible() -> RunResult:
        task = asyncio.current_task()
        assert task
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError as cause:
        raise SystemExit(130) from cause


def main(arguments: list[str]) -> None:
    """Execute an attempt: `RACE RUN`."""
    refuse_in_run("an attempt of a race", os.environ)
    race_id, run_id = arguments
    project = open_project(Path.cwd(), os.environ).project
    # A command that leaves its stage becomes a child of this process: it stays recognized.
    opened = OpenProject(replace(project, machine=replace(project.machine, adopts_orphans=True)))
    race = find_race(opened.ledger, opened.identity.project_id(), race_id)
    [attempt] = [one for one in race.attempts if one.run_id == run_id]
    walk_attempt(attempt, race, opened)


if __name__ == "__main__":
    main(sys.argv[1:])
