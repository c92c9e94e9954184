"""A person works with an actor in the terminal of its program: a run with one stage.

Until the terminal closes, the messages to the actor wait; the next one continues the same session.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from attractor.backends.models import ModelDefaults
from attractor.backends.registry import BackendParts, OutsideParts, backend_registry
from attractor.base.errors import LockHeld, Refused
from attractor.base.locks import FileLock, holder_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import Here, carry_out
from attractor.pipeline.project.project import Project
from attractor.records.lookup import is_run
from attractor.worlds.actors import Actor, ActorFolder, Answered, Resumed
from attractor.worlds.messages import Message, MessageKind, Sender, TaskAtWork
from attractor.worlds.orders import mark_seen
from attractor.worlds.slots import LOCK_PATIENCE_S
from attractor.worlds.status import read_actor
from attractor.worlds.tasks import answer_of, due_run, refusal, settle
from attractor.worlds.waking import require_project, wake

_POLL_S = 0.1


def take_over(
    folder: ActorFolder,
    by: Sender,
    opened: OpenProject,
    tell: Callable[[str], None],
    *,
    interrupts: bool = False,
) -> Answered:
    """Let a person work with an actor until the terminal of its program closes.

    With `interrupts`, a task in work ends its turn first; without it, the person is refused.
    """
    opened.refuse_in_run("'attractor actor open'")
    require_project(folder)
    require_terminal(folder.read().actor, opened.project)
    try:
        lock = FileLock(folder.person).acquire(wait=LOCK_PATIENCE_S, purpose=by.name)
    except LockHeld as cause:
        holder = holder_of(folder.person)
        name = holder.purpose if holder else "another person"
        raise Refused(
            f"{name} works with the actor {folder.name}",
            hint=f"wait until that terminal closes; watch it: attractor actor show {folder.name}",
        ) from cause
    try:
        with lock, _lock_between_tasks(folder, by, tell, interrupts=interrupts):
            answered = _work(folder, by, opened)
    finally:
        view = read_actor(folder)
        if view.can_begin or view.can_go_on:
            wake(folder, opened)
    mark_seen(folder, answered.message.id, by, opened)
    return answered


def require_terminal(actor: Actor, project: Project) -> None:
    """Refuse an actor in whose program no person can work, with the reason."""
    environ, settings = project.machine.environ, project.backends
    outside = OutsideParts(environ=environ, defaults=ModelDefaults(), settings=settings)
    backend = backend_registry()[actor.backend](BackendParts(outside=outside))
    if actor.pool:
        why = f"its runs work in the pool {actor.pool}, where no terminal is"
    elif actor.pipeline:
        why = f"it works by a pipeline: {actor.pipeline}"
    elif not getattr(backend, "has_terminal", False):
        why = f"the backend {actor.backend} has no terminal"
    else:
        return
    raise Refused(
        f"no person can work in the terminal of the actor {actor.name}: {why}",
        hint=f'give it a task: attractor actor prompt {actor.name} "TEXT"',
    )


def _lock_between_tasks(
    folder: ActorFolder, by: Sender, tell: Callable[[str], None], *, interrupts: bool
) -> FileLock:
    """Lock an actor; its process gives the lock up, because a person waits, but for a task."""
    is_told = False
    while True:
        with suppress(LockHeld):
            return FileLock(folder.lock).acquire(purpose=f"{by.name} works with it")
        view = read_actor(folder)
        if view.task and view.has_process:
            if not interrupts:
                raise Refused(
                    f"the actor {folder.name} works on a task",
                    hint="add --interrupt to let it end its turn, and no other task begin",
                )
            if not is_told:
                tell(f"The actor {folder.name} ends its turn first (Ctrl-C: do not wait).")
            is_told = True
        time.sleep(_POLL_S)


def _work(folder: ActorFolder, by: Sender, opened: OpenProject) -> Answered:
    """Execute the run in which a person works, or go on with that of a killed terminal."""
    view, machine = read_actor(folder, has_process=False), opened.project.machine
    task = view.task
    if task and not view.person:
        raise Refused(
            f"the actor {folder.name} is {view.status}: its task waits for a person",
            hint="attractor attention next",
        )
    if view.history.stopped:
        folder.record(Resumed(by, opened.now()))
    if task is None:
        words = f"Work in the terminal of {view.history.actor.backend}"
        number = machine.new_run_id()
        message = Message(number, 0, MessageKind.TERMINAL, by, words, opened.now())
        task = TaskAtWork(message, machine.new_run_id())
        folder.write_task(task)
    try:
        due = due_run(task, folder, folder.read(), opened)
        carried = asyncio.run(carry_out(due, Here(opened)))
    finally:
        if not is_run(RunDirectory(opened.project.runs_dir / task.run_id)):
            folder.remove_task()
    if carried.result is None:
        answered = refusal(task.message, carried.withdrawn, now=opened.now())
    else:
        answered = answer_of(task.message, carried.result, opened)
    settle(answered, folder, opened)
    return answered
