"""The result of a run: `RunResult`, `run.json` and `final.json`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record, write_record
from attractor.engine.context import ResolvedValues
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import PipelineCompleted, PipelineFailed
from attractor.engine.journal.reader import all_events
from attractor.engine.journal.reducer import fold
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage, usage_to_record
from attractor.engine.questions.question import Question, question_to_record
from attractor.engine.run_folder.layout import Manifest, RunDirectory
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    BOOTING,
    EVALUATING,
    EXECUTING,
    WAITING,
    RunState,
    RunStatus,
    outcome_of,
)
from attractor.engine.storage.artifacts import Blobs
from attractor.engine.storage.json_files import read_document


@dataclass(frozen=True)
class RunResult:
    """The result of a run at the moment when a process stops executing the run.

    A run whose evaluation was stopped has no outcome yet. If `is_restarting`, this run has ended,
    and another run continues it (ruling R7). `assumed` are the stages that succeeded without a
    reported outcome.
    """

    run_id: str
    directory: Path
    status: RunStatus
    outcome: StageStatus | None
    reason: str
    completed: tuple[str, ...] = ()
    tree: TreeId = ""
    usage: Usage = NOTHING_USED
    question: Question | None = None
    questions: Sequence[Question] = ()
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    is_restarting: bool = False
    assumed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """The exit status of the command line."""
        is_cut = self.status == EVALUATING and self.outcome is None
        if is_cut or self.status in (AWAITING_ANSWER, BOOTING, EXECUTING, WAITING):
            return ExitCode.UNFINISHED
        is_good = self.outcome is not None and self.outcome.is_success
        return ExitCode.DONE if is_good else ExitCode.FAILED

    def to_dict(self) -> dict[str, Json]:
        """Return the result as JSON."""
        return write_record(self)

    @classmethod
    def from_dict(cls, record: JsonObject) -> Self:
        """Return the result of `to_dict`, or raise a UsageError."""
        return read_record(cls, record)


def result_of(manifest: Manifest, root: Path, state: RunState) -> RunResult:
    """Return the result of a run so far."""
    progress = state.progress
    end = progress.end if progress else None
    if state.status == EVALUATING and state.stopped:
        end = None
    return RunResult(
        run_id=manifest.run_id,
        directory=root,
        status=state.status,
        outcome=end.status if end else None,
        reason=state.why_canceled or (end.reason if end else state.stopped or state.reason),
        completed=progress.completed if progress else (),
        tree=progress.tree if progress else "",
        usage=state.used,
        question=state.question,
        questions=tuple(state.questions),
        assumed=tuple(dict.fromkeys(progress.assumed)) if progress else (),
        context=ResolvedValues(progress.context, Blobs(root)) if progress else {},
    )


def final_record(manifest: Manifest, state: RunState, now: datetime) -> dict[str, Json]:
    """Return the content of final.json: the end of the walk."""
    progress = state.progress or Progress("")
    outcome = outcome_of(state) or StageStatus.FAIL
    if state.restarted_as and not state.canceled:
        next_command = f"attractor status {state.restarted_as}"
    elif outcome.is_success and not state.canceled:
        next_command = f"attractor status {manifest.run_id}"
    else:
        next_command = f"attractor logs {manifest.run_id}"
    return {
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "goal": manifest.goal,
        "outcome": outcome.value,
        "why": state.why_canceled or (progress.end.reason if progress.end else state.reason),
        "node": progress.current_node,
        "next": next_command,
        "stages": len(progress.completed),
        "visits": {node: count for node, count in Counter(progress.completed).items() if count > 1},
        "redirects": progress.redirects,
        "handled_failures": list(progress.handled),
        "stepped_over": list(progress.stepped_over),
        "assumed_outcomes": list(progress.assumed),
        "usage": usage_to_record(state.used),
        "seconds": round(state.seconds(now), 6),
        "tree": progress.tree,
        "started": manifest.started.isoformat(),
        "ended": now.isoformat(),
    }


def run_record(manifest: Manifest, state: RunState, now: datetime) -> dict[str, Json]:
    """Return the content of run.json."""
    outcome = outcome_of(state)
    return {
        "run_id": manifest.run_id,
        "status": state.status.word.value,
        "phase": state.status.phase.value,
        "reason": state.reason,
        "wait": write_record(state.wait) if state.wait else None,
        "outcome": outcome.value if outcome else "",
        "next_node": state.progress.next_node if state.progress else "",
        "is_paused": state.is_paused,
        "question": question_to_record(state.question) if state.question else None,
        "questions": [question_to_record(question) for question in state.questions],
        "updated": now.isoformat(),
    }


_TERMINAL = (PipelineCompleted.__name__, PipelineFailed.__name__)


def is_final_lost(directory: RunDirectory) -> bool:
    """Return whether the run has ended, but its final.json is missing or corrupt."""
    try:
        read_document(directory.final)
    except AttractorError:
        return True
    return False


def final_from_journal(directory: RunDirectory, manifest: Manifest) -> dict[str, Json]:
    """Return the content of final.json, from the state at the terminal event in the journal."""
    state = RunState()
    for event in all_events(directory.events):
        if event.type in _TERMINAL:
            record = final_record(manifest, state, event.time)
            return {**record, "seconds": event.data.get("seconds", record["seconds"])}
        state = fold(state, event)
    raise RecordBroken(f"{directory.events} has no terminal event")


@dataclass(frozen=True)
class Landing:
    """The branch that has the result of a run, and the first commit found with it.

    `reverted_on` is a branch on which it was reverted since, at least in part.
    """

    branch: str
    commit: str
    reverted_on: str = ""

    def __str__(self) -> str:
        reverted = f", reverted on {self.reverted_on}" if self.reverted_on else ""
        return f"{self.branch} ({self.commit[:12]}){reverted}"
