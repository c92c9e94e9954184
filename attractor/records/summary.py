"""Summarizes runs: one line each, from the journal, compared with run.json."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.ids import is_run_id, time_of
from attractor.base.json import Json, JsonObject
from attractor.base.records import write_record
from attractor.engine.journal.reader import events_of
from attractor.engine.outcome import NOTHING_USED, Usage, usage_figures, usage_from_record
from attractor.engine.questions.question import (
    Answer,
    Question,
    answer_from_record,
    answer_to_record,
    question_from_record,
    question_to_record,
)
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    is_executed,
    read_manifest,
    why_stopped_elsewhere,
)
from attractor.engine.run_folder.result import Landing
from attractor.engine.state.run_state import (
    APPROVED,
    AWAITING_ANSWER,
    AWAITING_DECISION,
    EVALUATING,
    QUEUED,
    TRANSITIONS,
    RunState,
    StatusWord,
    Wait,
    outcome_of,
    wait_from_record,
)
from attractor.engine.storage.json_files import Fields, read_document
from attractor.records.about import about_of
from attractor.records.lookup import KnownStates, list_folders, used_by

NOT_JUDGED = "not judged: no suite"
FINISHED_UNJUDGED = "finished; not judged (no suite)"
"""The status of a run without a suite whose walk succeeded, for people."""

UNKNOWN = "unknown"
"""The status of a run with an invalid journal: run.json alone proves nothing."""

_NEEDS_A_PROCESS = frozenset(
    {
        StatusWord.QUEUED,
        StatusWord.BOOTING,
        StatusWord.EXECUTING,
        StatusWord.WAITING,
        StatusWord.EVALUATING,
    }
)
"""The statuses in which a run only continues while a process holds it."""

_FINAL = frozenset(status.word.value for status in TRANSITIONS if status.is_final)


@dataclass(frozen=True)
class RunOverview:
    """A run in one line: id, start, status, reason, and whether a process executes the run."""

    run_id: str
    directory: Path
    pipeline: str
    goal: str
    started: datetime
    status: str = UNKNOWN
    phase: str = ""
    outcome: str = ""
    reason: str = ""
    wait: Wait | None = None
    next_node: str = ""
    questions: Sequence[Question] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    workspace: str = ""
    suite: str = ""
    parent: str = ""
    restart: int = 0
    restarted_as: str = ""
    promoted_to: str = ""
    rolled_back_from: str = ""
    landed_on: str = ""
    actor: str = ""
    about: str = ""
    place: str = ""
    is_live: bool = False
    is_paused: bool = False
    pausing: tuple[str, ...] = ()
    why_stopped: str = ""
    stage: str = ""
    written: datetime | None = None
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    trouble: str = ""
    trouble_code: ExitCode = ExitCode.DONE

    @property
    def subject(self) -> str:
        """What the run is about, then its goal; without both, its pipeline."""
        return "; ".join(filter(None, [self.about, self.goal])) or self.pipeline

    @property
    def drawn_in(self) -> str:
        """The pipeline, and the place in which its stages work."""
        return f"{self.pipeline} in {self.place}" if self.place else self.pipeline

    @property
    def is_final(self) -> bool:
        """Whether the status of the run is final."""
        return self.status in _FINAL

    @property
    def is_answered(self) -> bool:
        """Whether the run waited for answers, has all answers, and only needs a resume."""
        is_parked = not self.is_live and self.phase == AWAITING_ANSWER.phase
        return is_parked and bool(self.answers) and not self.questions

    @property
    def is_stopped(self) -> bool:
        """Whether the run can be continued, but has no process."""
        return not self.is_live and self.status in _NEEDS_A_PROCESS

    @property
    def is_resting(self) -> bool:
        """Whether the run could only be rejected or canceled: it was not judged by a suite."""
        return self.phase == AWAITING_DECISION.phase and not self.suite

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the summary.

        `live`: a process holds the run now. `stopped`: no process holds the run, and the status is
        not final, so `resume` continues the run; `why_stopped` is the reason, if the last process
        recorded a reason. `paused`: no stage begins until the run is resumed. `pausing`: the
        stages that a run works on before it pauses. `stage`: the stage in flight, also of a
        stopped run. `written`: the time of the last change to the records.
        `wait`: what a waiting run waits for, and until when; no person is asked.
        `answered`: recorded answers that the run has not used yet, by question. `parent`: the run
        that this run continues; `restart`: the number of restarts before this run. `restarted_as`:
        the run that continues this run. `promoted_to`: the Git branch with the result.
        `rolled_back_from`: the branch from which the result was removed last. `landed_on`: the
        branch into which a person merged the result, and the commit (only in lists of a project
        with Git, or if `gc` has freed the run). `actor`: the actor whose message the run answers.
        `about`: the issue or ticket, and the round of the pull request. `place`: the place of the
        settings in which the stages work, if it is not this machine. `seconds`: the recorded
        time of the stages; the usage of models is in other fields.
        """
        return {
            "run_id": self.run_id,
            "directory": str(self.directory),
            "pipeline": self.pipeline,
            "goal": self.goal,
            "started": self.started.isoformat(),
            "workspace": self.workspace,
            "suite": self.suite,
            "status": self.status,
            "phase": self.phase,
            "live": self.is_live,
            "stopped": self.is_stopped,
            "why_stopped": self.why_stopped if self.is_stopped else "",
            "paused": self.is_paused,
            "pausing": list(self.pausing),
            "stage": self.stage,
            "written": self.written.isoformat() if self.written else "",
            "outcome": self.outcome,
            "reason": self.reason,
            "wait": write_record(self.wait) if self.wait else None,
            "next_node": self.next_node,
            "question": question_to_record(self.questions[0]) if self.questions else None,
            "questions": [question_to_record(question) for question in self.questions],
            "answered": {id_: answer_to_record(answer) for id_, answer in self.answers.items()},
            "parent": self.parent,
            "restart": self.restart,
            "restarted_as": self.restarted_as,
            "promoted_to": self.promoted_to,
            "rolled_back_from": self.rolled_back_from,
            "landed_on": self.landed_on,
            "actor": self.actor,
            "about": self.about,
            "place": self.place,
            "seconds": round(self.seconds, 3),
            **usage_figures(self.usage),
            "estimated_tokens": self.usage.estimated_tokens,
            "subscription_usd": round(self.usage.subscription_usd, 6),
            "trouble": self.trouble,
        }

    @classmethod
    def from_record(cls, record: JsonObject) -> "RunOverview":
        """Read a summary from its record, which lacks the exit status of a problem."""
        fields = Fields(record, "summary of a run")
        answered = fields.inner("answered")
        return cls(
            **{name: fields.text(name) for name in _TEXTS},
            directory=Path(fields.text("directory")),
            started=fields.time("started"),
            wait=wait_from_record(fields),
            questions=tuple(
                question_from_record(question) for question in fields.inners("questions")
            ),
            answers={id_: answer_from_record(answered.inner(id_)) for id_ in answered.all()},
            restart=fields.number("restart"),
            is_live=fields.flag("live"),
            is_paused=fields.flag("paused"),
            pausing=fields.texts("pausing"),
            written=fields.time("written") if fields.text("written") else None,
            usage=usage_from_record(fields),
            seconds=fields.real("seconds"),
            trouble_code=ExitCode.DONE,
        )


_TEXTS = (
    *("run_id", "pipeline", "goal", "workspace", "suite", "status", "phase", "why_stopped"),
    *("stage", "outcome", "reason", "next_node", "parent", "restarted_as", "promoted_to"),
    *("rolled_back_from", "landed_on", "actor", "about", "place", "trouble"),
)
"""The fields of a summary that are texts in its record, with the same name."""


def list_runs(runs_dir: Path) -> list[RunOverview]:
    """Return every run in a folder, newest first, including unreadable runs."""
    return [summarize_any(folder) for folder in list_folders(runs_dir)]


def summarize(root: Path, known: KnownStates | None = None) -> RunOverview:
    """Return the summary of a run from its journal; run.json is only compared with the journal.

    With `known`, the journal is read on from where it was read last.
    """
    directory = RunDirectory(root)
    manifest = read_manifest(directory)
    summary = RunOverview(
        run_id=manifest.run_id,
        directory=root,
        pipeline=manifest.pipeline,
        goal=manifest.goal,
        started=manifest.started,
        workspace=str(manifest.options.get("workspace", "")),
        suite=manifest.suite,
        parent=manifest.parent,
        restart=manifest.restart,
        actor=_actor_of(manifest),
        about=about_of(manifest),
        place=place_of(manifest),
        is_live=is_executed(directory),
        written=_written(directory.events),
    )
    # An error in one run must not hide its other fields, nor other runs in a list.
    try:
        # Before the journal, because a process of the run writes run.json after the journal.
        noted = _read_status(read_document(directory.run)) if directory.run.exists() else None
    except AttractorError as fault:
        noted, summary = None, _with_trouble(summary, fault)
    try:
        found = _read_journal(summary, directory, known or KnownStates())
        return _compare(found, noted, directory)
    except AttractorError as fault:
        return _with_trouble(summary, fault)


def place_of(manifest: Manifest) -> str:
    """Return the place of the settings in which the stages of a run work; "" for this machine."""
    return str(manifest.options.get("place", ""))


def _actor_of(manifest: Manifest) -> str:
    task = manifest.options.get("task")
    return str(task.get("actor", "")) if isinstance(task, dict) else ""


def summarize_any(root: Path, known: KnownStates | None = None) -> RunOverview:
    """Return the summary of a run; for an unreadable run, only its name and the error."""
    try:
        return summarize(root, known)
    except AttractorError as fault:
        directory = RunDirectory(root)
        began = time_of(root.name) if is_run_id(root.name) else None
        written = _written(directory.events)
        nameless = RunOverview(
            run_id=root.name,
            directory=root,
            pipeline="",
            goal="",
            started=began or written or datetime.fromtimestamp(0, UTC),
            is_live=is_executed(directory),
            written=written,
        )
        return _with_trouble(nameless, fault)


def _read_journal(summary: RunOverview, directory: RunDirectory, known: KnownStates) -> RunOverview:
    found = known.read(directory)
    state, outcome = found.state, outcome_of(found.state)
    moves = find_branch_moves(directory, state)
    return replace(
        summary,
        status=state.status.word.value,
        phase=state.status.phase.value,
        outcome=outcome.value if outcome else "",
        reason=state.reason,
        wait=state.wait,
        why_stopped=state.stopped or why_stopped_elsewhere(directory),
        next_node=state.progress.next_node if state.progress else "",
        questions=tuple(state.questions),
        answers={
            question.id: state.answers[question.id]
            for question in state.asked
            if question.id in state.answers
        },
        stage=state.in_flight.node if state.in_flight else "",
        is_paused=state.is_paused and not state.status.is_final,
        pausing=tuple(_at_work(state)) if state.is_paused else (),
        restarted_as=state.restarted_as,
        promoted_to=moves.promoted_to,
        rolled_back_from=moves.rolled_back_from,
        landed_on=str(moves.landing or ""),
        usage=used_by(directory, state, known),
        seconds=found.at_rest.seconds(found.last_activity),
    )


def _at_work(state: RunState) -> Iterator[str]:
    """Yield the nodes in flight; one whose branches are at work only waits for them."""
    for key, walk in state.walks.items():
        inside = f"{key}/" if key else ""
        has_branches = any(other != key and other.startswith(inside) for other in state.walks)
        if walk.in_flight and not has_branches:
            yield walk.in_flight.node


RESULT_LANDED = "ResultLanded"
"""The event with the branch that had the result of a run when its files were freed."""

_MOVED = ("PromotionCompleted", "PromotionRolledBack", RESULT_LANDED)

_WITH_RESULT = (EVALUATING, AWAITING_DECISION, APPROVED)


@dataclass(frozen=True)
class BranchMoves:
    """The branch to which a run was promoted last and is still, and the one last rolled back.

    `landing` is the branch into which a person had merged the result when `gc` freed the run.
    """

    promoted_to: str = ""
    rolled_back_from: str = ""
    landing: Landing | None = None


def find_branch_moves(directory: RunDirectory, state: RunState) -> BranchMoves:
    """Return the branches to which a run was promoted or merged, and from which it was rolled
    back.
    """
    if state.status not in _WITH_RESULT:
        return BranchMoves()
    branches: dict[str, None] = {}
    rolled_back, landing = "", None
    for event in events_of(directory.events, _MOVED):
        branch = str(event.data.get("branch", ""))
        if event.type == RESULT_LANDED:
            landing = Landing(branch, str(event.data.get("commit", "")))
            continue
        branches.pop(branch, None)
        if event.type == _MOVED[0]:
            branches[branch] = None
        else:
            rolled_back = branch
    return BranchMoves(next(reversed(branches), ""), rolled_back, landing)


@dataclass(frozen=True)
class _RecordedStatus:
    """The status, phase and reason in run.json, or in an event that changed the status."""

    status: str
    phase: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.status} ({self.phase})" if self.phase else self.status


def _read_status(fields: Fields) -> _RecordedStatus:
    return _RecordedStatus(fields.text("status"), fields.text("phase"), fields.text("reason"))


def _compare(
    summary: RunOverview, noted: _RecordedStatus | None, directory: RunDirectory
) -> RunOverview:
    """Return the summary, with a note if run.json differs from the journal.

    After a kill, run.json may be older than the journal, but never newer.
    """
    now = _RecordedStatus(summary.status, summary.phase, summary.reason)
    if noted in (None, now) or (summary.is_live and noted in _history(directory.events)):
        return summary
    if noted in _history(directory.events):
        trouble = f"{directory.run} is outdated: it says {noted}, but the journal is newer"
        return replace(summary, trouble=trouble)
    recorded = f"{noted}: {noted.reason}" if noted and noted.reason else f"{noted}"
    trouble = (
        f"{directory.run} says {recorded}, which is not in the journal; the journal says {now}"
    )
    return replace(summary, trouble=trouble, trouble_code=ExitCode.BROKEN)


def _history(journal: Path) -> Iterator[_RecordedStatus]:
    """Yield the status of a run after each change, from the start."""
    yield _RecordedStatus(QUEUED.word.value, QUEUED.phase.value, RunState().reason)
    for event in events_of(journal, ("RunStatusChanged",)):
        yield _read_status(Fields(event.data, f"event {event.seq} ({event.type})"))


def _with_trouble(summary: RunOverview, fault: AttractorError) -> RunOverview:
    return replace(summary, trouble=fault.in_one_line, trouble_code=fault.exit_code)


def _written(journal: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(journal.stat().st_mtime, UTC)
    except OSError:
        return None
