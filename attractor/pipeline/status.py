"""The status of a run: its summary, the output of running stages, and the delivered result."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.stage.folder import TAIL
from attractor.engine.state.run_state import EVALUATING, Phase, RunStatus, StatusWord
from attractor.language.source.text import visible
from attractor.records.delivery import Delivery, read_delivery
from attractor.records.diagnosis.needs import ANSWERED, QUESTION, STOPPED, why_it_needs_a_person
from attractor.records.incidents import Incident, read_incidents
from attractor.records.lookup import reference_of
from attractor.records.open_work import StageInFlight, last_output, shown_lines, stages_in_flight
from attractor.records.stage_output import FailedOutput, failed_output
from attractor.records.summary import NOT_JUDGED, UNKNOWN, RunOverview, summarize
from attractor.records.timeline import read_timeline
from attractor.workspaces.create.registry import ISOLATED, workspace_registry
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.landings import find_landings


@dataclass(frozen=True)
class RunStatusView:
    """The status of a run, with the last output lines of running stages."""

    summary: RunOverview
    reference: str
    at_work: Sequence[tuple[StageInFlight, tuple[str, ...]]] = ()
    delivery: Delivery = Delivery()
    incidents: Sequence[Incident] = ()
    failed_output: Sequence[FailedOutput] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the status as a JSON object."""
        patch = self.delivery.patch
        return {
            **self.summary.to_record(),
            "changed": self.delivery.changed,
            "carried_changed": self.delivery.carried,
            "incidents": [write_fields(incident) for incident in self.incidents],
            "result_patch": patch.to_record() if patch else None,
            "failed_output": [write_fields(output) for output in self.failed_output],
            "actions": [*allowed_actions(self)],
            "at_work": [
                {**write_fields(stage, folder=""), "last_lines": list(lines)}
                for stage, lines in self.at_work
            ],
        }


async def with_landings(
    found: Sequence[RunOverview], project: Path, *, search_path: str
) -> list[RunOverview]:
    """Return runs with the branches into which a person merged their results by hand."""
    wanted = [run.run_id for run in found if _may_have_landed(run)]
    if not wanted:
        return list(found)
    try:
        repository = await open_repository(project, search_path=search_path)
        landings = await find_landings(repository.git, wanted)
    except AttractorError:
        # The list is complete without them; gc reports the fault of the repository.
        return list(found)
    return [
        replace(run, landed_on=str(landings[run.run_id])) if run.run_id in landings else run
        for run in found
    ]


def _may_have_landed(run: RunOverview) -> bool:
    is_unjudged = run.is_resting or (run.status == StatusWord.EVALUATING and not run.suite)
    was_promoted = run.promoted_to or run.rolled_back_from
    return is_unjudged or (run.status == StatusWord.APPROVED and not was_promoted)


def read_status(root: Path, runs_dir: Path) -> RunStatusView:
    """Read the status of a run."""
    summary = summarize(root)
    return RunStatusView(
        summary,
        reference_of(root, runs_dir),
        _printing(root),
        _delivered(root),
        _incidents(root),
        failed_output(read_timeline(root)) if summary.status == StatusWord.FAILED else (),
    )


def _incidents(root: Path) -> Sequence[Incident]:
    # The summary reports a corrupt journal.
    try:
        return read_incidents(RunDirectory(root).events)
    except AttractorError:
        return ()


def _delivered(root: Path) -> Delivery:
    # The summary reports a corrupt journal.
    try:
        found = read_delivery(RunDirectory(root))
    except AttractorError:
        return Delivery()
    return found if found.patch is None or found.patch.place.exists() else Delivery()


def _printing(root: Path) -> Sequence[tuple[StageInFlight, tuple[str, ...]]]:
    # The summary reports a corrupt journal.
    try:
        stages = stages_in_flight(root)
    except AttractorError:
        return ()
    return [(stage, shown_lines(last_output(stage.folder))) for stage in stages]


NOT_EVALUATED = "not evaluated"
PAUSED, SUCCEEDED = "paused", "succeeded"
MARKS = (ANSWERED, PAUSED, STOPPED)
"""Words that find runs in a list besides their status and outcome."""


def status_words(status: RunStatus) -> str:
    """Return the status of a run without a live process, for people."""
    return NOT_EVALUATED if status == EVALUATING else str(status)


class PlainWord(StrEnum):
    """The status of a run or an actor for people, in one of three words."""

    RUNNING = "running"
    NEEDS_YOU = "needs you"
    ENDED = "ended"


@dataclass(frozen=True)
class PlainStatus:
    """The status of a run or an actor for people: a word, and the reason behind it.

    `details` are further facts, such as the branch that has the result. `until` is the time at
    which a wait ends.
    """

    word: PlainWord
    reason: str = ""
    details: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def head(self) -> str:
        """The status without details; what ended is named by its reason alone."""
        if self.word is PlainWord.ENDED:
            return self.reason
        return f"{self.word} ({self.reason})" if self.reason else self.word.value

    def __str__(self) -> str:
        return ", ".join([self.head, *self.details])


def plain_status(run: RunOverview) -> PlainStatus:
    """Return the status of a run for people."""
    ended = _ended_as(run)
    if ended:
        return PlainStatus(PlainWord.ENDED, *ended)
    if reason := why_it_needs_a_person(run):
        is_cut = reason == QUESTION and run.is_stopped
        return PlainStatus(PlainWord.NEEDS_YOU, reason, ("no process",) if is_cut else ())
    if run.is_paused:
        details = (f"pauses after {visible(', '.join(run.pausing))}",) if run.pausing else ()
        return PlainStatus(PlainWord.RUNNING, "" if details else PAUSED, details)
    if run.wait:
        return PlainStatus(PlainWord.RUNNING, f"waits for {run.wait.reason}", until=run.wait.until)
    is_at_work = run.status in (StatusWord.EXECUTING, StatusWord.AWAITING_HUMAN)
    return PlainStatus(PlainWord.RUNNING, "" if is_at_work else run.status)


def _ended_as(run: RunOverview) -> tuple[str, tuple[str, ...]] | None:
    """Return how a run ended, and the branch that has its result; None if it goes on."""
    landed = (f"landed on {visible(run.landed_on)}",) if run.landed_on else ()
    if run.is_resting:
        return SUCCEEDED, (NOT_JUDGED, *landed)
    if run.status == StatusWord.EVALUATING and not run.is_live:
        return SUCCEEDED, (NOT_EVALUATED, *landed)
    if not run.is_final:
        return None
    moves = {"promoted to": run.promoted_to, "rolled back from": run.rolled_back_from}
    moved = tuple(f"{words} {visible(branch)}" for words, branch in moves.items() if branch)
    return run.status, (*moved, *landed)


def allowed_actions(status: RunStatusView) -> list[str]:
    """Return the actions that a run allows now, as far as its status decides."""
    run, phase = status.summary, status.summary.phase
    kind = workspace_registry().get(run.workspace or ISOLATED)
    is_ended = plain_status(run).word is PlainWord.ENDED
    has_walked = run.is_final or run.status == StatusWord.EVALUATING or phase == Phase.DECISION
    is_walking = run.is_live and not has_walked and run.status != UNKNOWN
    # The copy of a run does not know the stages in flight on a worker.
    is_at_work = bool(status.at_work) or RunDirectory(run.directory).elsewhere.exists()
    is_to_judge = phase == Phase.DECISION or (run.status == StatusWord.EVALUATING and is_ended)
    is_approved = run.status == StatusWord.APPROVED
    is_branch = kind is not None and kind.how_delivered == "branch"
    may_rebase = is_approved or (phase == Phase.DECISION and bool(run.suite))
    allowed = {
        "decide": phase == Phase.DECISION,
        "amend": is_approved or run.status == StatusWord.REJECTED,
        "promote": is_approved and is_branch,
        "rebase": may_rebase and is_branch,
        "rollback": bool(run.promoted_to),
        "resume": (run.is_live and run.is_paused) or run.is_stopped or run.is_answered,
        "pause": is_walking and not run.is_paused,
        "steer": is_walking and is_at_work,
        "cancel": not is_ended,
        "evaluate": is_to_judge and bool(run.suite),
        # Two runs cannot share the folder of a person.
        "fork": kind is not None and (kind.is_apart or kind.create is None),
        "rewind": not run.actor,
    }
    return [name for name, is_allowed in allowed.items() if is_allowed]


def require_known_status(words: str) -> None:
    """Refuse words that no run in a list can have as its status or outcome."""
    known = {*StatusWord, *StageStatus, *MARKS, NOT_EVALUATED, NOT_JUDGED, UNKNOWN, SUCCEEDED}
    known |= {PlainWord.RUNNING, PlainWord.NEEDS_YOU}
    # A status in the list may have details, such as a branch.
    if words not in known and words.partition(" (")[0].partition(", ")[0] not in known:
        raise UnknownName("status", words, known)


def is_found_by(words: str, run: RunOverview) -> bool:
    """Return whether a list of runs finds a run by its status, its outcome, or several words.

    A run that was not judged needs no decision: the status of its journal does not find it.
    """
    plain = plain_status(run)
    found = {run.outcome, plain.head, *plain.details, *([] if run.is_resting else [run.status])}
    if plain.word is not PlainWord.ENDED:
        phase = run.phase or (run.wait.reason if run.wait else "")
        marks = {ANSWERED: run.is_answered, PAUSED: run.is_paused, STOPPED: run.is_stopped}
        found |= {plain.word, f"{run.status} ({phase})", *(word for word in marks if marks[word])}
    return found >= set(words.split(", "))


_Look = tuple[object, ...]


def status_changes(root: Path, runs_dir: Path, wait: Callable[[], None]) -> Iterator[RunStatusView]:
    """Yield the status of a run now and after each change, until the run is over.

    `wait` is called between two checks. During a model call, the same status is yielded at every
    check, because the duration of the call is shown. If the run restarts as a new run, the status
    of the new run follows.
    """
    looked: _Look = ()
    before: dict[str, Json] = {}
    last: RunStatusView | None = None
    while True:
        # A change during reading is seen at the next check.
        look = _look(root, last)
        if last is None or look != looked:
            last, looked = read_status(root, runs_dir), look
            record = {**last.to_record(), "written": ""}
            if record != before:
                yield last
            before = record
        elif any(stage.calling_since for stage, _ in last.at_work):
            yield last
        following = root.parent / last.summary.restarted_as if last.summary.restarted_as else None
        if following and (following / "manifest.json").is_file():
            root, looked, before, last = following, (), {}, None
        elif is_over(last):
            return
        else:
            wait()


def is_over(status: RunStatusView) -> bool:
    """Return whether the run has ended or its records are corrupt."""
    run = status.summary
    return not run.is_live and (bool(run.outcome) or run.is_final or run.status == UNKNOWN)


def _look(root: Path, last: RunStatusView | None) -> _Look:
    """Return a fingerprint of the run's files and lock."""
    directory = RunDirectory(root)
    tails = [stage.folder / TAIL for stage, _ in last.at_work] if last else []
    files = [directory.events, directory.run, *tails]
    return (is_held(directory.lock), *map(_signature, files))


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
