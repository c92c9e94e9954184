"""The process of an actor: it answers the messages, one run after the other.

It holds the lock of the actor. After the last message it waits a few seconds for another one, then
releases the lock and looks again: a sender writes a message first and looks at the lock second, so
one of both sees the message.
"""

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

from attractor.base.errors import AttractorError, LockHeld
from attractor.base.interrupts import run_in_process
from attractor.base.locks import FileLock, unlock
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.operations.due import Here, carry_out
from attractor.factory.operator_process import refuse_in_run
from attractor.worlds.actors import ActorFolder, ActorHistory, KnownLines
from attractor.worlds.holds import hold_of
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.slots import (
    LOCK_PATIENCE_S,
    POLL_S,
    may_work,
    start_waiting,
    tell,
    wait_for_slot,
)
from attractor.worlds.status import ActorView, read_actor
from attractor.worlds.tasks import answer_of, due_run, note_obstacle, refusal, settle, take_next
from attractor.worlds.team import with_team
from attractor.worlds.waking import Waker, find_by_words

LINGER_S = 5.0
_BUSY_POLL_S = 1.0


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
                wait=LOCK_PATIENCE_S, purpose=f"actor {self._folder.name}"
            )
        except LockHeld:
            return None

    def _look(self) -> ActorView:
        return read_actor(self._folder, has_process=False, known=self._known)

    def _has_work(self, view: ActorView) -> bool:
        if FileLock.is_held(self._folder.person):
            return False
        return view.can_go_on or (view.can_begin and not hold_of(self._folder, self._opened))

    def _answer_all(self, linger_s: float) -> None:
        until, seen = time.monotonic() + linger_s, list[str]()
        while time.monotonic() < until and not FileLock.is_held(self._folder.person):
            if seen == (now := self._folder.signature()):
                time.sleep(POLL_S)
                continue
            seen = now
            if not self._has_work(view := self._look()):
                # A cut task waits for a person, or for `up`, which needs to see a free lock.
                if view.history.stopped or view.task:
                    return
                continue
            slot = wait_for_slot(self._opened)
            if slot is None:
                return
            try:
                has_answered = self._answer_next()
            finally:
                unlock(slot)
                start_waiting(self._opened, besides=self._folder)
            if not has_answered:
                return
            until, seen = time.monotonic() + linger_s, []

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
        if history.actor.leads:
            opened = with_team(folder, opened)
        due = due_run(task, folder, history, opened)
        try:
            carried = run_in_process(carry_out(due, Here(opened)))
        except (AttractorError, OSError) as fault:
            if isinstance(fault, LockHeld):
                # Another run works in the folder: look again, without the slot.
                tell(f"{fault.message}; trying again")
                time.sleep(_BUSY_POLL_S)
                return True
            words = note_obstacle(fault, task, folder, opened)
            if words != task.obstacle:
                tell(words)
            return False
        if carried.result is None:
            settle(refusal(task.message, carried.withdrawn, now=opened.now()), folder, opened)
        elif carried.result.status == AWAITING_ANSWER:
            return False
        else:
            settle(answer_of(task.message, carried.result, opened), folder, opened)
        return True


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
