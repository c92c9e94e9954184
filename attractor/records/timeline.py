"""The stages of a run: each attempt with its times, outcome, edges, child runs and files."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.events import Event
from attractor.base.files import file_error, open_regular
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.journal.reader import selected_events
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage, usage_from_record
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.stage.folder import SESSION, history_folder
from attractor.engine.state.attempts import stage_id
from attractor.engine.state.progress import step_from_record
from attractor.engine.state.walks import GIVEN_UP
from attractor.engine.storage.json_files import Fields
from attractor.language.drawing.run_overlay import StageState
from attractor.language.graph.graph import folder_name
from attractor.records.history import NOTED, ChildRun, Note, note_of


@dataclass(frozen=True)
class Period:
    """A time in which a process worked on an attempt; `end` is None while it works."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True)
class SelectedEdge:
    """An edge that the walk took after a visit, and the reason."""

    target: str
    reason: str
    label: str = ""
    condition: str = ""


@dataclass(frozen=True)
class StageFile:
    """A file in the folder of an attempt."""

    name: str
    bytes: int


@dataclass(frozen=True)
class StageAttempt:
    """An attempt of a visit of a node.

    `name` is the label of the node. An attempt that was interrupted or waited for an answer has
    several periods. `model` is empty if the stage used no model.
    """

    node: str
    visit: int
    attempt: int
    branch: str = ""
    name: str = ""
    state: StageState = StageState.RUNNING
    periods: tuple[Period, ...] = ()
    seconds: float = 0.0
    outcome: str = ""
    preferred_label: str = ""
    notes: str = ""
    error: str = ""
    failure_class: str = ""
    will_retry: bool = False
    is_assumed: bool = False
    fidelity: str = ""
    model: str = ""
    usage: Usage = NOTHING_USED
    edges: tuple[SelectedEdge, ...] = ()
    children: tuple[ChildRun, ...] = ()
    folder: Path | None = None

    @property
    def id(self) -> str:
        """The name of the attempt in commands and addresses."""
        return stage_id(folder_name(self.node), self.visit, self.attempt)

    @property
    def started(self) -> datetime:
        """The time at which a process first worked on the attempt."""
        return self.periods[0].start

    def files(self) -> Sequence[StageFile]:
        """Return the files of the attempt, sorted by name."""
        try:
            found = list(_files(os.scandir(self.folder))) if self.folder else []
        except OSError:  # the next attempt is just moving them
            return []
        return sorted(found, key=lambda one: one.name)

    def read_file(self, name: str, *, most: int, from_end: bool = False) -> bytes:
        """Return the first bytes of a file of the attempt, or the last ones."""
        names = [one.name for one in self.files()]
        if name not in names or self.folder is None:
            raise UnknownName(f"file of stage {self.id}", name, names)
        path = self.folder / name
        try:
            with open_regular(path) as file:
                if from_end:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - most))
                return file.read(most)
        except OSError as cause:
            raise file_error("read", path, cause) from cause

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the attempt."""
        return {
            "id": self.id,
            "node": self.node,
            "visit": self.visit,
            "attempt": self.attempt,
            "branch": self.branch,
            "name": self.name,
            "state": self.state.name.lower(),
            "periods": [write_fields(one) for one in self.periods],
            "seconds": round(self.seconds, 3),
            "outcome": self.outcome,
            "preferred_label": self.preferred_label,
            "notes": self.notes,
            "error": self.error,
            "failure_class": self.failure_class,
            "will_retry": self.will_retry,
            "assumed": self.is_assumed,
            "fidelity": self.fidelity,
            "model": self.model,
            "cost_usd": round(self.usage.cost_usd, 6),
            "input_tokens": self.usage.input_tokens,
            "output_tokens": self.usage.output_tokens,
            "edges": [write_fields(one) for one in self.edges],
            "children": [
                {"name": Path(one.directory).name, "run_id": one.run_id, "directory": one.directory}
                for one in self.children
            ],
            "files": [write_fields(one) for one in self.files()],
        }


def _files(entries: Iterable["os.DirEntry[str]"]) -> Iterator[StageFile]:
    for entry in entries:
        is_shown = entry.name != SESSION and not entry.name.startswith(".")
        if is_shown and entry.is_file(follow_symlinks=False):
            yield StageFile(entry.name, entry.stat(follow_symlinks=False).st_size)


@dataclass(frozen=True)
class Wait:
    """A question to a person; `until` is None while it is open."""

    node: str
    question: str
    since: datetime
    until: datetime | None = None
    by: str = ""


@dataclass(frozen=True)
class Timeline:
    """The attempts of a run in time, the waits for people, and notable events."""

    attempts: Sequence[StageAttempt]
    waits: Sequence[Wait]
    notes: Sequence[Note]
    start: datetime | None = None
    end: datetime | None = None
    is_live: bool = False

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the timeline."""
        return {
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "live": self.is_live,
            "bars": [
                {
                    "stage": one.id,
                    "node": one.node,
                    "branch": one.branch,
                    "state": one.state.name.lower(),
                    "periods": [write_fields(period) for period in one.periods],
                }
                for one in self.attempts
            ],
            "waits": [write_fields(one) for one in self.waits],
            "notes": [{"time": one.time.isoformat(), "words": one.words} for one in self.notes],
        }


def read_stages(root: Path) -> Sequence[StageAttempt]:
    """Return the attempts of a run, in the order in which they began."""
    return read_timeline(root).attempts


def read_timeline(root: Path) -> Timeline:
    """Return the timeline of a run, without verifying the hash chain of its journal."""
    directory = RunDirectory(root)
    # Before the journal: an attempt that ends meanwhile is not interrupted.
    is_live = is_held(directory.lock)
    events = selected_events(directory.events, _KINDS)
    timeline = fold_timeline(events, is_live=is_live)
    newest = {one.node: one for one in timeline.attempts}
    attempts = [
        replace(one, folder=_folder(directory, one, is_newest=newest[one.node] is one))
        for one in timeline.attempts
    ]
    return replace(timeline, attempts=attempts)


def fold_timeline(events: Iterable[Event], *, is_live: bool) -> Timeline:
    """Return the timeline after the events of a run; without a live process, nothing runs."""
    reading = _Reading()
    for event in events:
        reading.take(event)
    if not is_live and reading.last:
        is_waiting = any(one.state is StageState.WAITING for one in reading.attempts.values())
        reading.stop(reading.last, StageState.WAITING if is_waiting else StageState.INTERRUPTED)
    attempts, waits = list(reading.attempts.values()), list(reading.waits.values())
    return Timeline(attempts, waits, reading.notes, reading.first, reading.last, is_live)


_REFERENCE = re.compile(
    r"(?P<node>.+?)(?:@(?P<visit>[0-9]{1,9})(?:\.(?P<attempt>[0-9]+))?)?", re.DOTALL
)


def find_attempt(attempts: Sequence[StageAttempt], reference: str) -> StageAttempt:
    """Return the last attempt that `NODE`, `NODE@VISIT` or `NODE@VISIT.ATTEMPT` names."""
    by_node = [one for one in attempts if reference in (one.node, folder_name(one.node))]
    match = _REFERENCE.fullmatch(reference)
    if not by_node and match and match["visit"]:
        by_node = [
            one
            for one in attempts
            if match["node"] in (one.node, folder_name(one.node))
            and one.visit == int(match["visit"])
            and match["attempt"] in (None, str(one.attempt))
        ]
    if not by_node:
        raise UnknownName("stage of this run", reference, dict.fromkeys(a.node for a in attempts))
    return by_node[-1]


_Key = tuple[str, int, int]


def _key(event: Event) -> _Key:
    return event.node or "", event.visit or 0, event.attempt or 1


@dataclass
class _Reading:
    """Reads the attempts from the events of a run, in one pass."""

    attempts: dict[_Key, StageAttempt] = field(default_factory=dict[_Key, StageAttempt])
    waits: dict[str, Wait] = field(default_factory=dict[str, Wait])
    notes: list[Note] = field(default_factory=list[Note])
    first: datetime | None = None
    last: datetime | None = None

    def take(self, event: Event) -> None:
        """Apply an event."""
        self.first, self.last = self.first or event.time, event.time
        if note := note_of(event):
            self.notes.append(note)
        if change := _CHANGES.get(event.type):
            change(self, event, Fields(event.data, f"event {event.seq} ({event.type})"))

    def stop(self, at: datetime, state: StageState, *, within: str = "") -> None:
        """End the running attempts, of one branch and the branches inside it, or of all."""
        for key, one in self.attempts.items():
            if one.state is not StageState.RUNNING and not (
                within and one.state is StageState.WAITING
            ):
                continue
            if f"{one.branch}/".startswith(f"{within}/" if within else ""):
                self.attempts[key] = replace(one, state=state, periods=_ended(one.periods, at))

    def change(self, event: Event, **changes: object) -> None:
        """Change the attempt of an event."""
        if one := self.attempts.get(_key(event)):
            self.attempts[_key(event)] = replace(one, **changes)

    def end(self, event: Event, data: Fields, **changes: object) -> None:
        """End the attempt of an event, and its questions."""
        one = self.attempts.get(_key(event))
        if one is None:
            return
        self.settle(event.time, node=one.node)
        used = usage_from_record(data.inner("usage")) if data.has("usage") else one.usage
        ended = _ended(one.periods, event.time)
        seconds = data.real("duration")
        self.change(event, periods=ended, usage=used, seconds=seconds, **changes)

    def settle(self, at: datetime, *, node: str = "", question: str = "", by: str = "") -> None:
        """End the open waits of a node, of a question, or all."""
        for id_, one in self.waits.items():
            if one.until is None and node in ("", one.node) and question in ("", id_):
                self.waits[id_] = replace(one, until=at, by=by)


def _ended(periods: tuple[Period, ...], at: datetime) -> tuple[Period, ...]:
    """Return the periods; if the last one is open, it ends."""
    *before, last = periods
    return periods if last.end else (*before, Period(last.start, max(last.start, at)))


def _folder(directory: RunDirectory, one: StageAttempt, *, is_newest: bool) -> Path | None:
    folder = directory.stage(one.node)
    aside = history_folder(folder, one.visit, one.attempt)
    if aside.is_dir():
        return aside
    return folder if is_newest and folder.is_dir() else None


def _started(reading: _Reading, event: Event, data: Fields) -> None:
    key, period = _key(event), Period(event.time)
    before = reading.attempts.get(key)
    periods = (*_ended(before.periods, event.time), period) if before else (period,)
    fresh = before or StageAttempt(*key, branch=event.branch or "", name=data.text("name"))
    reading.attempts[key] = replace(
        fresh, state=StageState.RUNNING, periods=periods, fidelity=data.text("fidelity")
    )


def _completed(reading: _Reading, event: Event, data: Fields) -> None:
    outcome = data.text("outcome")
    state = StageState.SKIPPED if outcome == StageStatus.SKIPPED else StageState.DONE
    notes, assumed = data.text("notes"), data.flag("assumed")
    reading.end(event, data, state=state, outcome=outcome, notes=notes, is_assumed=assumed)


def _failed(reading: _Reading, event: Event, data: Fields) -> None:
    reading.end(
        event,
        data,
        state=StageState.FAILED,
        outcome=StageStatus.FAIL.value,
        error=data.text("error"),
        failure_class=data.text("failure_class"),
        will_retry=data.flag("will_retry"),
    )


def _parked(reading: _Reading, event: Event, data: Fields) -> None:
    if one := reading.attempts.get(_key(event)):
        ended = _ended(one.periods, event.time)
        reading.change(event, state=StageState.WAITING, periods=ended)


def _asked(reading: _Reading, event: Event, data: Fields) -> None:
    id_ = data.inner("question").text("id")
    reading.waits.setdefault(id_, Wait(event.node or "", id_, event.time))


def _settled(reading: _Reading, event: Event, data: Fields) -> None:
    answer = data.inner("answer")
    by = answer.text("by") if answer.has("by") else ""
    reading.settle(event.time, question=data.text("question"), by=by)


def _ordered(reading: _Reading, event: Event, data: Fields) -> None:
    if data.flag("is_accepted") and data.text("question"):
        reading.settle(event.time, question=data.text("question"), by=data.text("by"))


def _interrupted(reading: _Reading, event: Event, data: Fields) -> None:
    reading.stop(event.time, StageState.INTERRUPTED)


def _over(reading: _Reading, event: Event, data: Fields) -> None:
    reading.stop(event.time, StageState.INTERRUPTED)
    reading.settle(event.time)


def _resumed(reading: _Reading, event: Event, data: Fields) -> None:
    heard = data.time("heard") if data.text("heard") else event.time
    reading.stop(heard, StageState.INTERRUPTED)


def _branch_over(reading: _Reading, event: Event, data: Fields) -> None:
    if data.text("outcome") == GIVEN_UP:
        reading.stop(event.time, StageState.INTERRUPTED, within=event.branch or "")


def _session(reading: _Reading, event: Event, data: Fields) -> None:
    if data.has("provider") and data.has("model") and not data.has("subagent"):
        reading.change(event, model=f"{data.text('provider')}/{data.text('model')}")


def _used(reading: _Reading, event: Event, data: Fields) -> None:
    if one := reading.attempts.get(_key(event)):
        used = usage_from_record(data.inner("usage"))
        reading.change(event, usage=one.usage + used)


def _selected(reading: _Reading, event: Event, data: Fields) -> None:
    if one := reading.attempts.get(_key(event)):
        words = (data.text(name) for name in ("target", "reason", "label", "condition"))
        reading.change(event, edges=(*one.edges, SelectedEdge(*words)))


def _saved(reading: _Reading, event: Event, data: Fields) -> None:
    if data.has("step"):
        outcome = step_from_record(data.inner("step")).visit.outcome
        reading.change(event, preferred_label=outcome.preferred_label)


def _child(reading: _Reading, event: Event, data: Fields) -> None:
    one = reading.attempts.get(_key(event))
    words = (data.text("run_id"), data.text("directory"))
    child = ChildRun(event.node or "", event.visit or 0, *words)
    if one and child not in one.children:
        reading.change(event, children=(*one.children, child))


_CHANGES: Mapping[str, Callable[[_Reading, Event, Fields], None]] = {
    "StageStarted": _started,
    "StageCompleted": _completed,
    "StageFailed": _failed,
    "StageParked": _parked,
    "QuestionAsked": _asked,
    "QuestionSettled": _settled,
    "OperatorAction": _ordered,
    "RunInterrupted": _interrupted,
    "PipelineFailed": _over,
    "RunResumed": _resumed,
    "ParallelBranchCompleted": _branch_over,
    "SESSION_START": _session,
    "ModelUsed": _used,
    "EdgeSelected": _selected,
    "CheckpointSaved": _saved,
    "ChildRunStarted": _child,
}

_KINDS = {*_CHANGES, *NOTED}
