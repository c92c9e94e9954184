"""The status of an actor, read from its journal, inbox, lock and run at the moment of asking."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, words_of
from attractor.base.locks import FileLock
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.truncation import shorten
from attractor.pipeline.status import PlainStatus, PlainWord, plain_status
from attractor.records.diagnosis.needs import DEAD_PROCESS
from attractor.records.lookup import RACY_S, is_run, run_root
from attractor.records.summary import RunOverview, summarize_any
from attractor.worlds.actors import ActorFolder, ActorHistory, Answered, GoneOn, KnownLines
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import Message, MessageKind, SenderKind, TaskAtWork


class ActorStatus(StrEnum):
    """The status of an actor in one word."""

    WORKING = "working"
    ASKING = "asking"
    REVIEW = "review"
    IDLE = "idle"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    STOPPED = "stopped"
    ARCHIVED = "archived"


_LONGEST_REASON = 60

NEED_A_PERSON = (ActorStatus.ASKING, ActorStatus.INTERRUPTED, ActorStatus.BLOCKED)
"""The statuses in which the message in work waits for a person."""


@dataclass(frozen=True)
class ActorView:
    """An actor as it is now: its records, its process, and the run of the message it works on."""

    folder: ActorFolder
    history: ActorHistory
    waiting: Sequence[Message]
    has_process: bool
    task: TaskAtWork | None = None
    run: RunOverview | None = None

    @property
    def name(self) -> str:
        """The name of the actor."""
        return self.history.actor.name

    @property
    def person(self) -> str:
        """The person who works with it in the terminal of its program; "" if none does."""
        task = self.task
        is_open = task is not None and task.message.kind is MessageKind.TERMINAL
        return task.message.sender.name if task and is_open else ""

    @property
    def pool(self) -> str:
        """The pool of the fleet in which its runs are executed; "" for this machine."""
        return self.history.actor.pool

    @cached_property
    def status(self) -> ActorStatus:
        """The status in one word."""
        last = self.history.last
        if self.history.archived:
            return ActorStatus.ARCHIVED
        if self.task:
            return self._status_of_task(self.task)
        if self.history.stopped:
            return ActorStatus.STOPPED
        if self.has_process and self.waiting:
            return ActorStatus.WORKING
        if last is None or last.message.id == self.history.seen:
            return ActorStatus.IDLE
        if not last.succeeded:
            return ActorStatus.FAILED
        return ActorStatus.REVIEW if self.history.unreviewed else ActorStatus.IDLE

    def _status_of_task(self, task: TaskAtWork) -> ActorStatus:
        if self.run and self.run.questions:
            return ActorStatus.ASKING
        if task.obstacle:
            return ActorStatus.BLOCKED
        # A run that needs no person goes on as soon as its process has started.
        goes_on = self.has_process or self.pool or (self.can_go_on and not self.person)
        return ActorStatus.WORKING if goes_on else ActorStatus.INTERRUPTED

    @property
    def plain(self) -> PlainStatus:
        """The status for people; as long as a run answers a message, that of the run."""
        of_run = plain_status(self.run) if self.run else None
        match self.status:
            case ActorStatus.WORKING if self.person:
                return PlainStatus(PlainWord.RUNNING, f"{self.person} works with it")
            case ActorStatus.WORKING:
                word, reason = PlainWord.RUNNING, ""
            case ActorStatus.BLOCKED if self.task:
                reason = shorten(self.task.obstacle, _LONGEST_REASON)
                return PlainStatus(PlainWord.NEEDS_YOU, self.status.value, (reason,))
            case ActorStatus.ASKING | ActorStatus.INTERRUPTED:
                word, reason = PlainWord.NEEDS_YOU, DEAD_PROCESS
            case ActorStatus.FAILED | ActorStatus.REVIEW:
                return PlainStatus(PlainWord.NEEDS_YOU, self.status.value)
            case _ if self.can_begin:
                return PlainStatus(PlainWord.RUNNING, "queued")
            case _:
                return PlainStatus(PlainWord.ENDED, self.status.value)
        words = (word, PlainWord.NEEDS_YOU) if self.pool else (word,)
        return of_run if of_run and of_run.word in words else PlainStatus(word, reason)

    @property
    def since(self) -> datetime:
        """The time of the last change that is known."""
        if self.run:
            return self.run.written or self.run.started
        last = self.history.last
        return last.at if last else self.history.actor.created

    @property
    def waits_since(self) -> datetime:
        """The time of the oldest message that is not answered."""
        task = [self.task.message] if self.task else []
        return min((one.sent for one in (*task, *self.waiting)), default=self.since)

    @cached_property
    def unseen(self) -> Answered | None:
        """The last answer, if a person waits for it; another actor gets it in its inbox."""
        last = self.history.last
        rests = (ActorStatus.FAILED, ActorStatus.REVIEW, ActorStatus.IDLE)
        if last is None or last.message.id == self.history.seen or self.status not in rests:
            return None
        message = last.message
        # What follows from the answers of other agents is for the person who asked first.
        is_answer = message.kind is MessageKind.RESULT and not message.hops
        is_asked = message.sender.kind is SenderKind.PERSON or is_answer
        return last if is_asked or self.status is not ActorStatus.IDLE else None

    @property
    def can_begin(self) -> bool:
        """Whether a message waits, and a process could take it now."""
        is_at_rest = self.task is None and not (self.history.stopped or self.history.archived)
        return is_at_rest and bool(self.waiting)

    @property
    def can_go_on(self) -> bool:
        """Whether the task needs a process and no person.

        The questions of its run are answered, the run ended before its message was answered, the
        actor was stopped before the run began, or the run is to go on since its process died.
        """
        task, run = self.task, self.run
        if task is None:
            return False
        if run and (run.outcome or run.is_final):
            return True
        if (self.history.stopped and run is None) or self.person:
            return True
        if task.obstacle:
            return task.tries_again
        if run and run.is_answered:
            return True
        last = self.times_gone_on[-1:]
        return bool(last) and (run is None or run.written is None or run.written <= last[0].at)

    @property
    def times_gone_on(self) -> Sequence[GoneOn]:
        """The times when the task in work was to go on after its process died."""
        run_id = self.task.run_id if self.task else ""
        return [one for one in self.history.gone_on if one.run_id == run_id]

    @cached_property
    def usage(self) -> Usage:
        """The cost of all runs so far."""
        return self.history.usage + (self.run.usage if self.run else NOTHING_USED)


def read_actor(
    folder: ActorFolder,
    *,
    has_process: bool | None = None,
    known: KnownLines | None = None,
    summarize: Callable[[Path], RunOverview] = summarize_any,
) -> ActorView:
    """Return an actor as it is now; `has_process` says whether its lock is held, if known.

    An actor in a pool has no process: a server only holds its lock while it takes a message.
    """
    if has_process is None:
        has_process = FileLock.is_held(folder.lock)
    # The inbox before the journal: a message that is answered in between is in the journal.
    waiting, task = Inbox(folder.inbox).waiting(), folder.read_task()
    history = folder.read(known)
    has_process = has_process and not history.actor.pool
    answered = history.answered_ids
    if task and task.message.id in answered:
        task = None
    root = run_root(task.run_id, folder.project.runs_dir) if task else None
    has_run = root is not None and is_run(RunDirectory(root))
    return ActorView(
        folder,
        history,
        [one for one in waiting if one.id not in answered and (not task or one != task.message)],
        has_process,
        task,
        summarize(root) if root and has_run else None,
    )


class KnownJournals:
    """The journals of the actors that are shown: each time, only the new lines are read.

    An actor at rest is not read again until its files change. `summarize` reads the runs at work.
    """

    def __init__(self, summarize: Callable[[Path], RunOverview] = summarize_any) -> None:
        self.summarize = summarize
        self._lines: defaultdict[Path, KnownLines] = defaultdict(KnownLines)
        self._at_rest: dict[ActorFolder, tuple[Sequence[str], ActorView]] = {}

    def of(self, folder: ActorFolder) -> KnownLines:
        """Return the lines of an actor that were read before."""
        return self._lines[folder.root]

    def read(self, folder: ActorFolder) -> ActorView:
        """Return an actor as it is now."""
        # Before the records: a later change must be noticed.
        has_process, marks = FileLock.is_held(folder.lock), folder.signature()
        before, view = self._at_rest.get(folder, ((), None))
        if view and before == marks and view.has_process == has_process:
            return view
        is_quiet = folder.inbox.is_dir() and folder.inbox.stat().st_mtime < time.time() - RACY_S
        view = read_actor(
            folder, has_process=has_process, known=self.of(folder), summarize=self.summarize
        )
        if is_quiet and view.task is None:
            self._at_rest[folder] = marks, view
        return view


def read_actors(
    folders: Iterable[ActorFolder],
    tell: Callable[[str], None] = do_nothing,
    known: KnownJournals | None = None,
) -> list[ActorView]:
    """Return actors as they are now; damaged records of one hide no other, and are reported."""
    known, found = known or KnownJournals(), list[ActorView]()
    for folder in folders:
        try:
            found.append(known.read(folder))
        except (AttractorError, OSError) as fault:
            words = words_of(fault)
            tell(f"The actor {folder.qualified_name} cannot be read: {words}.")
    return found


def count_messages(folders: Iterable[ActorFolder], known: KnownJournals) -> Counter[SenderKind]:
    """Count the messages that were sent to actors, by their senders; damaged actors have none."""
    found = Counter[SenderKind]()
    for folder in folders:
        with suppress(AttractorError, OSError):
            # The inbox first: a message that is answered in between is in the journal.
            sent = {one.id: one for one in Inbox(folder.inbox).waiting()}
            answered = (one.message for one in folder.read(known.of(folder)).answers)
            sent |= {one.id: one for one in answered}
            if task := folder.read_task():
                sent[task.message.id] = task.message
            found.update(one.sender.kind for one in sent.values())
    return found
