"""Starts again what a crash or a reboot ended, and asks where a program should not decide."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from threading import Semaphore

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import AttractorError, words_of
from attractor.base.locks import holder_of
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.open_project import OpenProject, open_project
from attractor.pipeline.garbage import end_orphans_of
from attractor.pipeline.project.run_scope import RunScope
from attractor.workspaces.worktrees import LinkedWorktree
from attractor.worlds.actors import list_actors
from attractor.worlds.dimension_folders import place_of, try_repository
from attractor.worlds.holds import Hold, hold_of
from attractor.worlds.messages import Sender, SenderKind
from attractor.worlds.orders import go_on
from attractor.worlds.slots import may_work
from attractor.worlds.status import ActorStatus, ActorView, read_actors
from attractor.worlds.waking import wake

UP = Sender(SenderKind.HARNESS, "up")
_AT_ONCE, _OF_AN_ACCOUNT = 4, 2
"""How many actors start at the same time, and how many of them with the same account."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.0, 30.0
_POLL_S = 0.05


@dataclass(frozen=True)
class FoundActor:
    """An actor that has work and no process; without a `question`, it goes on by itself."""

    view: ActorView
    question: str = ""

    @property
    def words(self) -> str:
        """What becomes of it, for people."""
        if pool := self.view.pool:
            return f"stays here without a process: it is in pool {pool}"
        if self.question:
            return f"asks whether to go on, since {self.question}: attractor attention next"
        return "goes on" if self.view.task else "begins with the messages that wait"

    @property
    def key(self) -> str:
        """The same text as long as the actor waits for the same thing."""
        task = self.view.task
        oldest = task.message if task else self.view.waiting[0]
        times = len(self.view.times_gone_on) if not (task and task.obstacle) else "blocked"
        return f"{self.view.folder.root}:{oldest.id}:{times}:{self.question}"


def question_about(
    view: ActorView, now: datetime, resume_within: timedelta, *, is_merged: bool = False
) -> str:
    """Return why a person is asked before a cut task goes on; "" if it goes on by itself.

    With `is_merged`, a person has merged the branch on which it works.
    """
    if view.task is None or view.can_go_on or view.task.obstacle:
        return ""
    if view.times_gone_on:
        return "its process died again after it had gone on"
    cut = now - view.since
    if cut > resume_within:
        return f"its process died {describe_duration(cut)} ago"
    return f"its branch was merged: {view.history.actor.dimension}" if is_merged else ""


def find_actors(
    state: Path,
    now: datetime,
    resume_within: timedelta,
    is_merged: Callable[[ActorView], bool] = lambda view: False,
    tell: Callable[[str], None] = do_nothing,
    *,
    patience_s: float = 0.0,
) -> Sequence[FoundActor]:
    """Return the actors that have work and no process: first what a person waits for, by age.

    This waits `patience_s` for processes that have yet to show whether they work or end.
    """
    views = [view for view in _read_settled(state, tell, patience_s) if not view.has_process]
    found = [
        FoundActor(
            view,
            question_about(view, now, resume_within, is_merged=bool(view.task) and is_merged(view)),
        )
        for view in views
        if view.can_begin
        or view.can_go_on
        or view.status in (ActorStatus.INTERRUPTED, ActorStatus.BLOCKED)
    ]
    return sorted(found, key=lambda one: (not _is_for_a_person(one.view), one.view.waits_since))


def _read_settled(
    state: Path, tell: Callable[[str], None], patience_s: float
) -> Sequence[ActorView]:
    until = time.monotonic() + patience_s
    views = read_actors(list_actors(state), tell)
    while (open_ := [view for view in views if _may_end(view)]) and time.monotonic() < until:
        time.sleep(_POLL_S)
        again = {view.folder.root: view for view in read_actors([one.folder for one in open_])}
        views = [again.get(view.folder.root, view) for view in views]
    return views


def _may_end(view: ActorView) -> bool:
    """Return whether a process holds the lock, and may end without its work.

    A killed process holds the lock until its last thread has ended. One that waited for the lock
    meanwhile finds a cut task, and ends.
    """
    if not view.has_process:
        return False
    is_at_work = view.run is not None and view.run.is_live
    return holder_of(view.folder.lock) is None or (
        not is_at_work and bool(view.task or view.waiting)
    )


def _is_for_a_person(view: ActorView) -> bool:
    messages = [view.task.message] if view.task else view.waiting
    return any(one.sender.kind is SenderKind.PERSON for one in messages)


def _account_of(view: ActorView) -> tuple[str, str]:
    """Return what stands for the account of an actor: its program, and its provider or model."""
    actor = view.history.actor
    return actor.backend, actor.provider or actor.model


class Starter:
    """Starts actors of all projects of a state folder, a few at a time.

    One that still has work and no process is started again, after longer and longer pauses.
    """

    def __init__(
        self,
        state: Path,
        environ: Mapping[str, str],
        tell: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environ = {**environ, "ATTRACTOR_STATE_DIR": str(state)}
        self._tell = tell
        self._now = now
        self._free = Semaphore(_AT_ONCE)
        self._next: dict[str, tuple[float, float]] = {}

    def is_merged(self, view: ActorView) -> bool:
        """Return whether a person merged the branch of an actor's worktree."""
        name = view.history.actor.dimension
        opened = open_project(view.folder.project.root, self._environ)
        dimensions = {one.name: one for one in DimensionRecords.of(opened).all()}
        if name not in dimensions:
            return False
        repository = asyncio.run(try_repository(opened))
        place = place_of(opened, repository, dimensions[name])
        return isinstance(place, LinkedWorktree) and asyncio.run(place.is_merged())

    def start(self, found: Sequence[FoundActor]) -> None:
        """End what dead processes left running, and start the actors that go on by themselves."""
        by_account: defaultdict[tuple[str, str], list[FoundActor]] = defaultdict(list)
        for one in self._due(found):
            by_account[_account_of(one.view)].append(one)
        with ExitStack() as stack:
            # A pool starts them in their order, and the first that start get the free places.
            pools = [stack.enter_context(ThreadPoolExecutor(_OF_AN_ACCOUNT)) for _ in by_account]
            for started in [
                pool.map(self._try, ones)
                for pool, ones in zip(pools, by_account.values(), strict=True)
            ]:
                list(started)

    def _due(self, found: Sequence[FoundActor]) -> Iterator[FoundActor]:
        now = self._now()
        for one in found:
            at, pause = self._next.get(one.key, (now, _FIRST_PAUSE_S))
            if at <= now and not (one.question and one.key in self._next):
                self._next[one.key] = now + pause, min(2 * pause, _LONGEST_PAUSE_S)
                yield one

    def _try(self, one: FoundActor) -> None:
        try:
            with self._free:
                self._start(one)
        except (AttractorError, OSError) as fault:
            words = words_of(fault)
            self._tell(f"{one.view.folder.qualified_name} does not start: {words}")

    def _start(self, one: FoundActor) -> None:
        view, folder = one.view, one.view.folder
        if view.pool:
            return
        opened = open_project(folder.project.root, self._environ)
        if one.question and view.run:
            # A run that goes on does this itself.
            asyncio.run(end_orphans_of(view.run.directory, RunScope.of(opened.project)))
        elif not (one.question or view.can_go_on) and (hold := _hold_of(view, opened)):
            self._tell(f"{folder.qualified_name} waits: {hold.words}")
        elif view.task and not (one.question or view.can_go_on):
            go_on(folder, UP, opened)
        elif not one.question and may_work(opened):
            # Otherwise the next process that gives its slot back starts it.
            wake(folder, opened, waits=True)


def _hold_of(view: ActorView, opened: OpenProject) -> Hold | None:
    """Return why an actor does not go on; the run that a person let go on does."""
    hold = hold_of(view.folder, opened)
    is_tried = hold and view.task and hold.tried == view.task.run_id
    return None if is_tried else hold
