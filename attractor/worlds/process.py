"""The process of an actor: it answers the messages, one run after the other.

It holds the lock of the actor. After the last message it waits a few seconds for another one, then
releases the lock and looks again: a sender writes a message first and looks at the lock second, so
one of both sees the message.
"""

import asyncio
import io
import os
import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread

from attractor.base.errors import AttractorError, LockHeld, ProcessNotStarted, words_of
from attractor.base.files import make_private_folder
from attractor.base.interrupts import run_in_process
from attractor.base.locks import FileLock, has_free_slot, take_slot, unlock
from attractor.engine.budgets import Budgets
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.outcome import format_usage_cost
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.truncation import shorten
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import DueRun, Here, carry_out
from attractor.factory.operations.start import plan_start
from attractor.factory.operator_process import refuse_in_run
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffstat import read_diffstat
from attractor.records.lookup import is_run
from attractor.records.request import ActorTask, ContinuedRun, RunRequest
from attractor.workspaces.create.registry import workspace_registry
from attractor.worlds.actors import ActorFolder, ActorHistory, Answered, KnownLines, list_actors
from attractor.worlds.breaker import beginning, hold_of
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import (
    Message,
    MessageKind,
    Sender,
    SenderKind,
    TaskAtWork,
    find_next_step,
)
from attractor.worlds.sessions import (
    FILE,
    STAGE,
    continue_session,
    keep_model,
    pipeline_text,
    read_answer,
    read_session,
)
from attractor.worlds.status import ActorView, read_actor, read_actors
from attractor.worlds.waking import Waker, find_by_words, wake

LINGER_S = 5.0
_POLL_S = 0.05
_BUSY_POLL_S = 1.0
_LOCK_PATIENCE_S = 0.5
"""A process that only looks whether a lock is held holds it for a moment."""

_SLOTS = "working"
_MEMORY_OF_AN_ACTOR = 2 << 30
_LONGEST_WORDS = 4000
_MOST_FILES = 10
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


def most_working(opened: OpenProject) -> int:
    """Return how many actors of this machine may work at once."""
    if most := opened.project.worlds.max_working_actors:
        return most
    return max(1, available_memory() // _MEMORY_OF_AN_ACTOR)


def may_work(opened: OpenProject) -> bool:
    """Return whether one more actor may work on this machine; a killed one frees its slot soon."""
    until = time.monotonic() + _LOCK_PATIENCE_S
    while not has_free_slot(_slots_of(opened), most_working(opened)):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True


def _slots_of(opened: OpenProject) -> Path:
    return opened.project.machine.state_dir / _SLOTS


def available_memory(file: Path = Path("/proc/meminfo")) -> int:
    """Return the bytes of memory that processes can still get, also from the cache of files."""
    try:
        found = _AVAILABLE.search(file.read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class ActorProcess:
    """The process of one actor."""

    def __init__(self, folder: ActorFolder, opened: OpenProject) -> None:
        self._folder = folder
        self._opened = opened
        self._inbox = Inbox(folder.inbox)
        self._known = KnownLines()

    def work(self, linger_s: float = LINGER_S) -> None:
        """Answer messages until none waits, or the actor has to wait for something else.

        Without a free slot, the process ends: one that gives its slot back starts the next.
        """
        while self._has_work(self._look()) and may_work(self._opened) and (lock := self._hold()):
            try:
                self._answer_all(linger_s)
            finally:
                lock.release()

    def _hold(self) -> FileLock | None:
        try:
            return FileLock(self._folder.lock).acquire(
                wait=_LOCK_PATIENCE_S, purpose=f"actor {self._folder.name}"
            )
        except LockHeld:
            return None

    def _look(self) -> ActorView:
        return read_actor(self._folder, has_process=False, known=self._known)

    def _has_work(self, view: ActorView) -> bool:
        return view.can_go_on or (view.can_begin and not hold_of(self._folder, self._opened))

    def _take_slot(self) -> io.FileIO | None:
        """Take a free slot; another process that only looks at one delays this for a moment."""
        slots, until = _slots_of(self._opened), time.monotonic() + _LOCK_PATIENCE_S
        make_private_folder(slots)
        while (slot := take_slot(slots, most_working(self._opened))) is None:
            if time.monotonic() > until:
                return None
            time.sleep(_POLL_S)
        return slot

    def _answer_all(self, linger_s: float) -> None:
        until, seen = time.monotonic() + linger_s, ()
        while time.monotonic() < until:
            if seen == (now := self._folder.signature()):
                time.sleep(_POLL_S)
                continue
            seen = now
            if not self._has_work(view := self._look()):
                # A cut task waits for a person, or for `up`, which needs to see a free lock.
                if view.history.stopped or view.task:
                    return
                continue
            slot = self._take_slot()
            if slot is None:
                return
            try:
                has_answered = self._answer_next()
            finally:
                unlock(slot)
                start_waiting(self._opened, besides=self._folder)
            if not has_answered:
                return
            until, seen = time.monotonic() + linger_s, ()

    def _answer_next(self) -> bool:
        """Take the next step; return False if a person is asked.

        First end what a killed process left, then go on with a run or begin one.
        """
        history = self._folder.read(self._known)
        task = take_next(self._folder, history, self._opened)
        if task is None:
            return not self._inbox.has_messages()
        with self._letting_others_follow():
            return self._work_on(task, history)

    @contextmanager
    def _letting_others_follow(self) -> Generator[None]:
        """Start the held actors as soon as a run that a person let go on passes the stage."""
        if not hold_of(self._folder, self._opened):
            yield
            return
        has_ended = Event()

        def watch() -> None:
            is_last = has_started = False
            while not is_last:
                is_last = has_ended.wait(_BUSY_POLL_S)
                with suppress(AttractorError):
                    if (is_last or not has_started) and not hold_of(self._folder, self._opened):
                        start_waiting(self._opened, besides=self._folder, is_hold_over=True)
                        has_started = True

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            has_ended.set()
            watcher.join()

    def _work_on(self, task: TaskAtWork, history: ActorHistory) -> bool:
        folder, opened = self._folder, self._opened
        due = due_run(task, folder, history, opened)
        try:
            carried = run_in_process(carry_out(due, Here(opened)))
        except (AttractorError, OSError) as fault:
            if isinstance(fault, LockHeld):
                # Another run works in the folder: look again, without the slot.
                _tell(f"{fault.message}; trying again")
                time.sleep(_BUSY_POLL_S)
                return True
            words = note_obstacle(fault, task, folder, opened)
            if words != task.obstacle:
                _tell(words)
            return False
        if carried.result is None:
            settle(refusal(task.message, carried.withdrawn, now=opened.now()), folder, opened)
        elif carried.result.status == AWAITING_ANSWER:
            return False
        else:
            settle(answer_of(task.message, carried.result, opened), folder, opened)
        return True


def due_run(
    task: TaskAtWork, folder: ActorFolder, history: ActorHistory, opened: OpenProject
) -> DueRun:
    """Return the run of a task. A stopped actor begins none."""

    def withdrawn() -> str:
        return "the actor was stopped" if folder.read().stopped else ""

    def begun() -> None:
        if task.obstacle:
            folder.write_task(replace(task, obstacle="", tries_again=False))

    return DueRun(task.run_id, partial(_plan, task, history, opened), withdrawn, begun)


async def _plan(task: TaskAtWork, history: ActorHistory, opened: OpenProject) -> RunPlan:
    request, ready = prepare_run(task.message, history, opened)
    return await plan_start(request, ready, run_id=task.run_id)


def note_obstacle(
    fault: Exception, task: TaskAtWork, folder: ActorFolder, opened: OpenProject
) -> str:
    """Record why a task cannot begin or go on now, and return it."""
    words = opened.project.redactor.text(words_of(fault))
    folder.write_task(replace(task, obstacle=words, tries_again=False))
    return words


def take_next(folder: ActorFolder, history: ActorHistory, opened: OpenProject) -> TaskAtWork | None:
    """Return the task in work, or else take the oldest message; None if none may be taken now.

    First end what a killed process left. The caller holds the lock of the actor.
    """
    inbox = Inbox(folder.inbox)
    step = find_next_step(inbox.waiting(), folder.read_task(), history.answered_ids)
    for message in step.settled:
        inbox.remove(message)
    if step.settled and step.at_work is None:
        folder.remove_task()
    if step.at_work or step.message is None:
        return step.at_work
    machine = opened.project.machine
    # Of several actors that are let go on, one begins.
    with beginning(folder, machine.state_dir):
        if hold_of(folder, opened):
            return None
        task = TaskAtWork(step.message, machine.new_run_id())
        folder.write_task(task)
        return task


def prepare_run(
    message: Message, history: ActorHistory, opened: OpenProject
) -> tuple[RunRequest, OpenProject]:
    """Return the request of the run for a message, and the project in which it begins."""
    request = _request(message, history, opened.project)
    project = replace(opened.project, suite="")
    if not history.actor.pipeline:
        project = project.with_texts({str(request.file): pipeline_text(history.actor.agent)})
    return request, OpenProject(project)


def _request(message: Message, history: ActorHistory, project: Project) -> RunRequest:
    actor = history.actor
    left = None if actor.life_usd is None else max(0, actor.life_usd - history.usage.cost_usd)
    request = RunRequest(
        file=Path(actor.pipeline) if actor.pipeline else project.root / FILE,
        goal=message.goal,
        backend=actor.backend,
        model=actor.model,
        provider=actor.provider,
        workspace=actor.workspace,
        folder=actor.folder,
        dimension=actor.dimension,
        sandbox=actor.sandbox,
        budgets=Budgets(cost_usd=left),
        evaluate=False,
        task=ActorTask(actor.name, message.id, message.hash, str(message.sender)),
    )
    before = history.before
    if workspace_registry()[request.workspace].is_apart:
        request = replace(request, builds_on=before)
    directory = RunDirectory(project.runs_dir / before)
    if not before or not is_run(directory):
        return request
    if actor.pipeline:
        head = open_journal(directory.events, directory.checkpoint).head
        return replace(request, continues=ContinuedRun(before, head.seq, head.hash))
    session = read_session(directory.root)
    request = keep_model(request, session)
    return continue_session(request, session, project.runs_dir, tell=_tell)


def answer_of(message: Message, result: RunResult, opened: OpenProject) -> Answered:
    """Return the answer to a message whose run has ended."""
    project = opened.project
    stat = asyncio.run(read_diffstat(project, result.run_id, result.tree))
    others = stat.by_others if stat else ()
    files = [one.path for one in stat.files if one.path not in others] if stat else []
    directory = RunDirectory(result.directory)
    # The last stage of a pipeline that said something; an agent has only one stage.
    said = (read_answer(directory.stage(node)) for node in (*result.completed[::-1], STAGE))
    words = next(filter(None, said), "")
    succeeded = bool(result.outcome and result.outcome.is_success)
    return Answered(
        message=message,
        run_id=result.run_id,
        succeeded=succeeded,
        reason="" if succeeded else result.reason,
        words=project.redactor.text(shorten(words, _LONGEST_WORDS)),
        changed=len(files),
        files=files[:_MOST_FILES],
        cost_usd=result.usage.cost_usd,
        at=opened.now(),
        unpriced_tokens=result.usage.unpriced_tokens,
        by_others=others[:_MOST_FILES],
    )


def refusal(message: Message, reason: str, *, now: datetime) -> Answered:
    """Return the answer to a message for which no run began."""
    return Answered(message, "", False, reason, "", 0, (), 0.0, now)


def settle(answered: Answered, folder: ActorFolder, opened: OpenProject) -> None:
    """Send an answer to the actor that gave the task, record it, and remove the message."""
    _send_result(answered, folder, opened)
    folder.record(answered)
    Inbox(folder.inbox).remove(answered.message)
    folder.remove_task()


def _send_result(answered: Answered, folder: ActorFolder, opened: OpenProject) -> None:
    """Send an answer to the actor that gave the task, once; a person reads `attention`."""
    message = answered.message
    if message.sender.kind is not SenderKind.ACTOR or message.kind is not MessageKind.TASK:
        return
    sender = ActorFolder(folder.root.with_name(message.sender.name), folder.project)
    inbox = Inbox(sender.inbox)
    sent = [*inbox.waiting(), *(one.message for one in sender.read().answers)]
    if not any(one.about == message.id for one in sent):
        _write_result(answered, inbox, folder, opened)
    # Also after a result that was sent before: a killed process sent it and started nothing.
    if read_actor(sender).can_begin:
        _let_begin(sender, opened)


def _write_result(
    answered: Answered, inbox: Inbox, folder: ActorFolder, opened: OpenProject
) -> None:
    ended = "succeeded" if answered.succeeded else f"failed: {answered.reason}"
    changed = ", ".join(answered.files) or "no files"
    cost = format_usage_cost(answered.usage)
    machine = opened.project.machine
    inbox.send(
        f"{ended}\nchanged: {changed}\ncost: {cost}\n\n{answered.words}",
        Sender(SenderKind.HARNESS, f"of the actor {folder.name}"),
        clock=machine.clock,
        randomness=machine.randomness,
        kind=MessageKind.RESULT,
        about=answered.message.id,
    )


def _tell(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def start_waiting(
    opened: OpenProject, *, besides: ActorFolder | None = None, is_hold_over: bool = False
) -> None:
    """Start the actor whose message has waited longest for a slot, if there is one.

    With `is_hold_over`, start all: they did not wait for a slot.
    """
    folders = [
        folder
        for folder in list_actors(opened.project.machine.state_dir)
        if (besides is None or folder.root != besides.root) and Inbox(folder.inbox).has_messages()
    ]
    waiting = [
        view
        for view in read_actors(folders)
        if (view.can_begin or view.can_go_on) and not (view.has_process or view.pool)
    ]
    for view in sorted(waiting, key=lambda view: view.waits_since):
        if view.can_go_on or not _is_held(view.folder, opened):
            _let_begin(view.folder, opened)
            if not is_hold_over:
                return


def _let_begin(folder: ActorFolder, opened: OpenProject) -> None:
    """Start the process of another actor; the work of this one does not end if that fails."""
    try:
        wake(folder, opened)
    except ProcessNotStarted as fault:
        _tell(f"{fault.in_one_line}; try: attractor up")


def _is_held(folder: ActorFolder, opened: OpenProject) -> bool:
    """Return whether a person is asked before an actor of any project begins."""
    machine = opened.project.machine
    environ = {**machine.environ, "ATTRACTOR_STATE_DIR": str(machine.state_dir)}
    with suppress(AttractorError):
        return hold_of(folder, open_project(folder.project.root, environ)) is not None
    return False


def main(arguments: list[str]) -> None:
    """Work as the process of an actor: `STATE PROJECT NAME`."""
    refuse_in_run("the process of an actor", os.environ)
    state, project_id, name = arguments
    folder = find_by_words(Path(state), project_id, name)
    project = open_project(folder.project.root, os.environ).project
    # A command that leaves its stage becomes a child of this process: it stays recognized.
    opened = OpenProject(replace(project, machine=replace(project.machine, adopts_orphans=True)))
    with Waker.started(opened):
        ActorProcess(folder, opened).work()


if __name__ == "__main__":
    main(sys.argv[1:])
