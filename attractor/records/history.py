"""The records of a run, and the history of the walk: attempts, failures, edges."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import Json, parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import OUTCOME_ASSUMED
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.state.progress import Move, Visit, step_from_record
from attractor.engine.state.walks import GIVEN_UP
from attractor.engine.storage.json_files import Fields


@dataclass(frozen=True)
class RecordedRun:
    """The records in the directory of a run; a process may be executing the run."""

    directory: RunDirectory
    manifest: Manifest

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.manifest.run_id

    def events(self) -> Iterator[Event]:
        """Yield the events of the run from the start, without verifying the hash chain."""
        journal = self.directory.events
        for line in read_lines(journal) if journal.exists() else ():
            record = parse_json(line.content)
            if not isinstance(record, dict):
                raise RecordBroken(f"invalid event at byte {line.offset} of {journal}")
            yield Event.from_record(record)


def read_run(root: Path) -> RecordedRun:
    """Return the records of the run in a directory."""
    directory = RunDirectory(root)
    return RecordedRun(directory, read_manifest(directory))


@dataclass(frozen=True)
class CandidateEdge:
    """A candidate edge of a choice, and the reason why it was selected or not."""

    target: str
    condition: str
    fate: str


@dataclass(frozen=True)
class Choice:
    """The next node after a visit, the reason for this choice, and the candidate edges."""

    target: str
    reason: str
    candidates: tuple[CandidateEdge, ...] = ()


@dataclass(frozen=True)
class CompletedVisit:
    """A completed visit, in the walk from the start or in a branch."""

    visit: Visit
    move: Move
    branch: str = ""
    choices: tuple[Choice, ...] = ()

    @property
    def node(self) -> str:
        """The node that was visited."""
        return self.visit.node

    def __str__(self) -> str:
        return f"{self.visit.node}@{self.visit.number}"


@dataclass(frozen=True)
class Failure:
    """An attempt that failed, or asked for a retry."""

    node: str
    visit: int
    attempt: int
    error: str
    will_retry: bool


@dataclass(frozen=True)
class BranchEnd:
    """The end of a branch; a branch that was canceled as no longer needed has not failed."""

    key: str
    name: str
    node: str
    visit: int
    reason: str
    has_failed: bool


@dataclass(frozen=True)
class ChildRun:
    """A pipeline that a visit ran as a run of its own."""

    node: str
    visit: int
    run_id: str
    directory: str


@dataclass(frozen=True)
class Note:
    """A notable event of a run: its time, and a sentence."""

    time: datetime
    words: str


@dataclass
class History:
    """The history of a run; each list is in the order of the events.

    `waited` is the number of seconds in which the run only waited for people.
    """

    visits: list[CompletedVisit] = field(default_factory=list[CompletedVisit])
    failures: list[Failure] = field(default_factory=list[Failure])
    branches: list[BranchEnd] = field(default_factory=list[BranchEnd])
    children: list[ChildRun] = field(default_factory=list[ChildRun])
    assumed: list[str] = field(default_factory=list[str])
    interruptions: list[Note] = field(default_factory=list[Note])
    not_kept: list[str] = field(default_factory=list[str])
    waited: float = 0.0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def main(self) -> Sequence[CompletedVisit]:
        """The completed visits of the walk from the start."""
        return [one for one in self.visits if not one.branch]

    def path(self) -> Sequence[str]:
        """Return the nodes on the path of the walk from the start."""
        return [one.node for one in self.main]


def read_history(run: RecordedRun) -> History:
    """Return the history of a run."""
    reading = _Reading()
    for event in run.events():
        history = reading.history
        history.first, history.last = history.first or event.time, event.time
        if note := note_of(event):
            history.interruptions.append(note)
        if take_note := _NOTES.get(event.type):
            take_note(reading, event, Fields(event.data, f"event {event.seq} ({event.type})"))
    return reading.history


@dataclass
class _Reading:
    """Reads a history; keeps the edges selected since a visit began, and the start of a wait."""

    history: History = field(default_factory=History)
    choices: dict[tuple[str, int], list[Choice]] = field(
        default_factory=dict[tuple[str, int], list[Choice]]
    )
    parked: datetime | None = None


def note_of(event: Event) -> Note | None:
    """Return the note about an event that interrupts or steers a run; None for other events."""
    describe = _NOTED.get(event.type)
    words = describe(event, Fields(event.data, event.type)) if describe else ""
    return Note(event.time, words) if words else None


def _chosen(reading: _Reading, event: Event, data: Fields) -> None:
    candidates = tuple(
        CandidateEdge(one.text("target"), one.text("condition"), one.text("fate"))
        for one in data.inners("candidates")
    )
    choice = Choice(data.text("target"), data.text("reason"), candidates)
    reading.choices.setdefault(_visit(event), []).append(choice)


def _saved(reading: _Reading, event: Event, data: Fields) -> None:
    if data.has("step"):
        step = step_from_record(data.inner("step"))
        choices = reading.choices.pop(_visit(event), [])
        made = CompletedVisit(step.visit, step.move, event.branch or "", tuple(choices))
        reading.history.visits.append(made)


def _failed(reading: _Reading, event: Event, data: Fields) -> None:
    node, visit = _visit(event)
    error, will_retry = data.text("error"), data.flag("will_retry")
    reading.history.failures.append(Failure(node, visit, event.attempt or 1, error, will_retry))


def _branch_over(reading: _Reading, event: Event, data: Fields) -> None:
    node, visit = _visit(event)
    has_failed = not data.flag("success") and data.text("outcome") != GIVEN_UP
    key, name, reason = event.branch or "", data.text("branch"), data.text("reason")
    reading.history.branches.append(BranchEnd(key, name, node, visit, reason, has_failed))


def _child(reading: _Reading, event: Event, data: Fields) -> None:
    node, visit = _visit(event)
    child = ChildRun(node, visit, data.text("run_id"), data.text("directory"))
    if child not in reading.history.children:
        reading.history.children.append(child)


def _assumed(reading: _Reading, event: Event, data: Fields) -> None:
    node, visit = _visit(event)
    reason = data.text("reason") if data.has("reason") else "it did not report its outcome"
    reading.history.assumed.append(f"{node}@{visit}: {reason}")


def _resumed(reading: _Reading, event: Event, data: Fields) -> None:
    if reading.parked is not None:
        reading.history.waited += max(0.0, (event.time - reading.parked).total_seconds())
    reading.parked = None


def _parked(reading: _Reading, event: Event, data: Fields) -> None:
    reading.parked = reading.parked or event.time


def _left_out(reading: _Reading, event: Event, data: Fields) -> None:
    count = data.number("refused_count")
    if count:
        more = f" and {count - 1} more" if count > 1 else ""
        first = _named(data.items("refused")[0])
        reading.history.not_kept.append(f"{event.node}: {first}{more}")


def _named(one: Json) -> str:
    match one:
        case {"path": str(path), "why": str(why)}:
            return f"{path} ({why})"
        case _:
            return str(one)


def _visit(event: Event) -> tuple[str, int]:
    return event.node or "", event.visit or 0


_NOTES: Mapping[str, Callable[[_Reading, Event, Fields], None]] = {
    "EdgeSelected": _chosen,
    "CheckpointSaved": _saved,
    "StageFailed": _failed,
    "ParallelBranchCompleted": _branch_over,
    "ChildRunStarted": _child,
    OUTCOME_ASSUMED: _assumed,
    "RunResumed": _resumed,
    "StageParked": _parked,
    "FilesLeftOut": _left_out,
}


def _resumed_words(event: Event, data: Fields) -> str:
    again = "; its stage was interrupted and is repeated" if data.flag("interrupted") else ""
    return f"resumed at {data.text('next_node')}{again}"


def _order_words(event: Event, data: Fields) -> str:
    if not data.flag("is_accepted"):
        return ""
    by = f" by {data.text('by')}" if data.text("by") else ""
    why = f": {data.text('why')}" if data.text("why") else ""
    return f"{data.text('action')}{by}{why}"


_TORN = "the incomplete last line of the journal was removed: the process died while writing it"

_NOTED: Mapping[str, Callable[[Event, Fields], str]] = {
    "RunInterrupted": lambda event, data: data.text("reason"),
    "RunResumed": _resumed_words,
    "TornLineDropped": lambda event, data: _TORN,
    "StageParked": lambda event, data: f"waits for an answer at {event.node}",
    "OperatorAction": _order_words,
}

NOTED = frozenset(_NOTED)
"""The types of the events that a note is about."""
