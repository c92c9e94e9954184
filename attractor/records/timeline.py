"""The timeline of a run: the one fold of its journal for people.

Attempts with their times, outcome, edges, child runs and files; completed visits, failures,
branches, waits for people, and notable events. The fold of the engine, which decides how a run
continues, is `engine/journal/reducer.py`.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, cast

from attractor.base.amounts import number_of
from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import UnknownName
from attractor.base.events import Event
from attractor.base.files import file_error, open_regular
from attractor.base.json import Json
from attractor.base.patterns import late_pattern
from attractor.base.records import write_fields
from attractor.engine.journal import events as recorded
from attractor.engine.journal.reader import selected_from
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage, usage_figures
from attractor.engine.questions.question import AnswerKind, describe_author
from attractor.engine.receipts import RECEIPT_SKIPPED
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.stage.folder import SESSION, history_folder
from attractor.engine.state.attempts import TreeId, stage_id
from attractor.engine.state.progress import Move, Visit
from attractor.engine.state.walks import GIVEN_UP
from attractor.engine.storage.json_files import read_known
from attractor.language.drawing.run_overlay import StageState
from attractor.language.graph.graph import folder_name


@dataclass(frozen=True)
class Period:
    """A time in which a process worked on an attempt; `end` is None while it works."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True)
class CandidateEdge:
    """A candidate edge of a choice, and the reason why it was selected or not."""

    target: str
    condition: str
    fate: str
    label: str


@dataclass(frozen=True)
class SelectedEdge:
    """An edge that the walk took after a visit, the reason, and all edges that it could take."""

    source: str
    target: str
    reason: str
    label: str
    condition: str
    candidates: tuple[CandidateEdge, ...] = ()


@dataclass(frozen=True)
class ChildRun:
    """A pipeline that an attempt ran as a run of its own."""

    run_id: str
    directory: str


@dataclass(frozen=True)
class StageFile:
    """A file in the folder of an attempt."""

    name: str
    bytes: int


@dataclass(frozen=True)
class StageAttempt:
    """An attempt of a visit of a node.

    `name` is the label of the node. An attempt that was interrupted or waited for an answer has
    several periods. `model` is empty if the stage used no model. With `is_given_up`, the attempt
    will not be followed by the announced retry. `ends` are the seconds until each end: an attempt
    that ended before its process was killed may be repeated. `cut` are the seconds of the periods
    without an end: their process was stopped or killed.
    """

    node: str
    visit: int
    attempt: int
    branch: str = ""
    name: str = ""
    state: StageState = StageState.RUNNING
    periods: tuple[Period, ...] = ()
    ends: tuple[float, ...] = ()
    cut: float = 0.0
    outcome: str = ""
    preferred_label: str = ""
    notes: str = ""
    error: str = ""
    failure_class: str = ""
    will_retry: bool = False
    is_given_up: bool = False
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
    def seconds(self) -> float:
        """The seconds until the last end."""
        return self.ends[-1] if self.ends else 0.0

    @property
    def worked(self) -> float:
        """The seconds of all periods: until each end, and those that were cut."""
        return sum(self.ends) + self.cut

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
        return sorted(found, key=lambda file: file.name)

    def read_file(self, name: str, *, most: int, from_end: bool = False) -> bytes:
        """Return the first bytes of a file of the attempt, or the last ones."""
        names = [file.name for file in self.files()]
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
            "periods": [write_fields(period) for period in self.periods],
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
            **usage_figures(self.usage),
            "edges": [write_fields(edge, source="", candidates="") for edge in self.edges],
            "children": [
                {"name": Path(child.directory).name, **write_fields(child)}
                for child in self.children
            ],
            "files": [write_fields(file) for file in self.files()],
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
    proof: str = ""


@dataclass(frozen=True)
class CompletedVisit:
    """A completed visit, in the walk from the start or in a branch, and the edges after it."""

    visit: Visit
    move: Move
    branch: str = ""
    edges: tuple[SelectedEdge, ...] = ()

    @property
    def node(self) -> str:
        """The node that was visited."""
        return self.visit.node

    @property
    def has_failed(self) -> bool:
        """Whether the visit ended without success."""
        return not (self.visit.outcome.status.is_success or self.visit.is_transparent)

    def __str__(self) -> str:
        return f"{self.visit.node}@{self.visit.number}"


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
class Note:
    """A notable event of a run: its time, and a sentence."""

    time: datetime
    words: str


_Key = tuple[str, int, int]


class Timeline:
    """The timeline after the events so far; lists are in the order of the events.

    `assumed`, `without_receipt` and `not_kept` are sentences. `ignored` are new files that Git
    ignores. `waited` is the number of seconds in which the run only
    waited for people. `next_node` is the node at which the walk from the start is. `tree` is the
    tree at its beginning.
    """

    def __init__(self, *, is_live: bool = True) -> None:
        self.is_live = is_live
        self.start: datetime | None = None
        self.end: datetime | None = None
        self.last_event = 0
        self.status = recorded.RunStatusChanged("", "", "")
        self.next_node = ""
        self.tree: TreeId = ""
        self.visits: list[CompletedVisit] = []
        self.edges: list[SelectedEdge] = []
        self.failures: list[StageAttempt] = []
        self.branches: list[BranchEnd] = []
        self.notes: list[Note] = []
        self.assumed: list[str] = []
        self.without_receipt: list[str] = []
        self.ignored: list[str] = []
        self.not_kept: list[str] = []
        self.waited = 0.0
        self._parked: datetime | None = None
        self._heard: datetime | None = None
        self._attempts: dict[_Key, StageAttempt] = {}
        self._waits: dict[str, Wait] = {}
        self._sought: set[_Key] = set()

    @property
    def attempts(self) -> Sequence[StageAttempt]:
        """The attempts, in the order in which they began."""
        return list(self._attempts.values())

    @property
    def waits(self) -> Sequence[Wait]:
        """The waits for people."""
        return list(self._waits.values())

    @property
    def cut(self) -> float:
        """The seconds of cut stages; the time of a parallel stage includes its branches."""
        return sum(attempt.cut for attempt in self.attempts if not attempt.branch)

    @property
    def main(self) -> Sequence[CompletedVisit]:
        """The completed visits of the walk from the start."""
        return [visit for visit in self.visits if not visit.branch]

    def path(self) -> Sequence[str]:
        """Return the nodes on the path of the walk from the start."""
        return [visit.node for visit in self.main]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the timeline."""
        return {
            "start": self.start.isoformat() if self.start else None,
            "end": self.end.isoformat() if self.end else None,
            "live": self.is_live,
            "bars": [
                {
                    "stage": attempt.id,
                    "node": attempt.node,
                    "branch": attempt.branch,
                    "state": attempt.state.name.lower(),
                    "periods": [write_fields(period) for period in attempt.periods],
                }
                for attempt in self.attempts
            ],
            "waits": [write_fields(wait) for wait in self.waits],
            "notes": [write_fields(note) for note in self.notes],
        }

    def take(self, event: Event) -> None:
        """Apply an event."""
        self.start, self.end = self.start or event.time, event.time
        self.last_event = event.seq
        if event.node:
            self._heard = event.time
        if change := self._changes.get(event.type):
            change(self, event, recorded.read_event(event))

    def rest(self) -> None:
        """Apply that no more events come: without a live process, nothing runs."""
        if not self.is_live and self.end:
            states = {attempt.state for attempt in self._attempts.values()}
            is_waiting = StageState.WAITING in states
            state = StageState.WAITING if is_waiting else StageState.INTERRUPTED
            self._stop(self.end, state, heard=self._heard)

    def copy(self) -> "Timeline":
        """Return a copy, which later events do not change."""
        found = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (list, dict, set)):
                setattr(found, name, copy(cast(object, value)))
        return found

    def find_folders(self, directory: RunDirectory) -> None:
        """Find the folders of the attempts in the run directory."""
        newest = {attempt.node: key for key, attempt in self._attempts.items()}
        for key, attempt in self._attempts.items():
            if key in self._sought:
                continue
            if newest[attempt.node] is not key:
                # It was moved before the next attempt began, and stays there.
                self._sought.add(key)
            folder = directory.stage(attempt.node)
            aside = history_folder(folder, attempt.visit, attempt.attempt)
            if aside.is_dir():
                self._attempts[key] = changed(attempt, folder=aside)
            elif newest[attempt.node] is key and folder.is_dir():
                self._attempts[key] = changed(attempt, folder=folder)

    def _stop(
        self, at: datetime, state: StageState, *, within: str = "", heard: datetime | None = None
    ) -> None:
        """End the running attempts, of one branch and the branches inside it, or of all.

        If their process may have died before, it was `heard` last at the last event of a stage.
        """
        for key, attempt in self._attempts.items():
            is_open = attempt.state is StageState.RUNNING or attempt.will_retry
            if not is_open and not (within and attempt.state is StageState.WAITING):
                continue
            if f"{attempt.branch}/".startswith(f"{within}/" if within else ""):
                if attempt.will_retry:
                    self._attempts[key] = changed(attempt, is_given_up=True)
                else:
                    periods = _ended(attempt.periods, at)
                    cut = attempt.cut
                    if state is StageState.INTERRUPTED and periods != attempt.periods:
                        worked = min(at, heard or at) - periods[-1].start
                        cut += max(0.0, worked.total_seconds())
                    self._attempts[key] = changed(attempt, state=state, periods=periods, cut=cut)

    def _change(self, event: Event, **changes: object) -> StageAttempt | None:
        """Change the attempt of an event."""
        key = _key(event)
        if key in self._attempts:
            self._attempts[key] = changed(self._attempts[key], **changes)
        return self._attempts.get(key)

    def _end(
        self, event: Event, ended: recorded.StageCompleted | recorded.StageFailed, **changes: object
    ) -> StageAttempt:
        """End the attempt of an event, and its questions."""
        self._settle(event.time, node=event.node or "")
        key, begun = _key(event), Period(event.time - timedelta(seconds=ended.duration))
        attempt = self._attempts.get(key) or StageAttempt(
            *key, branch=event.branch or "", name=ended.name, periods=(begun,)
        )
        used = attempt.usage if ended.usage is None else read_known(Usage, ended.usage)
        self._attempts[key] = attempt = changed(
            attempt,
            periods=_ended(attempt.periods, event.time),
            usage=used,
            ends=(*attempt.ends, ended.duration),
            **changes,
        )
        return attempt

    def _settle(
        self,
        at: datetime,
        *,
        node: str = "",
        question: str = "",
        by: str = "",
        proof: str = "",
    ) -> None:
        """End the open waits of a node, of a question, or all."""
        for id_, wait in self._waits.items():
            if wait.until is None and node in ("", wait.node) and question in ("", id_):
                self._waits[id_] = changed(wait, until=at, by=by, proof=proof)

    def _note(self, event: Event, words: str) -> None:
        if words:
            self.notes.append(Note(event.time, words))

    def _begun(self, event: Event, begun: recorded.PipelineStarted) -> None:
        self.next_node = str(begun.progress.get("next_node") or "")
        self.tree = str(begun.progress.get("tree") or "")

    def _status_changed(self, event: Event, status: recorded.RunStatusChanged) -> None:
        self.status = status

    def _started(self, event: Event, started: recorded.StageStarted) -> None:
        key = _key(event)
        before = self._attempts.get(key) or StageAttempt(
            *key, branch=event.branch or "", name=started.name
        )
        periods = (*_ended(before.periods, event.time), Period(event.time))
        self._attempts[key] = changed(
            before, state=StageState.RUNNING, periods=periods, fidelity=started.fidelity
        )
        if not event.branch:
            self.next_node = event.node or ""

    def _completed(self, event: Event, done: recorded.StageCompleted) -> None:
        is_skipped = done.outcome == StageStatus.SKIPPED
        self._end(
            event,
            done,
            state=StageState.SKIPPED if is_skipped else StageState.DONE,
            outcome=done.outcome,
            notes=done.notes,
            is_assumed=done.assumed,
        )

    def _failed(self, event: Event, failed: recorded.StageFailed) -> None:
        attempt = self._end(
            event,
            failed,
            state=StageState.FAILED,
            outcome=StageStatus.FAIL.value,
            error=failed.error,
            failure_class=failed.failure_class,
            will_retry=failed.will_retry,
        )
        self.failures.append(attempt)

    def _parked_at(self, event: Event, parked: recorded.StageParked) -> None:
        self._note(event, f"waits for an answer at {event.node}")
        self._parked = self._parked or event.time
        if attempt := self._attempts.get(_key(event)):
            periods = _ended(attempt.periods, event.time)
            self._change(event, state=StageState.WAITING, periods=periods)

    def _asked(self, event: Event, asked: recorded.QuestionAsked) -> None:
        id_ = str(asked.question.get("id"))
        self._waits.setdefault(id_, Wait(event.node or "", id_, event.time))

    def _settled(self, event: Event, settled: recorded.QuestionSettled) -> None:
        by, proof = (str(settled.answer.get(name) or "") for name in ("by", "proof"))
        if settled.answer.get("kind") == AnswerKind.GIVEN:
            author = describe_author(by, proof)
            self._note(event, f"answer to {settled.question} by {author}")
        self._settle(event.time, question=settled.question, by=by, proof=proof)

    def _ordered(self, event: Event, order: recorded.OperatorAction) -> None:
        if not order.is_accepted:
            return
        is_answer = order.action == recorded.Action.ANSWER
        author = describe_author(order.by, order.proof) if is_answer else order.by
        by = order.by and f" by {author}"
        why = order.why and f": {order.why}"
        self._note(event, f"{order.action}{by}{why}")
        if order.question:
            by, proof = order.by, order.proof
            self._settle(event.time, question=order.question, by=by, proof=proof)

    def _interrupted(self, event: Event, interrupted: recorded.RunInterrupted) -> None:
        self._note(event, interrupted.reason)
        self._stop(event.time, StageState.INTERRUPTED)

    def _over(self, event: Event, failed: recorded.PipelineFailed) -> None:
        self._stop(event.time, StageState.INTERRUPTED, heard=self._heard)
        self._settle(event.time)

    def _resumed(self, event: Event, resumed: recorded.RunResumed) -> None:
        again = "; its stage was interrupted and is repeated" if resumed.interrupted else ""
        self._note(event, f"resumed at {resumed.next_node}{again}")
        if self._parked is not None:
            self.waited += max(0.0, (event.time - self._parked).total_seconds())
        self._parked = None
        heard = datetime.fromisoformat(resumed.heard) if resumed.heard else event.time
        self._stop(heard, StageState.INTERRUPTED)

    def _torn(self, event: Event, torn: recorded.TornLineDropped) -> None:
        words = "the incomplete last line of the journal was removed"
        self._note(event, f"{words}: the process died while writing it")

    def _branch_over(self, event: Event, branch: recorded.ParallelBranchCompleted) -> None:
        is_given_up, key = branch.outcome == GIVEN_UP, event.branch or ""
        node, visit, _ = _key(event)
        has_failed = not branch.success and not is_given_up
        ended = BranchEnd(key, branch.branch, node, visit, branch.reason, has_failed)
        self.branches.append(ended)
        if is_given_up:
            self._stop(event.time, StageState.INTERRUPTED, within=key)

    def _session(self, event: Event, _: None) -> None:
        match event.data:
            case {"subagent": str()}:
                return
            case {"provider": str(provider), "model": str(model)}:
                self._change(event, model=f"{provider}/{model}")
            case _:
                return

    def _used(self, event: Event, used: recorded.ModelUsed) -> None:
        if attempt := self._attempts.get(_key(event)):
            self._change(event, usage=attempt.usage + read_known(Usage, used.usage))

    def _selected(self, event: Event, selected: recorded.EdgeSelected) -> None:
        candidates = tuple(
            read_known(CandidateEdge, candidate)
            for candidate in selected.candidates
            if isinstance(candidate, dict)
        )
        words = (selected.target, selected.reason, selected.label, selected.condition)
        edge = SelectedEdge(event.node or "", *words, candidates)
        self.edges.append(edge)
        if attempt := self._attempts.get(_key(event)):
            self._change(event, edges=(*attempt.edges, edge))

    def _saved(self, event: Event, saved: recorded.CheckpointSaved) -> None:
        if (step := saved.read_step()) is None:
            return
        label = step.visit.outcome.preferred_label
        attempt = self._change(event, preferred_label=label)
        edges = attempt.edges if attempt else ()
        self.visits.append(CompletedVisit(step.visit, step.move, event.branch or "", edges))
        if not event.branch:
            self.next_node = "" if step.move.is_restart else step.move.target

    def _child(self, event: Event, _: None) -> None:
        attempt = self._attempts.get(_key(event))
        child = ChildRun(str(event.data.get("run_id")), str(event.data.get("directory")))
        if attempt and child not in attempt.children:
            self._change(event, children=(*attempt.children, child))

    def _assumed_outcome(self, event: Event, _: None) -> None:
        reason = event.data.get("reason") or "it did not report its outcome"
        self.assumed.append(f"{event.node}@{event.visit}: {reason}")

    def _receipt_skipped(self, event: Event, _: None) -> None:
        self.without_receipt.append(f"{event.node}@{event.visit}: {event.data.get('reason')}")

    def _left_out(self, event: Event, left_out: recorded.FilesLeftOut) -> None:
        self.ignored.extend(map(str, left_out.ignored))
        count = left_out.refused_count
        if count:
            more = f" and {number_of(count - 1, 'more file')}" if count > 1 else ""
            self.not_kept.append(f"{event.node}: {_refused(left_out.refused[0])}{more}")

    _changes: ClassVar[Mapping[str, Callable[..., None]]] = {
        "PipelineStarted": _begun,
        "RunStatusChanged": _status_changed,
        "StageStarted": _started,
        "StageCompleted": _completed,
        "StageFailed": _failed,
        "StageParked": _parked_at,
        "QuestionAsked": _asked,
        "QuestionSettled": _settled,
        "OperatorAction": _ordered,
        "RunInterrupted": _interrupted,
        "PipelineFailed": _over,
        "RunResumed": _resumed,
        "TornLineDropped": _torn,
        "ParallelBranchCompleted": _branch_over,
        "SESSION_START": _session,
        "ModelUsed": _used,
        "EdgeSelected": _selected,
        "CheckpointSaved": _saved,
        "ChildRunStarted": _child,
        recorded.OUTCOME_ASSUMED: _assumed_outcome,
        RECEIPT_SKIPPED: _receipt_skipped,
        "FilesLeftOut": _left_out,
    }

    kinds: ClassVar = frozenset(_changes)
    """The types of the events that change a timeline."""


def _key(event: Event) -> _Key:
    return event.node or "", event.visit or 0, event.attempt or 1


def _ended(periods: tuple[Period, ...], at: datetime) -> tuple[Period, ...]:
    """Return the periods; if the last one is open, it ends."""
    if not periods or periods[-1].end:
        return periods
    *before, last = periods
    return (*before, Period(last.start, max(last.start, at)))


def _refused(file: Json) -> str:
    match file:
        case {"path": str(path), "why": str(why)}:
            return f"{path} ({why})"
        case _:
            return str(file)


def read_stages(root: Path) -> Sequence[StageAttempt]:
    """Return the attempts of a run, in the order in which they began."""
    return read_timeline(root).attempts


def read_timeline(root: Path) -> Timeline:
    """Return the timeline of a run, with the folders of its attempts."""
    timeline = read_recorded(root)
    timeline.rest()
    timeline.find_folders(RunDirectory(root))
    return timeline


def read_recorded(root: Path) -> Timeline:
    """Return the timeline as the journal has it; an attempt of a killed process still runs.

    The hash chain is not verified.
    """
    return TimelineReader(RunDirectory(root)).read()


class TimelineReader:
    """Reads the timeline of a run again and again: each time, only the new lines."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._timeline = Timeline()
        self._offset = 0

    def read(self, *, with_folders: bool = False) -> Timeline:
        """Return the timeline as the journal has it, with the folders of the attempts if wanted."""
        journal = self._directory.events
        # Before the journal: an attempt that ends meanwhile is not interrupted.
        is_live = is_held(self._directory.lock)
        if journal.exists() and journal.stat().st_size < self._offset:
            # A copy was restored.
            self._timeline, self._offset = Timeline(), 0
        for event, end in selected_from(journal, Timeline.kinds, self._offset):
            self._timeline.take(event)
            self._offset = end
        if with_folders:
            self._timeline.find_folders(self._directory)
        found = self._timeline.copy()
        found.is_live = is_live
        return found


def fold_timeline(events: Iterable[Event], *, is_live: bool) -> Timeline:
    """Return the timeline after the events of a run; without a live process, nothing runs."""
    timeline = Timeline(is_live=is_live)
    for event in events:
        timeline.take(event)
    timeline.rest()
    return timeline


_REFERENCE = late_pattern(
    r"(?P<node>.+?)(?:@(?P<visit>[0-9]{1,9})(?:\.(?P<attempt>[0-9]+))?)?", re.DOTALL
)


def find_attempt(attempts: Sequence[StageAttempt], reference: str) -> StageAttempt:
    """Return the last attempt that `NODE`, `NODE@VISIT` or `NODE@VISIT.ATTEMPT` names."""
    by_node = [
        attempt for attempt in attempts if reference in (attempt.node, folder_name(attempt.node))
    ]
    match = _REFERENCE.fullmatch(reference)
    if not by_node and match and match["visit"]:
        by_node = [
            attempt
            for attempt in attempts
            if match["node"] in (attempt.node, folder_name(attempt.node))
            and attempt.visit == int(match["visit"])
            and match["attempt"] in (None, str(attempt.attempt))
        ]
    if not by_node:
        raise UnknownName("stage of this run", reference, dict.fromkeys(a.node for a in attempts))
    return by_node[-1]
