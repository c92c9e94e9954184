"""Open pull requests as their forge showed them last, and what each needs next.

A reading is a file for each pull request in the state folder, written whole, and not lines of the
ledger: it proves nothing, nothing is judged by it, and it changes. What ended a pull request, and
what others said about it, are lines of the ledger.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.factory.open_project import OpenProject, RecordFolder
from attractor.factory.pulls.rounds import ListedRound, Round, list_rounds
from attractor.pipeline.project.project import Project

SHOWN = timedelta(days=7)
"""For so long, a person is told about a merge outside, and a closed pull request is read again."""

_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class PullReading:
    """A pull request as it was read last.

    It is round `round` of at most `most`. `passed` is the number of passed checks; `failed` and
    `pending` are the names of the others, and `remarks` the ids of remarks of people with write
    access. `moved_to` is the tip of the branch, if others pushed to it, and `retargeted_to` its
    target, if that was changed on the forge. `fault` is why the forge
    refused to be read. `merged_outside` is the commit of a merge that is no promotion. One that
    `is_closed` is kept, because a person may open it again. `next_run` is the next round, if it has
    begun. `since` is the time since which it needs the same step.
    """

    run_id: str
    repository: str
    number: int
    url: str
    target: str
    round: int
    most: int
    read: datetime
    since: datetime
    passed: int = 0
    failed: Sequence[str] = ()
    pending: Sequence[str] = ()
    remarks: Sequence[str] = ()
    has_conflict: bool = False
    moved_to: str = ""
    retargeted_to: str = ""
    fault: str = ""
    merged_outside: str = ""
    is_closed: bool = False
    next_run: str = ""

    @property
    def said(self) -> str:
        """The failed checks and the remarks in words, or ""."""
        failed = f"{number_of(len(self.failed), 'check')} failed" if self.failed else ""
        remarks = number_of(len(self.remarks), "remark") if self.remarks else ""
        return ", ".join(filter(None, (failed, remarks)))

    @property
    def changed_by_others(self) -> str:
        """What others changed of the pull request that a person approved, or ""."""
        if self.moved_to:
            return f"another person pushed {self.moved_to[:12]} to its branch"
        if self.retargeted_to:
            return f"its target was changed from {self.target} to {self.retargeted_to}"
        return ""

    def after(self, earlier: "PullReading | None") -> "PullReading":
        """Return the reading with the values of an earlier one that still hold."""
        if earlier is None or earlier.run_id != self.run_id:
            return self
        # What is said after it began is feedback for the round after it.
        new = replace(self, next_run=earlier.next_run)
        before, now = [(reading.is_closed, pull_step(reading)) for reading in (earlier, new)]
        return replace(new, since=earlier.since) if before == now else new


def new_reading(own: Round, number: int, project: Project) -> PullReading:
    """Return the reading of a pull request that was not read yet."""
    now = project.machine.clock.now()
    return PullReading(
        run_id=own.run_id,
        repository=own.repository,
        number=own.number,
        url=own.url,
        target=own.target,
        round=number,
        most=project.pull_request.max_rounds,
        read=now,
        since=now,
    )


@dataclass(frozen=True)
class PullStep:
    """What a pull request needs from a person, in words and as a command.

    With `begins_round`, it is the start of the next round.
    """

    words: str
    command: str
    begins_round: bool = False


def pull_step(reading: PullReading) -> PullStep | None:
    """Decide what a pull request needs from a person; None if it waits for others."""
    sync, next_ = f"attractor pr sync {reading.run_id}", f"pr next {reading.run_id}"
    if commit := reading.merged_outside:
        words = f"merged outside as {commit[:12]}, which is no promotion: look at what it brought"
        return PullStep(words, f"git show {commit[:12]}")
    if reading.fault:
        return PullStep(f"it cannot be read: {reading.fault}", sync)
    if reading.is_closed:
        return None
    if change := reading.changed_by_others:
        return PullStep(f"{change}, so its merge is no promotion: end it by hand", sync)
    if reading.has_conflict:
        words = f"it conflicts with {reading.target}: a new run on its commit can continue it"
        return PullStep(words, after_conflict(reading.run_id))
    if not reading.said or reading.next_run:
        return None
    if reading.round >= reading.most:
        used = f"its {number_of(reading.most, 'round')} of pull_request.max_rounds are used up"
        raised = f"attractor --config pull_request.max_rounds={reading.round + 1} {next_}"
        return PullStep(f"{reading.said}, and {used}: continue by hand, or raise the limit", raised)
    words = f"{reading.said}: round {reading.round + 1} of at most {reading.most} has not begun"
    return PullStep(words, f"attractor {next_}", begins_round=True)


def after_conflict(run: str) -> str:
    """Return the command that continues a pull request in conflict: a rebase would conflict, too.

    The result of the new run becomes a round of the same pull request.
    """
    return f"git pull && attractor run FILE --feedback {run}"


class PullReadings(RecordFolder[PullReading]):
    """The readings of the open pull requests of a project, in the state folder."""

    name = "pulls"
    kind = PullReading

    def of_run(self, run_id: str) -> PullReading | None:
        """Return the reading of the pull request whose latest round is a run, or None."""
        return next((reading for reading in self.all() if reading.run_id == run_id), None)

    def find(self, repository: str, number: int) -> PullReading | None:
        """Return the reading of a pull request, or None."""
        return self._named(_name(repository, number))

    def keep(self, reading: PullReading) -> None:
        """Write a reading in place of an earlier one."""
        with self._locked():
            earlier = self.find(reading.repository, reading.number)
            self._write(_name(reading.repository, reading.number), reading.after(earlier))

    def remove(self, repository: str, number: int) -> None:
        """Forget a pull request that ended."""
        self.file(_name(repository, number)).unlink(missing_ok=True)

    def begin_next(self, run_id: str, next_run: str) -> None:
        """Record the run that begins the next round after a run, if it has a pull request."""
        # A project without pull requests gets no folder, and so no page of them.
        if not self.folder.is_dir():
            return
        with self._locked():
            if reading := self.of_run(run_id):
                name = _name(reading.repository, reading.number)
                self._write(name, replace(reading, next_run=next_run))

    def lock_next(self, run_id: str, *, wait: float = 0.0) -> FileLock:
        """Lock the round after a run; raise LockHeld if another process begins it."""
        make_private_folder(self.folder)
        lock = FileLock(self.folder / f"{run_id}.lock")
        return lock.acquire(wait=wait, purpose="the next round of a pull request")

    def _locked(self) -> FileLock:
        """Lock the readings, so that no process overwrites the change of another one."""
        make_private_folder(self.folder)
        return FileLock(self.folder / "readings.lock").acquire(wait=_PATIENCE_S)


def _name(repository: str, number: int) -> str:
    return f"{repository.casefold()}-{number}"


def pull_records(opened: OpenProject) -> list[dict[str, Json]]:
    """Return the JSON records of `list_rounds`, each with what was read last, and what is next."""
    readings = {one.run_id: one for one in PullReadings.of(opened).all()}
    return [_record(one, readings.get(one.round.run_id)) for one in list_rounds(opened)]


def _record(listed: ListedRound, reading: PullReading | None) -> dict[str, Json]:
    step = pull_step(reading) if reading else None
    return {
        **write_fields(listed.round),
        **write_fields(listed, round=""),
        "reading": write_fields(reading) if reading else None,
        "next": write_fields(step) if step else None,
    }
