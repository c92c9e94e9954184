"""Starts the runs of automations.

Of the servers of a state folder, one does it; if it dies, another one. An occurrence is claimed
before the process of its run is started, and that process holds the lock of the automation until
the run has begun: a claim without a run is therefore carried out again under the same id, and a run
that has begun is not.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from threading import Thread

from attractor.automations.automation import Automation, TicketCommand, TriggerKind
from attractor.automations.errors import ChangedAutomation, InvalidAutomation
from attractor.automations.issues import due_comments, poll_issues
from attractor.automations.schedule import CatchUp
from attractor.automations.start import require_open_inputs
from attractor.automations.starts import MOST_PENDING, StartClaim
from attractor.automations.store import (
    AUTOMATIONS,
    AutomationFolder,
    is_starting,
    list_all_automations,
    recorded_digests,
    verified,
)
from attractor.automations.tickets import Ticket, read_tickets
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, LockHeld, words_of
from attractor.base.locks import FileLock
from attractor.config.user_folders import without_token
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.ledger.tokens import TOKENS_FILE
from attractor.factory.open_project import OpenProject
from attractor.factory.pulls.forge import token_variables
from attractor.server.errors import TooManyProcesses
from attractor.server.processes.keyed_work import KeyedWork
from attractor.server.processes.run_processes import RunCommand, RunProcesses

EVERY_S = 1.0
LEFT = timedelta(seconds=10)
"""A claim of another process whose run is not there after this time was left by a killed one."""

ISSUES_S, COMMENTS_S = 60.0, 5.0
"""Issues are listed after this time, and earlier if a comment is due, which is looked for."""

AT_ONCE = 4
"""The number of runs that are started at one time, and of open claims of one automation."""


@dataclass(frozen=True)
class AutomationProject:
    """A project of the server, and what starts its processes."""

    opened: OpenProject
    processes: RunProcesses


def start_command(name: str, claim: StartClaim) -> RunCommand:
    """Return the command that begins the run of a claim."""
    return RunCommand("automation run", [name], [f"--claimed={claim.run_id}"])


class _Watched:
    """An automation as the loop knows it: its verified record, and when to look at it again."""

    def __init__(self, folder: AutomationFolder, project_id: str) -> None:
        self.folder = folder
        self.project_id = project_id
        self.signature: tuple[int, ...] = ()
        self.automation: Automation | None = None
        self.due: datetime | None = None
        self.polls_at = 0.0
        self.poll: Future[None] | None = None
        self.comments_at = self.rests_until = 0.0
        self.looked: Sequence[int] = ()


class AutomationLoop:
    """Starts what is due in the projects of a server; `project_of` returns one by its id."""

    def __init__(
        self, state: Path, project_of: Callable[[str], AutomationProject], clock: Clock
    ) -> None:
        self._state = state
        self._project_of = project_of
        self._clock = clock
        self._ledger = Ledger(state)
        self._ledger_size = 0
        self._recorded: Mapping[str, str] = {}
        self._promoted: dict[str, tuple[str, LedgerEntry]] = {}
        self._watched: dict[Path, _Watched] = {}
        self._work = KeyedWork(AT_ONCE)
        self._own: set[str] = set()
        self._lock = FileLock(state / f"{AUTOMATIONS}.lock")
        self._is_alone = False

    def end(self) -> None:
        """Let another server start what is due; processes of runs continue."""
        self._lock.release()

    def look(self) -> None:
        """Find what is due, claim it, and start what is claimed."""
        folders = {
            folder.root: (project_id, folder)
            for project_id, folder in list_all_automations(self._state)
        }
        if not folders:
            self._watched.clear()
            return
        if not self._is_alone:
            with suppress(LockHeld):
                self._lock.acquire(purpose="attractor serve")
                self._is_alone = True
        if not self._is_alone:
            return
        for root in self._watched.keys() - folders.keys():
            del self._watched[root]
        for root, (project_id, folder) in folders.items():
            self._watched.setdefault(root, _Watched(folder, project_id))
        self._read_ledger()
        tokens = _signature(self._state / TOKENS_FILE)
        for watched in self._watched.values():
            # A damaged automation is a row of Attention, and the others go on.
            with suppress(AttractorError, OSError), self._noted(watched):
                self._refresh(watched, tokens)
                self._look_at(watched)
        self._work.look()

    @contextmanager
    def _noted(self, watched: _Watched) -> Generator[None]:
        """Note a defect, which a person must see, and go on with the other automations."""
        try:
            yield
        except (AttractorError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a person must see it
            fault = f"internal error: {error!r}"
            with suppress(AttractorError, OSError):
                watched.folder.starts.note_poll(self._clock.now(), fault)

    def _look_at(self, watched: _Watched) -> None:
        automation = watched.automation
        if automation is None:
            return
        starts = watched.folder.starts.read()
        now = self._clock.now()
        is_full = len(starts.pending) >= AT_ONCE
        is_free = not starts.is_paused and not is_full
        if not starts.is_paused:
            self._claim_scheduled(watched, automation, now, is_full=is_full)
        if is_free:
            self._claim_promoted(watched, automation)
            self._poll(watched, automation)
        if automation.issue_label:
            self._poll_issues(watched, automation, may_claim=is_free)
        for claim in starts.pending:
            is_left = claim.run_id in self._own or claim.at < now - LEFT
            if claim.kind is TriggerKind.PERSON:
                _end_by_hand(watched, claim, now)
            elif is_left and not starts.is_paused:
                self._begin(watched, claim)

    def _refresh(self, watched: _Watched, tokens: Sequence[int]) -> None:
        """Verify the record again if its file changed, or the tokens."""
        signature = (*_signature(watched.folder.record), *tokens)
        if signature == watched.signature:
            return
        # It may be a new one of the same name.
        watched.folder = AutomationFolder(watched.folder.root)
        watched.automation = watched.due = None
        opened = self._project_of(watched.project_id).opened
        # One that is not verified is a row of Attention.
        with suppress(ChangedAutomation):
            watched.automation = verified(watched.folder, opened, self._recorded)
        watched.signature = signature

    def _claim_scheduled(
        self, watched: _Watched, automation: Automation, now: datetime, *, is_full: bool
    ) -> None:
        schedule, starts = automation.schedule, watched.folder.starts
        if schedule is None or (watched.due and now < watched.due):
            return
        # Only these are found again later: another one would be missed while claims wait.
        if is_full and schedule.catch_up is CatchUp.ALL:
            return
        # The others follow when these have begun.
        due = [*islice(schedule.due(starts.since, now), AT_ONCE)]
        for occurrence in due:
            self._claim(watched, TriggerKind.SCHEDULE, occurrence.isoformat())
        if len(due) < AT_ONCE:
            watched.due = schedule.next_after(now)

    def _claim_promoted(self, watched: _Watched, automation: Automation) -> None:
        promotion, since = automation.promotion, watched.folder.starts.counts_from
        for project_id, line in self._promoted.values() if promotion else ():
            is_new = project_id == watched.project_id and line.when > since
            if promotion and is_new and promotion.is_met_by(line.data):
                occurrence = f"{line.data['branch']} {line.run_id}"
                self._claim(watched, TriggerKind.PROMOTION, occurrence)

    def _read_ledger(self) -> None:
        """Read automations and promotions from the ledger if it grew."""
        size = self._ledger.file.stat().st_size
        if size == self._ledger_size:
            return
        self._recorded = recorded_digests(self._ledger)
        for line in self._ledger.mentioning(LineKind.PROMOTED.value):
            if line.kind == LineKind.PROMOTED and line.head.hash not in self._promoted:
                self._promoted[line.head.hash] = _project_of(line, self._ledger), line
        self._ledger_size = size

    def _poll(self, watched: _Watched, automation: Automation) -> None:
        """Read the tickets of an automation in another thread, and claim the new ones."""
        tickets, poll = automation.tickets, watched.poll
        if tickets is None:
            return
        if poll and poll.done():
            watched.poll = None
            redact = self._project_of(watched.project_id).opened.project.redactor.text
            watched.folder.starts.note_poll(self._clock.now(), redact(_fault_of(poll)))
        elif not poll and time.monotonic() >= watched.polls_at and self._may_poll(tickets):
            watched.polls_at = time.monotonic() + tickets.pause.total_seconds()
            project = self._project_of(watched.project_id)
            variables = without_token(project.processes.environ)
            folder = project.opened.project.root

            def read() -> None:
                self._claim_tickets(watched, read_tickets(tickets.command, folder, variables))

            watched.poll = _in_thread(read)

    def _may_poll(self, tickets: TicketCommand | None = None) -> bool:
        """Return whether one more call may begin; a slow forge does not hold up tickets."""
        polls = [
            one.poll
            for one in self._watched.values()
            if one.poll and not one.poll.done() and one.automation
            if bool(one.automation.tickets) is bool(tickets)
        ]
        return len(polls) < AT_ONCE

    def _poll_issues(self, watched: _Watched, automation: Automation, *, may_claim: bool) -> None:
        """Comment issues, and claim new labellings, in another thread."""
        now, poll = time.monotonic(), watched.poll
        if poll and poll.done():
            watched.poll = None
            watched.folder.starts.note_poll(self._clock.now(), _fault_of(poll))
            if poll.exception():
                watched.comments_at = now + ISSUES_S
        if watched.poll or now < watched.rests_until or not self._may_poll():
            return
        opened = self._project_of(watched.project_id).opened
        if not _is_due(watched, opened, now, may_claim=may_claim):
            return
        watched.polls_at = now + ISSUES_S

        def read() -> None:
            # An object of its own, because the loop reads the other one.
            starts = AutomationFolder(watched.folder.root).starts.read()
            found = asyncio.run(poll_issues(starts, automation, opened, may_claim=may_claim))
            self._own |= {*found.claimed}
            watched.rests_until = time.monotonic() + found.rest.total_seconds()
            if found.faults:
                raise InvalidAutomation("; ".join(found.faults[:3]))

        watched.poll = _in_thread(read)

    def _claim_tickets(self, watched: _Watched, tickets: Collection[Ticket]) -> None:
        """Claim the tickets that have not started yet; name the invalid ones."""
        automation = watched.automation
        faults: list[str] = []
        # An object of its own, because the loop reads the other one.
        starts = AutomationFolder(watched.folder.root).starts.read()
        opened = self._project_of(watched.project_id).opened
        for ticket in tickets if automation else ():
            assert automation
            if starts.is_claimed(TriggerKind.TICKET, ticket.id):
                continue
            if len(starts.pending) >= MOST_PENDING:
                # The next call of the command goes on.
                break
            try:
                require_open_inputs(automation, ticket.inputs, opened)
                inputs = automation.texts_of(ticket.inputs, opened.project.redactor.text)
            except InvalidAutomation as fault:
                faults.append(f"ticket {ticket.id}: {fault.message}")
                continue
            claim = starts.claim(
                TriggerKind.TICKET, ticket.id, self._new_run_id(watched), self._clock.now(), inputs
            )
            self._own |= {claim.run_id} if claim else set()
        if faults:
            raise InvalidAutomation("; ".join(faults[:3]))

    def _claim(self, watched: _Watched, kind: TriggerKind, occurrence: str) -> None:
        starts = watched.folder.starts
        if not starts.is_claimed(kind, occurrence):
            claim = starts.claim(kind, occurrence, self._new_run_id(watched), self._clock.now())
            self._own |= {claim.run_id} if claim else set()

    def _new_run_id(self, watched: _Watched) -> Callable[[], str]:
        return self._project_of(watched.project_id).opened.project.machine.new_run_id

    def _begin(self, watched: _Watched, claim: StartClaim) -> None:
        """Start the process of a claim, unless one starts now."""
        run_id = claim.run_id
        if self._work.knows(run_id) or is_starting(watched.folder):
            return
        processes = self._project_of(watched.project_id).processes
        if claim.kind is TriggerKind.ISSUE:
            # Others wrote its texts: the run gets no token of a forge.
            hidden = token_variables()
            kept = {name: one for name, one in processes.environ.items() if name not in hidden}
            processes = replace(processes, environ=kept)
        name = watched.folder.name

        def start() -> None:
            # Tried again after a failure: it may be refused, or the automation removed, meanwhile.
            if not _is_open(watched.folder.root, run_id):
                return
            since = self._clock.now()
            try:
                processes.start(start_command(name, claim), by=f"automation {name}")
            except TooManyProcesses:
                raise
            except Exception as error:
                # The automation may be removed meanwhile.
                with suppress(AttractorError, OSError):
                    self._note_failed_try(watched, run_id, since, error)
                raise
            self._own.discard(run_id)

        self._work.want(run_id, start)

    def _note_failed_try(
        self, watched: _Watched, run_id: str, since: datetime, error: Exception
    ) -> None:
        """Record why a process did not begin its run, if the process did not."""
        # An object of its own, because the loop reads the other one.
        starts = AutomationFolder(watched.folder.root).starts.read()
        start = starts.find(run_id)
        if not (start and start.failed and start.failed.at >= since):
            redact = self._project_of(watched.project_id).opened.project.redactor.text
            starts.note_failed_try(run_id, self._clock.now(), redact(words_of(error)))


def _is_open(root: Path, run_id: str) -> bool:
    """Return whether a claim of an automation waits for its run."""
    # An object of its own, because the loop reads the other one.
    start = AutomationFolder(root).starts.read().find(run_id) if root.is_dir() else None
    return start is not None and not start.settled


def _end_by_hand(watched: _Watched, claim: StartClaim, now: datetime) -> None:
    """End the start of a person whose command is gone: no server begins it."""
    # The command holds this lock from before its claim until its result is recorded.
    if not is_starting(watched.folder):
        fault = "the command of a person ended before its run had begun: begin again"
        watched.folder.starts.settle(claim.run_id, now, fault)


def _is_due(watched: _Watched, opened: OpenProject, now: float, *, may_claim: bool) -> bool:
    """Return whether the forge is to be asked now: for issues, or to comment one."""
    looked = _signature(watched.folder.look)
    if looked != watched.looked:
        # A webhook came.
        watched.looked, watched.polls_at = looked, 0.0
    if may_claim and now >= watched.polls_at:
        return True
    if now < watched.comments_at:
        return False
    watched.comments_at = now + COMMENTS_S
    return any(due_comments(watched.folder.starts, opened))


def _in_thread(work: Callable[[], None]) -> "Future[None]":
    """Start work in a thread that does not keep a server from ending."""
    future: Future[None] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - the loop reads it
            future.set_exception(error)

    Thread(target=do, daemon=True).start()
    return future


def _signature(file: Path) -> Sequence[int]:
    """Return numbers that change with a file; none without one."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _project_of(line: LedgerEntry, ledger: Ledger) -> str:
    """Return the project of the run of a line."""
    made = (one for one in ledger.entries(line.run_id) if one.kind == LineKind.CREATED)
    return next((str(one.data["project"]) for one in made), "")


def _fault_of(poll: "Future[None]") -> str:
    """Return the fault of a call of the command of tickets, or of the forge, or ""."""
    error = poll.exception()
    return words_of(error) if error else ""
