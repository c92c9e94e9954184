"""The status of a run: its summary, the output of running stages, and the delivered result."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UnknownName
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.stage.folder import TAIL
from attractor.engine.state.run_state import EVALUATING, RunStatus, StatusWord
from attractor.language.source.text import visible
from attractor.records.delivery import Delivery, read_delivery
from attractor.records.incidents import Incident, read_incidents
from attractor.records.lookup import reference_of
from attractor.records.open_work import StageInFlight, last_output, shown_lines, stages_in_flight
from attractor.records.stage_output import FailedOutput, failed_output
from attractor.records.summary import NOT_JUDGED, UNKNOWN, RunOverview, summarize
from attractor.records.timeline import read_timeline
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
            "incidents": [write_fields(incident) for incident in self.incidents],
            "result_patch": patch.to_record() if patch else None,
            "failed_output": [write_fields(output) for output in self.failed_output],
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
MARKS = (ANSWERED, PAUSED, STOPPED) = ("answered", "paused", "stopped")
"""Words that follow the status of a run in a list."""


def status_words(status: RunStatus) -> str:
    """Return the status of a run without a live process, for people."""
    return NOT_EVALUATED if status == EVALUATING else str(status)


def status_of(run: RunOverview) -> str:
    """Return the status of a run for people."""
    landed = f", landed on {visible(run.landed_on)}" if run.landed_on else ""
    if run.is_resting:
        return f"{NOT_JUDGED}{landed}"
    if run.status == StatusWord.EVALUATING and not run.is_live:
        return f"{NOT_EVALUATED}{landed}"
    details = run.phase or (run.wait.reason if run.wait else "")
    status = f"{run.status} ({details})" if details else run.status
    status = f"{status}, promoted to {run.promoted_to}" if run.promoted_to else status
    if run.rolled_back_from:
        status = f"{status}, rolled back from {run.rolled_back_from}"
    return visible(f"{status}, {PAUSED}" if run.is_paused else status) + landed


def listed_status(run: RunOverview) -> str:
    """Return the status of a run in a list, for people."""
    if run.is_answered:
        return f"{run.status}, {ANSWERED}"
    shown = status_of(run)
    is_plain = shown == run.status or run.wait is not None
    return f"{shown}, {STOPPED}" if run.is_stopped and is_plain else shown


def require_known_status(word: str) -> None:
    """Refuse a word that no run in a list can have as its status or outcome."""
    known = {*StatusWord, *StageStatus, *MARKS, NOT_EVALUATED, NOT_JUDGED, UNKNOWN}
    # A status in the list may have details, such as a branch.
    if word not in known and word.partition(" (")[0].partition(", ")[0] not in known:
        raise UnknownName("status", word, known)


def filter_words(run: RunOverview) -> set[str]:
    """Return the words by which a list of runs finds a run: of its status and its outcome."""
    if run.is_resting:
        return {NOT_JUDGED, run.outcome}
    listed = listed_status(run)
    return {run.status, listed, *listed.split(", "), run.outcome}


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
