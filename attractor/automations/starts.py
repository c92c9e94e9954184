"""The journal of an automation: the claimed occurrences, each with its result.

A claim is one synced line with the id of the run, before anything of the run is there. Therefore
an occurrence is claimed once, by any number of servers, and a killed one leaves a claim that the
next one carries out under the same id.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attractor.automations.automation import TriggerKind
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, VerificationError
from attractor.base.journal import Journal, read_lines
from attractor.base.json import canonical_json, parse_object
from attractor.base.records import read_record, write_record

_PATIENCE_S = 10.0
_MOST_SHOWN = 20
MOST_PENDING = 100
"""Requests, tickets and issues wait elsewhere while so many claims are open."""


@dataclass(frozen=True)
class StartClaim:
    """An occurrence that one run is started for: `run_id` is the id of the run."""

    kind: TriggerKind
    occurrence: str
    run_id: str
    at: datetime
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Settled:
    """A claim is carried out: its run began, or `fault` says why it did not."""

    run_id: str
    at: datetime
    fault: str = ""


@dataclass(frozen=True)
class FailedTry:
    """A process did not begin the run of a claim, which stays open: `fault` says why."""

    run_id: str
    at: datetime
    fault: str


@dataclass(frozen=True)
class Switched:
    """A person paused the automation, or let it start runs again."""

    is_paused: bool
    by: str
    at: datetime


@dataclass(frozen=True)
class Polled:
    """The command of tickets or the forge failed, or is well again (without a `fault`)."""

    at: datetime
    fault: str = ""


@dataclass(frozen=True)
class Skipped:
    """A labelling of an issue that starts nothing, such as one without write access."""

    occurrence: str
    at: datetime
    reason: str


class CommentPart(StrEnum):
    """What a comment on an issue is about: the start of the run, or its end."""

    START = "start"
    END = "end"


@dataclass(frozen=True)
class Comment:
    """A comment on the issue of a claim, recorded before it is posted, and when it is done.

    The marker is in its text: after a kill between both, it says whether the comment is there.
    """

    run_id: str
    part: CommentPart
    marker: str
    at: datetime
    is_done: bool = False
    fault: str = ""


Line = StartClaim | Settled | FailedTry | Switched | Polled | Skipped | Comment
_KINDS: Mapping[str, type[Line]] = {
    "claimed": StartClaim,
    "settled": Settled,
    "try_failed": FailedTry,
    "switched": Switched,
    "polled": Polled,
    "skipped": Skipped,
    "comment": Comment,
}
_NAMES = {type_: name for name, type_ in _KINDS.items()}


@dataclass(frozen=True)
class Start:
    """A claim, and its result (None: its run is not there yet), or its last failed try."""

    claim: StartClaim
    settled: Settled | None = None
    failed: FailedTry | None = None

    @property
    def state(self) -> str:
        """The state in one word."""
        if self.settled is None:
            return "claimed"
        return "refused" if self.settled.fault else "begun"

    @property
    def fault(self) -> str:
        """Why its run has not begun, as far as known."""
        last = self.settled or self.failed
        return last.fault if last else ""


class Starts:
    """The starts of an automation, read from its journal; `created` is when it was made.

    An object reads each line once, and is used by one thread at a time.
    """

    def __init__(self, file: Path, created: datetime) -> None:
        self.switched: Switched | None = None
        self.polled: Polled | None = None
        self.since = created
        """The last claimed occurrence of the schedule, or the time from which it counts."""
        self.counts_from = created
        """The time of its creation, or when a person last let it start runs again."""
        self._file = file
        self._end = 0
        self._keys: set[tuple[str, str]] = set()
        self._claims: dict[str, StartClaim] = {}
        self._open: dict[str, StartClaim] = {}
        self._last: dict[str, Settled] = {}
        self._skipped: dict[str, Skipped] = {}
        self._comments: dict[tuple[str, CommentPart], Comment] = {}
        self._uncommented: dict[str, StartClaim] = {}
        self._failed: dict[str, FailedTry] = {}

    @property
    def is_paused(self) -> bool:
        """Whether a person paused the automation."""
        return bool(self.switched and self.switched.is_paused)

    @property
    def pending(self) -> tuple[StartClaim, ...]:
        """The claims whose runs are not there yet, oldest first."""
        return (*self._open.values(),)

    @property
    def last(self) -> tuple[Start, ...]:
        """The last starts, oldest first."""
        latest = [*self._claims.values()][-_MOST_SHOWN:]
        return tuple(self._start_of(claim) for claim in latest)

    @property
    def failed_tries(self) -> tuple[FailedTry, ...]:
        """The last failed try of each claim whose run is not there yet, oldest claim first."""
        return tuple(failed for run_id in self._open if (failed := self._failed.get(run_id)))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The last labellings that started nothing, oldest first."""
        return (*self._skipped.values(),)[-_MOST_SHOWN:]

    @property
    def uncommented(self) -> tuple[StartClaim, ...]:
        """The claims of issues that still get a comment: about the end, or a refused start."""
        return (*self._uncommented.values(),)

    def refused_since(self, when: datetime) -> Mapping[str, Sequence[StartClaim]]:
        """Return the claims whose starts were refused since a time, by faults, oldest first.

        Those before a person last paused the automation, or let it start runs again, do not count.
        """
        since = max(when, self.switched.at) if self.switched else when
        found: dict[str, list[StartClaim]] = {}
        for run_id, claim in self._claims.items():
            result = self._last.get(run_id)
            if result and result.fault and result.at >= since:
                found.setdefault(result.fault, []).append(claim)
        return found

    def comment(self, run_id: str, part: CommentPart) -> Comment | None:
        """Return the comment on the issue of a run, as it was recorded last."""
        return self._comments.get((run_id, part))

    def find(self, run_id: str) -> Start | None:
        """Return the start with the id of its run."""
        claim = self._claims.get(run_id)
        return self._start_of(claim) if claim else None

    def is_claimed(self, kind: TriggerKind, occurrence: str) -> bool:
        """Return whether an occurrence was claimed, or skipped."""
        return _key_of(kind, occurrence) in self._keys

    def read(self) -> "Starts":
        """Read the lines that were added since."""
        if self._file.exists():
            for line in read_lines(self._file, offset=self._end):
                self._take(self._parse(line.content))
                self._end = line.end
        return self

    def claim(
        self,
        kind: TriggerKind,
        occurrence: str,
        new_run_id: Callable[[], str],
        now: datetime,
        inputs: Mapping[str, str] | None = None,
    ) -> StartClaim | None:
        """Claim an occurrence; None if it was claimed before, or the automation is paused.

        A person starts a paused one, too.
        """
        with self._writing() as journal:
            is_off = self.is_paused and kind is not TriggerKind.PERSON
            if is_off or self.is_claimed(kind, occurrence):
                return None
            claim = StartClaim(kind, occurrence, new_run_id(), now, {**(inputs or {})})
            journal.append(_to_line(claim))
        self.read()
        return claim

    def settle(self, run_id: str, now: datetime, fault: str = "") -> None:
        """Record the result of a claim, once."""
        with self._writing() as journal:
            if run_id in self._open:
                journal.append(_to_line(Settled(run_id, now, fault)))
        self.read()

    def note_failed_try(self, run_id: str, now: datetime, fault: str) -> None:
        """Record why a process did not begin the run of an open claim, unless it is known."""
        with self._writing() as journal:
            known = self._failed.get(run_id)
            if run_id in self._open and fault != (known.fault if known else ""):
                journal.append(_to_line(FailedTry(run_id, now, fault)))
        self.read()

    def switch(self, *, is_paused: bool, by: str, now: datetime) -> bool:
        """Pause the automation, or let it start runs again; return whether that is a change."""
        with self._writing() as journal:
            is_change = is_paused is not self.is_paused
            if is_change:
                journal.append(_to_line(Switched(is_paused, by, now)))
        self.read()
        return is_change

    def skip(self, occurrence: str, now: datetime, reason: str) -> None:
        """Record that a labelling starts nothing, once."""
        with self._writing() as journal:
            if not self.is_claimed(TriggerKind.ISSUE, occurrence):
                journal.append(_to_line(Skipped(occurrence, now, reason)))
        self.read()

    def note_comment(self, comment: Comment) -> None:
        """Record a comment on the issue of a run: before it is posted, and when it is done."""
        with self._writing() as journal:
            journal.append(_to_line(comment))
        self.read()

    def note_poll(self, now: datetime, fault: str) -> None:
        """Record a new fault of the command of tickets or of the forge, or that it is well."""
        with self._writing() as journal:
            if fault != (self.polled.fault if self.polled else ""):
                journal.append(_to_line(Polled(now, fault)))
        self.read()

    @contextmanager
    def _writing(self) -> Generator[Journal]:
        """Open the journal as its only writer, after all its lines were read."""
        with Journal.open(self._file, wait=_PATIENCE_S) as journal:
            self.read()
            yield journal

    def _start_of(self, claim: StartClaim) -> Start:
        run_id = claim.run_id
        return Start(claim, self._last.get(run_id), self._failed.get(run_id))

    def _take(self, line: Line) -> None:
        match line:
            case StartClaim():
                self._take_claim(line)
            case Settled():
                self._take_result(line)
            case FailedTry():
                self._failed[line.run_id] = line
            case Switched():
                self.switched = line
                if not line.is_paused:
                    self.counts_from = line.at
                    self.since = max(self.since, line.at)
            case Polled():
                self.polled = line
            case Skipped() | Comment():
                self._take_of_issue(line)

    def _take_claim(self, line: StartClaim) -> None:
        self._keys.add(_key_of(line.kind, line.occurrence))
        self._claims[line.run_id] = self._open[line.run_id] = line
        if line.kind is TriggerKind.SCHEDULE:
            self._count_from(line.occurrence)

    def _take_result(self, line: Settled) -> None:
        claim = self._open.pop(line.run_id, None)
        self._failed.pop(line.run_id, None)
        self._last[line.run_id] = line
        if claim and claim.kind is TriggerKind.ISSUE:
            self._uncommented[line.run_id] = claim

    def _take_of_issue(self, line: Skipped | Comment) -> None:
        if isinstance(line, Skipped):
            self._keys.add(_key_of(TriggerKind.ISSUE, line.occurrence))
            self._skipped[line.occurrence] = line
            return
        self._comments[line.run_id, line.part] = line
        result = self._last.get(line.run_id)
        is_refused = bool(result and result.fault)
        if line.is_done and (line.part is CommentPart.END or is_refused):
            self._uncommented.pop(line.run_id, None)

    def _count_from(self, occurrence: str) -> None:
        try:
            self.since = max(self.since, datetime.fromisoformat(occurrence))
        except (ValueError, TypeError) as cause:
            raise self._damaged() from cause

    def _parse(self, content: bytes) -> Line:
        record = parse_object(content) or {}
        data = record.get("data")
        kind = _KINDS.get(str(record.get("kind")))
        try:
            if kind and isinstance(data, dict):
                return read_record(kind, data)
        except UsageError as cause:
            raise self._damaged() from cause
        raise self._damaged()

    def _damaged(self) -> VerificationError:
        hint = "restore it from a backup, or remove the automation"
        return VerificationError(f"invalid line in {self._file}", hint=hint)


def _key_of(kind: TriggerKind, occurrence: str) -> tuple[str, str]:
    # A forge ignores the case of repositories and logins.
    return kind, occurrence.casefold() if kind is TriggerKind.ISSUE else occurrence


def _to_line(line: Line) -> str:
    return canonical_json({"kind": _NAMES[type(line)], "data": write_record(line)})
