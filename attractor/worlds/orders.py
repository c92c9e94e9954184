"""What people do with actors: spawn them, send messages, mark their work as seen, stop and archive
them.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from attractor.backends.registry import backend_registry, require_arguments
from attractor.base.errors import LockHeld, ProcessNotStarted, Refused, UsageError
from attractor.base.locks import FileLock, holder_of
from attractor.environments.orphan_processes import Process, find_process
from attractor.factory.dimensions import Dimension, DimensionRecords, with_dimension
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import check_run
from attractor.factory.project import ProjectFolder
from attractor.pipeline.workspace.place import find_place, require_placeable
from attractor.records.request import RunRequest
from attractor.records.summary import summarize_any
from attractor.workspaces.create.registry import ISOLATED, READ_ONLY, workspace_registry
from attractor.workspaces.errors import DimensionBusy
from attractor.worlds.actors import (
    Actor,
    ActorFolder,
    ActorHistory,
    Answered,
    GoneOn,
    LeadStopped,
    Mark,
    Marked,
    Renewed,
    Resumed,
    actors_of_project,
    create_actor,
    find_actor,
    lock_actors,
    require_actor_name,
    require_free_name,
)
from attractor.worlds.dimensions import (
    RemovedDimension,
    add_dimension,
    find_moved_dimensions,
    remove_dimension,
)
from attractor.worlds.errors import ActorArchived
from attractor.worlds.holds import Hold, record_answer
from attractor.worlds.inbox import Inbox
from attractor.worlds.leads import LeadRule
from attractor.worlds.messages import (
    OF_A_PERSON,
    Message,
    MessageKind,
    Sender,
    SenderKind,
    TaskAtWork,
    Trail,
)
from attractor.worlds.pools import require_movable
from attractor.worlds.status import ActorStatus, ActorView, read_actor, read_actors
from attractor.worlds.tasks import prepare_run, refusal, settle
from attractor.worlds.waking import require_project, wake

_STOP_PATIENCE_S = 30.0
_LOOK_S = 0.5
"""A process that only looks whether a lock is held holds it for a moment."""
_POLL_S = 0.1
LINGERING_S = 10.0
"""The process of an actor without work ends after a few seconds."""


def here(opened: OpenProject) -> ProjectFolder:
    """Return the folders of a project; its id is created with its first actor or run."""
    project = opened.project
    return ProjectFolder(opened.identity.create_id(), project.root, project.runs_dir)


def spawn(
    actor: Actor,
    words: str,
    opened: OpenProject,
    where: str = "",
    *,
    only_reads: bool = False,
    like: Dimension | None = None,
    trail: Trail = OF_A_PERSON,
) -> ActorFolder:
    """Create an actor, and send it its first message.

    It works in the dimension or the kind of workspace `where`; by default, a dimension of its name
    is made: a worktree, or outside of Git a copy; for an actor in a pool, an isolated one. An actor
    that `only_reads` works where others do, by default in the folder of the project. Without a pool
    of its own, it is in that of the settings. A new dimension begins with the files of the one that
    it is `like`.
    """
    opened.refuse_in_run("'attractor actor spawn'")
    require_actor_name(actor.name)
    if not words.strip():
        raise UsageError("the task is empty", hint='describe it: attractor actor spawn "TASK"')
    if only_reads:
        require_sandbox(actor.sandbox)
    project, state = here(opened), opened.project.machine.state_dir
    actor = replace(actor, pool=actor.pool or opened.project.worlds.pool)
    # Unknown names, and names that are taken, are refused before anything is made.
    backend = backend_registry()[actor.backend]
    if only_reads and not where:
        where = READ_ONLY
    # A new dimension is made in the end.
    actor = _placed(actor, where or ISOLATED, opened, only_reads=only_reads)
    require_movable(actor)
    if actor.place:
        find_place(actor.place, opened.project)
        require_placeable(actor.workspace, actor.place)
        if actor.pool:
            raise UsageError("an actor in a pool has no place", hint="remove --place or --pool")
    require_leads(actor)
    require_startable(actor, words, opened)
    with lock_actors(project, state):
        require_free_name(actor.name, project, state)
        if not where:
            kind = ISOLATED if actor.pool else ""
            left = left_copy(actor.name, like, None, opened) if like else None
            made = left or asyncio.run(add_dimension(opened, actor.name, kind=kind, like=like))
            name = made.name
            actor = _placed(actor, name, opened)
        require_alone(actor, opened)
        folder = create_actor(actor, project, state)
    if not getattr(backend, "keeps_sessions", True):
        opened.project.console.tell(
            f"{actor.backend} cannot continue a session of another run: it is told the earlier "
            "conversation as text."
        )
    send(folder, words, actor.spawner, opened, trail)
    return folder


def left_copy(
    name: str, like: Dimension, last: Answered | None, opened: OpenProject
) -> Dimension | None:
    """Return the copy that a killed command made without its actor, unless a task ended since."""
    records = {one.name: one for one in DimensionRecords.of(opened).all()}
    copy = records.get(name)
    if copy is None or not copy.is_ready or [*copy.origins] != like.origins_of_copy:
        return None
    is_old = last is not None and last.at > copy.created
    is_used = any(one.read().actor.dimension == name for one in actors_of_project(opened))
    return None if is_old or is_used else copy


def require_leads(actor: Actor, *, spent_usd: float = 0.0) -> None:
    """Refuse rights over other actors that could not be used, or paid."""
    if (leads := actor.leads) is None:
        return
    if actor.pool:
        raise UsageError(
            f"an actor in the pool {actor.pool} cannot lead others",
            hint="remove --leads; or --pool and worlds.pool",
        )
    if actor.life_usd is not None and leads.usd + spent_usd >= actor.life_usd:
        spent = f" and {spent_usd:g} USD that are spent" if spent_usd else ""
        raise UsageError(
            f"{leads.usd:g} USD for others{spent} leave nothing of {actor.life_usd:g} USD",
            hint="lower usd= in --leads; or spawn it with a larger --max-cost-usd",
        )


def require_sandbox(sandbox: str) -> None:
    """Refuse to let an actor that only reads work without a sandbox."""
    if sandbox == "none":
        raise UsageError(
            "without a sandbox, nothing keeps an actor from changing files",
            hint="remove --sandbox none",
        )


def _placed(actor: Actor, where: str, opened: OpenProject, *, only_reads: bool = False) -> Actor:
    """Return the actor in a dimension or a kind of workspace."""
    request = with_dimension(RunRequest(file=opened.project.root, workspace=where), opened)
    if only_reads:
        request = _reading(request)
    return replace(
        actor, workspace=request.workspace, folder=request.folder, dimension=request.dimension
    )


def require_startable(actor: Actor, words: str, opened: OpenProject) -> None:
    """Refuse an actor whose first run could not begin, as `attractor run` does."""
    require_arguments(actor.backend, actor.arguments)
    message = Message("", 0, MessageKind.TASK, actor.spawner, words, opened.now())
    request, ready = prepare_run(message, ActorHistory(actor), opened)
    asyncio.run(check_run(request, ready)).report.require_ok()


def _reading(request: RunRequest) -> RunRequest:
    """Return a request that only reads the folder of its dimension."""
    if request.dimension and not request.folder:
        raise UsageError(
            f"the dimension {request.dimension} has no folder to read",
            hint="name a worktree or a folder: attractor dimension list",
        )
    if request.workspace not in (READ_ONLY, "in-place") and not request.folder:
        raise UsageError(
            f"{request.workspace} is no folder of yours", hint="remove --in, or name a dimension"
        )
    return replace(request, workspace=READ_ONLY)


def require_alone(actor: Actor, opened: OpenProject) -> None:
    """Refuse a second actor where one writes: both would change the same files."""
    if workspace_registry()[actor.workspace].only_reads:
        return
    place = (actor.workspace, actor.folder, actor.dimension)
    for view in read_actors(actors_of_project(opened), opened.project.console.tell):
        other, name = view.history.actor, view.name
        is_here = place == (other.workspace, other.folder, other.dimension)
        if is_here and view.status is not ActorStatus.ARCHIVED:
            raise DimensionBusy(
                f"the actor {name} works in {actor.dimension or actor.workspace}",
                hint=f"choose another place: --in; or archive it: attractor actor archive {name}",
            )


def send(
    folder: ActorFolder,
    text: str,
    sender: Sender,
    opened: OpenProject,
    trail: Trail = OF_A_PERSON,
) -> Message:
    """Send a task to an actor, and start its process; an interrupted task waits for a person.

    If its process cannot be started, no message is stored. Only a person lets a stopped actor work
    again.
    """
    opened.refuse_in_run("'attractor message send'")
    require_project(folder)
    machine, history = opened.project.machine, folder.read()
    if history.archived:
        raise ActorArchived(
            f"the actor {folder.name} is archived",
            hint=f"take it back first: attractor actor unarchive {folder.name}",
        )
    message = Inbox(folder.inbox).send(
        text,
        sender,
        clock=machine.clock,
        randomness=machine.randomness,
        trail=trail,
    )
    if history.stopped and sender.kind is SenderKind.PERSON:
        folder.record(Resumed(sender, opened.now()))
    view = read_actor(folder)
    if view.history.archived and message in view.waiting:
        # It was archived meanwhile, and nothing answers the message.
        Inbox(folder.inbox).remove(message)
        raise ActorArchived(f"the actor {folder.name} is archived")
    if view.can_begin or view.can_go_on:
        try:
            wake(folder, opened)
        except ProcessNotStarted:
            # A process that another command started takes the message.
            with suppress(LockHeld), FileLock(folder.lock).acquire(purpose="take a message back"):
                Inbox(folder.inbox).remove(message)
                raise
    return message


def dimension_of(folder: ActorFolder, opened: OpenProject) -> Dimension:
    """Return the dimension in which an actor works."""
    name = folder.read().actor.dimension
    if not name:
        raise Refused(
            f"the actor {folder.name} works in no dimension",
            hint=f'send it a message: attractor message send {folder.name} "TEXT"',
        )
    return DimensionRecords.of(opened).find(name)


def actor_in(dimension: Dimension, opened: OpenProject) -> ActorFolder:
    """Return the only actor that works in a dimension."""
    name = dimension.name
    views = read_actors(actors_of_project(opened), opened.project.console.tell)
    found = [one.folder for one in views if _works_in(one.history, name)]
    if not found:
        raise Refused(
            f"no actor works in the dimension {name}",
            hint=f'spawn one: attractor actor spawn "WORDS" --in {name}',
        )
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise UsageError(f"several actors work in {name}: {names}", hint="name one: --actor NAME")
    return found[0]


def find_moved(opened: OpenProject, before: Path) -> None:
    """Record the dimensions that moved with the project, and the places of its actors.

    `before` was the folder of the project.
    """
    for dimension in asyncio.run(find_moved_dimensions(opened)):
        words = f"The dimension {dimension.name} is now in {dimension.folder}."
        opened.project.console.tell(words)
    dimensions = DimensionRecords.of(opened).all()
    places = {dimension.name: dimension.folder for dimension in dimensions}
    for view in read_actors(actors_of_project(opened), opened.project.console.tell):
        actor = view.history.actor
        now = replace(actor, folder=actor.folder and places.get(actor.dimension, actor.folder))
        pipeline = Path(actor.pipeline)
        if actor.pipeline and pipeline.is_relative_to(before):
            now = replace(now, pipeline=str(opened.project.root / pipeline.relative_to(before)))
        if now != actor:
            view.folder.record(now)


def last_answer(folder: ActorFolder) -> Answered:
    """Return the last answer of an actor, or refuse."""
    if last := folder.read().last:
        return last
    raise Refused(f"the actor {folder.name} has answered nothing yet", hint="wait for it")


def mark_seen(folder: ActorFolder, message: str, by: Sender, opened: OpenProject) -> None:
    """Record that a person has seen the answer to a message, unless there is a newer one."""
    opened.refuse_in_run("'attractor actor seen'")
    if last_answer(folder).message.id == message:
        folder.record(Marked(Mark.SEEN, by, opened.now(), message))


def mark_unseen(folder: ActorFolder, message: str, by: Sender, opened: OpenProject) -> None:
    """Take back that a person has seen the answer to a message, which was marked last."""
    opened.refuse_in_run("'attractor attention'")
    if message and folder.read().seen == message:
        folder.record(Marked(Mark.UNSEEN, by, opened.now(), message))


def mark_stop_seen(folder: ActorFolder, rule: LeadRule, opened: OpenProject) -> None:
    """Record that a person knows that a rule about other actors stopped an agent."""
    opened.refuse_in_run("'attractor attention'")
    folder.record(LeadStopped(rule, "", opened.now(), is_seen=True))


def stop(
    folder: ActorFolder, by: Sender, opened: OpenProject, cancel: Callable[[str], object]
) -> None:
    """Stop an actor: cancel its run, and wait until its process has ended.

    The message of an actor in a pool is answered by the server.
    """
    opened.refuse_in_run("'attractor actor stop'")
    folder.record(Marked(Mark.STOPPED, by, opened.now()))
    if read_actor(folder).pool:
        _cancel_run(folder, cancel)
        return
    until = time.monotonic() + _STOP_PATIENCE_S
    canceled, process = "", None
    while True:
        if holder := holder_of(folder.lock):
            process = find_process(holder.pid)
        view = read_actor(folder)
        task, run = view.task, view.run
        is_open = run is not None and not (run.outcome or run.is_final)
        if task and is_open and canceled != task.run_id:
            canceled = task.run_id
            cancel(canceled)
        elif not (view.has_process or view.task or _is_there(process)):
            return
        elif not (view.has_process or is_open):
            # The message of a run that is canceled, or does not begin, has no answer yet.
            go_on(folder, by, opened)
        if time.monotonic() > until:
            raise LockHeld(
                f"the process of the actor {folder.name} has not ended in time",
                hint=f"look at its log: {folder.log}",
            )
        time.sleep(_POLL_S)


def _cancel_run(folder: ActorFolder, cancel: Callable[[str], object]) -> None:
    view = read_actor(folder)
    if view.task and view.run and not (view.run.outcome or view.run.is_final):
        cancel(view.task.run_id)


def _is_there(process: Process | None) -> bool:
    """Return whether a process has not ended yet; it releases its lock a moment before."""
    now = find_process(process.number) if process else None
    return now is not None and process is not None and now.started == process.started


def continue_actor(root: Path, opened: OpenProject) -> bool:
    """Start the process of the actor whose message a run answers; return whether there is one.

    It goes on with a run that is answered, and answers the message of a run that has ended.
    """
    name = summarize_any(root).actor
    if not name:
        return False
    folder = find_actor(name, actors_of_project(opened))
    if read_actor(folder).can_go_on:
        wake(folder, opened)
    return True


def go_on(folder: ActorFolder, by: Sender, opened: OpenProject) -> None:
    """Let a task whose process died, or which is blocked, go on as soon as its actor may work."""
    opened.refuse_in_run("'attractor up'")
    require_project(folder)
    # A process that holds the lock tries it at this moment.
    with suppress(LockHeld), FileLock(folder.lock).acquire(wait=_LOOK_S):
        view = read_actor(folder, has_process=False)
        if view.task and view.task.obstacle:
            folder.write_task(replace(view.task, tries_again=True))
        elif view.task and not view.can_go_on:
            folder.record(GoneOn(view.task.run_id, by, opened.now()))
    if folder.read_task():
        wake(folder, opened, waits=True)


def start_over(
    folder: ActorFolder, by: Sender, opened: OpenProject, cancel: Callable[[str], object]
) -> Message:
    """Give up an interrupted or blocked task, and send it again to a new conversation.

    The words of an agent stay those of the agent, which gets another answer.
    """
    message = _give_up(folder, opened, cancel, "started over").message
    folder.record(Renewed(by, opened.now()))
    if message.sender.kind is SenderKind.PERSON:
        return send(folder, message.text, by, opened)
    again = Inbox(folder.inbox).send(
        message.text,
        message.sender,
        clock=opened.project.machine.clock,
        randomness=opened.project.machine.randomness,
        kind=message.kind,
        about=message.about,
        trail=Trail("", message.hops, message.steps),
    )
    if read_actor(folder).can_begin:
        wake(folder, opened)
    return again


def leave(
    folder: ActorFolder, by: Sender, opened: OpenProject, cancel: Callable[[str], object]
) -> None:
    """Give up an interrupted or blocked task; the person knows about it."""
    task = _give_up(folder, opened, cancel, "given up")
    mark_seen(folder, task.message.id, by, opened)
    if read_actor(folder).can_begin:
        wake(folder, opened)


def let_begin(hold: Hold, held: Sequence[ActorView], opened: OpenProject) -> None:
    """Let one run begin despite a hold: that of the oldest message."""
    opened.refuse_in_run("'attractor attention'")
    view = held[0]
    require_project(view.folder)
    record_answer(opened.project.machine.state_dir, view.folder.project, hold, opened.now())
    wake(view.folder, opened)


def leave_held(hold: Hold, held: Iterable[ActorView], by: Sender, opened: OpenProject) -> None:
    """Answer the waiting messages of held actors as not begun; the person knows about it."""
    opened.refuse_in_run("'attractor attention'")
    for view in held:
        with FileLock(view.folder.lock).acquire(wait=LINGERING_S, purpose="not begun"):
            now = read_actor(view.folder, has_process=False)
            for message in now.waiting if now.can_begin else ():
                reason = f"not begun: {hold.words}"
                settle(refusal(message, reason, now=opened.now()), view.folder, opened)
            if now.can_begin:
                mark_seen(view.folder, now.waiting[-1].id, by, opened)
        # A message that was sent meanwhile started no process.
        if read_actor(view.folder).can_begin:
            wake(view.folder, opened)


def _give_up(
    folder: ActorFolder, opened: OpenProject, cancel: Callable[[str], object], reason: str
) -> TaskAtWork:
    """Cancel the run of a task, if it has one, and answer its message with the reason."""
    opened.refuse_in_run("'attractor attention'")
    require_project(folder)
    with FileLock(folder.lock).acquire(purpose=f"{reason}: actor {folder.name}"):
        view = read_actor(folder, has_process=False)
        task, run = view.task, view.run
        if task is None:
            raise Refused(f"the actor {folder.name} is {view.status}", hint="look again")
        if run and not (run.outcome or run.is_final):
            cancel(task.run_id)
        answered = refusal(task.message, reason, now=opened.now())
        if run:
            answered = replace(
                answered,
                run_id=task.run_id,
                cost_usd=run.usage.cost_usd,
                unpriced_tokens=run.usage.unpriced_tokens,
            )
        settle(answered, folder, opened)
    return task


def archive(folder: ActorFolder, by: Sender, opened: OpenProject) -> None:
    """Archive an actor that does not work; waiting messages are answered with that."""
    opened.refuse_in_run("'attractor actor archive'")
    view = read_actor(folder)
    if view.status is not ActorStatus.ARCHIVED:
        _require_no_work(view)
        folder.record(Marked(Mark.ARCHIVED, by, opened.now()))
    # Also of an archived actor: a killed command left them; and those that came meanwhile.
    for message in read_actor(folder).waiting:
        settle(refusal(message, "the actor was archived", now=opened.now()), folder, opened)


def _require_no_work(view: ActorView) -> None:
    # A process that only waits for another message ends by itself.
    if view.task or (view.has_process and view.waiting):
        raise Refused(
            f"the actor {view.name} has work",
            hint=f"stop it first: attractor actor stop {view.name}",
        )


def remove(
    folder: ActorFolder,
    by: Sender,
    opened: OpenProject,
    cancel: Callable[[str], object],
    *,
    force: bool = False,
) -> RemovedDimension | None:
    """Stop and archive an actor, and remove the dimension that was made for it and no other uses.

    Without `force`, one whose changes would be lost is refused.
    """
    opened.refuse_in_run("'attractor actor remove'")
    stop(folder, by, opened, cancel)
    name = folder.read().actor.dimension
    made = [
        one
        for one in DimensionRecords.of(opened).all()
        if one.name == name and one.made_by_attractor
    ]
    others = [
        one
        for one in actors_of_project(opened)
        if one.root != folder.root and _works_in(one.read(), name)
    ]
    is_last = made and not others
    removed = asyncio.run(remove_dimension(opened, made[0], force=force)) if is_last else None
    archive(folder, by, opened)
    return removed


def _works_in(history: ActorHistory, dimension: str) -> bool:
    return history.actor.dimension == dimension and not history.archived


def remove_with_actors(
    dimension: Dimension, by: Sender, opened: OpenProject, *, force: bool = False
) -> RemovedDimension:
    """Remove a dimension, and archive the actors that work there; one that has work is refused."""
    opened.refuse_in_run("'attractor dimension remove'")
    tell = opened.project.console.tell
    views = [
        view
        for view in read_actors(actors_of_project(opened), tell)
        if _works_in(view.history, dimension.name)
    ]
    for view in views:
        _require_no_work(view)
        tell(f"The actor {view.name} works in the dimension {dimension.name}, and ends with it.")
    removed = asyncio.run(remove_dimension(opened, dimension, force=force))
    for view in views:
        archive(view.folder, by, opened)
    return removed
