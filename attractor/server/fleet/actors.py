"""Begins and answers the runs of actors in pools, each step such that it may be repeated.

The note `now` of an actor names the run of its message before anything of the run exists, and the
row of the run is added last. So a server that is killed at any moment begins no second run.
"""

from pathlib import Path

from attractor.base.errors import AttractorError, LockHeld, Unavailable
from attractor.base.locks import FileLock
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import result_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import carry_out
from attractor.fleet.dispatch.dispatch import Where
from attractor.fleet.dispatch.in_pool import InPool
from attractor.fleet.errors import ActorBusy
from attractor.fleet.records import FleetRun
from attractor.server.fleet.connection import FleetConnection
from attractor.worlds.actors import ActorFolder, actors_of_project
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.status import read_actor
from attractor.worlds.tasks import answer_of, due_run, note_obstacle, refusal, settle, take_next

_PATIENCE_S = 5.0


async def begin_next(folder: ActorFolder, opened: OpenProject, connection: FleetConnection) -> bool:
    """Add the run of the next message to the fleet; return False while a person is asked.

    Nothing is to do while an earlier run of the actor is open.
    """
    with _locked(folder):
        view = read_actor(folder)
        if not (view.task or view.can_begin):
            return True
        task = take_next(folder, view.history, opened)
        if task is None:
            return False
        place = InPool(Where(view.history.actor.pool), connection.dispatch, opened)
        try:
            carried = await carry_out(due_run(task, folder, view.history, opened), place)
        except (Unavailable, LockHeld, ActorBusy):
            raise
        except AttractorError as fault:
            note_obstacle(fault, task, folder, opened)
            raise
        if carried.withdrawn:
            _refuse(task, carried.withdrawn, folder, opened)
    return True


def answer_message(run: FleetRun, root: Path, opened: OpenProject) -> None:
    """Answer the message of a run that has ended; `root` is that of its last restart."""
    name = run.actor.rpartition("/")[2]
    for folder in actors_of_project(opened):
        if folder.name != name:
            continue
        with _locked(folder):
            task = read_actor(folder).task
            if task and task.run_id == run.run_id:
                _answer(task, root, folder, opened)


def _answer(task: TaskAtWork, root: Path, folder: ActorFolder, opened: OpenProject) -> None:
    directory = RunDirectory(root)
    state = open_journal(directory.events, directory.checkpoint).state
    result = result_of(read_manifest(directory), root, state)
    if state.progress is None:
        # Canceled before its first stage: the next run continues the one before it.
        _refuse(task, f"run {root.name}: {result.reason}", folder, opened)
    else:
        settle(answer_of(task.message, result, opened), folder, opened)


def _refuse(task: TaskAtWork, reason: str, folder: ActorFolder, opened: OpenProject) -> None:
    settle(refusal(task.message, reason, now=opened.now()), folder, opened)


def _locked(folder: ActorFolder) -> FileLock:
    """Lock an actor, so that no person settles its messages meanwhile."""
    return FileLock(folder.lock).acquire(wait=_PATIENCE_S, purpose=f"fleet: actor {folder.name}")
