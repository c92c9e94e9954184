"""State of the live display: values, and a pure function that folds events into them.

The question of a child run is recorded in two journals: of the child run, and of the parent run,
with the child's name. The question is shown once, as a question of the parent run.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime

from attractor.base.call_text import describe_call
from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.budgets import NO_BUDGETS, Budgets, budgets_from_record
from attractor.engine.journal.events import (
    CheckpointSaved,
    EngineEvent,
    ModelCalled,
    ModelUsed,
    OperatorAction,
    PipelineStarted,
    RunInterrupted,
    RunRestarting,
    RunResumed,
    RunStatusChanged,
    StageCompleted,
    StageFailed,
    StageRetrying,
    StageStarted,
    read_event,
)
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.questions.question import describe_recorded_branches
from attractor.engine.storage.json_files import Fields, read_known
from attractor.records.event_lines import gate_words
from attractor.records.open_work import LAST_LINES, shown_lines

KEPT = 100
"""The number of ended stages that are kept; earlier ended stages are only counted."""

WAITS = "waits"
"""The state of a stage that waits for a retry."""

WORKS = "works"
"""The state of a running stage."""

StageKey = tuple[str, str]
"""The key of a visit: the run id, and `node@visit`."""


def stage_key(event: Event) -> StageKey:
    """Return the key of the visit that an event belongs to."""
    return event.run_id, f"{event.node}@{event.visit}"


@dataclass(frozen=True)
class StageRow:
    """One visit of a node; the visit is running, or has ended with an outcome.

    `calling_since` is the start of the model call that has not ended.
    """

    node: str
    since: datetime
    visit: int = 1
    attempt: int = 1
    branch: str = ""
    state: str = WORKS
    seconds: float = 0.0
    usage: Usage = NOTHING_USED
    why: str = ""
    last_lines: tuple[str, ...] = ()
    calling_since: datetime | None = None


@dataclass(frozen=True)
class PendingQuestion:
    """An open question; if the question is parked, no process waits for the answer."""

    stage: str
    text: str
    choices: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    is_parked: bool = False


@dataclass(frozen=True)
class Trials:
    """The progress of the latest evaluation, and the verdict of the gate.

    `left` trials remain, which take about `seconds_left`. `seconds` are those of all evaluations.
    """

    evaluation: int = 0
    played: int = 0
    satisfied: int = 0
    left: int = 0
    seconds_left: int = 0
    seconds: float = 0.0
    gate: str = ""


@dataclass(frozen=True)
class RunView:
    """The state of a run, computed from events.

    `seq` is the number of the last event in the journal of the run itself. `trouble` is the last
    problem that did not stop the run. `started` is the start of the current process, `seconds` the
    total duration of the stages.
    """

    run_id: str = ""
    seq: int = 0
    pipeline: str = ""
    started: datetime | None = None
    status: str = ""
    reason: str = ""
    trouble: str = ""
    is_paused: bool = False
    ended: int = 0
    failed: int = 0
    path: tuple[StageRow, ...] = ()
    at_work: Mapping[StageKey, StageRow] = field(default_factory=dict[StageKey, StageRow])
    questions: Mapping[str, PendingQuestion] = field(default_factory=dict[str, PendingQuestion])
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    budgets: Budgets = NO_BUDGETS
    trials: Trials = Trials()

    @property
    def used(self) -> Usage:
        """The model usage so far, including running stages.

        The usage of a child run counts when the child run ends.
        """
        own = (row.usage for (run_id, _), row in self.at_work.items() if run_id == self.run_id)
        return sum(own, self.usage)


def reported_lines(event: Event) -> tuple[str, ...]:
    """Return the last output lines that an event reports, with escaped control characters."""
    words = _WORDS.get(event.type)
    return shown_lines(words(event)) if words else ()


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


_WORDS: Mapping[str, Callable[[Event], str]] = {
    "TOOL_CALL_START": lambda event: "\n".join(
        describe_call(_as_text(event.data.get("tool_name")), event.data.get("arguments"))
    ),
    "TOOL_CALL_END": lambda event: (
        _as_text(event.data.get("error")) or _as_text(event.data.get("output"))
    ),
    "ASSISTANT_TEXT_END": lambda event: _as_text(event.data.get("text")),
    "WARNING": lambda event: _as_text(event.data.get("message")),
    "ChildSteered": lambda event: f"steered: {_as_text(event.data.get('text'))}",
    "OutcomeAssumed": lambda event: _as_text(event.data.get("reason")),
}


def question_asked(view: RunView, event: Event) -> RunView:
    """Add an open question."""
    return _with(view, event, is_parked=False)


def question_parked(view: RunView, event: Event) -> RunView:
    """Keep an open question, and remove the asking stage from the running stages."""
    left = {key: row for key, row in view.at_work.items() if key != stage_key(event)}
    return replace(_with(view, event, is_parked=True), at_work=left)


def question_settled(view: RunView, event: Event) -> RunView:
    """Remove a settled question."""
    match event.data.get("question"):
        case str(id_) | {"id": str(id_)}:
            gone = _key(event, id_)
            left = {key: question for key, question in view.questions.items() if key != gone}
            return replace(view, questions=left)
        case _:
            return view


def without_stage(view: RunView, event: Event) -> Mapping[str, PendingQuestion]:
    """Return the questions without the questions of an ended stage and its child run."""
    stage = _key(event, f"{event.node}@{event.visit}.")
    return {key: question for key, question in view.questions.items() if not key.startswith(stage)}


def _with(view: RunView, event: Event, *, is_parked: bool) -> RunView:
    # A child's question is shown as the parent's, which knows the branch of the child.
    if view.run_id not in ("", event.run_id):
        return view
    match event.data.get("question"):
        case {"id": str(id_), "text": str(text), "options": [*options]} as record:
            key, stage = _key(event, id_), record.get("stage") or event.node
            choices, where = tuple(map(_choice, options)), tuple(describe_recorded_branches(record))
        case _:
            return view
    # The event that starts an interview has no place.
    where = where or (view.questions[key].where if key in view.questions else ())
    one = PendingQuestion(str(stage or ""), text, choices, where, is_parked)
    return replace(view, questions={**view.questions, key: one})


def _key(event: Event, id_: str) -> str:
    return f"{event.run_id}/{id_}"


def _choice(option: Json) -> str:
    match option:
        case {"key": str(key), "label": str(label)}:
            return label if f"[{key}]" in label else f"[{key}] {label}"
        case _:
            return ""


def fold(view: RunView, event: Event) -> RunView:
    """Return the state after one more event; a repeated event changes nothing.

    Events of child runs come between events of the parent run. The stages of child runs are shown;
    the parent counts their usage.
    """
    is_own = view.run_id in ("", event.run_id)
    if is_own and event.seq and event.seq <= view.seq:
        return view
    data = read_event(event)
    changed = _change_run(view, event, data) if is_own else view
    changed = _change_stage(changed, event, data)
    if is_own and changed.run_id in ("", event.run_id):
        first = changed.started or event.time
        changed = replace(changed, run_id=event.run_id, seq=event.seq, started=first)
    lines = reported_lines(event)
    return _with_lines(changed, event, lines) if lines else changed


def _change_stage(view: RunView, event: Event, data: EngineEvent | None) -> RunView:
    """Apply an event of a stage or a question, also of a child run."""
    row = view.at_work.get(stage_key(event))
    match data:
        case StageStarted():
            since, usage = (row.since, row.usage) if row else (event.time, NOTHING_USED)
            return _with_row(view, event, _new_row(event, since=since, usage=usage))
        case ModelCalled(usage=used) if row:
            is_calling = read_known(Usage, used) != NOTHING_USED
            since = (row.calling_since or event.time) if is_calling else None
            return _with_row(view, event, replace(row, calling_since=since))
        case ModelUsed(usage=used) if row:
            usage = row.usage + read_known(Usage, used)
            return _with_row(view, event, replace(row, usage=usage, calling_since=None))
        case StageFailed(error=error, will_retry=True) if row:
            return _with_row(view, event, replace(row, state=WAITS, why=error))
        case StageRetrying(attempt=attempt) if row:
            return _with_row(view, event, replace(row, attempt=attempt or row.attempt))
        case StageCompleted() | StageFailed() as ended:
            return _end_attempt(view, event, row, ended)
        case _:
            change = _QUESTION_CHANGES.get(event.type)
            return change(view, event) if change else view


def _with_row(view: RunView, event: Event, row: StageRow) -> RunView:
    return replace(view, at_work={**view.at_work, stage_key(event): row})


def _new_row(event: Event, *, since: datetime, usage: Usage = NOTHING_USED) -> StageRow:
    place = (event.visit or 1, event.attempt or 1, event.branch or "")
    return StageRow(event.node or "", since, *place, usage=usage)


def _end_attempt(
    view: RunView, event: Event, row: StageRow | None, ended: StageCompleted | StageFailed
) -> RunView:
    """Move a stage to the ended stages; the usage of the stage is added at its checkpoint."""
    # A slow reader may have missed the start.
    row = row or _new_row(event, since=event.time)
    if isinstance(ended, StageFailed):
        outcome, why = "fail", ended.error
    else:
        outcome, why = ended.outcome, "assumed" if ended.assumed else ""
    lasted = max(ended.duration, (event.time - row.since).total_seconds())
    done = replace(row, state=outcome, seconds=lasted, why=why, last_lines=())
    return replace(
        view,
        ended=view.ended + 1,
        failed=view.failed + (outcome in ("fail", "retry")),
        path=(*view.path, done)[-KEPT:],
        at_work={key: row for key, row in view.at_work.items() if key != stage_key(event)},
        questions=without_stage(view, event),
    )


def _change_run(view: RunView, event: Event, data: EngineEvent | None) -> RunView:
    """Apply an event of the run itself."""
    match data:
        case PipelineStarted(name=name):
            return replace(view, pipeline=name)
        case CheckpointSaved(step=step):
            return _saved(view, event, step)
        case RunStatusChanged(status=status, phase=phase, reason=reason, wait=wait):
            phase = phase or (str(wait.get("reason")) if wait else "")
            return replace(view, status=status + (f" ({phase})" if phase else ""), reason=reason)
        case RunInterrupted(reason=reason):
            return replace(view, reason=reason)
        case RunResumed():
            # Stages that ran in the previous process are repeated.
            fresh = replace(view, started=event.time, reason="", is_paused=False)
            return replace(fresh, at_work={}, questions={})
        case RunRestarting(run_id=run_id):
            # Another run continues this run.
            return replace(view, run_id=run_id, seq=0)
        case OperatorAction(action="pause" | "resume" as action, is_accepted=True):
            return replace(view, is_paused=action == "pause")
        case _:
            change = _OWN_CHANGES.get(event.type)
            return change(view, event) if change else view


def _saved(view: RunView, event: Event, step: Json) -> RunView:
    """Add the usage of a stage to the total and to the row of the stage."""
    match step:
        case {"visit": {"node": str(node), "seconds": seconds, "outcome": {"usage": {**used}}}}:
            usage = read_known(Usage, used)
        case _:
            return view
    path = list(view.path)
    for at in range(len(path) - 1, -1, -1):
        if (path[at].node, path[at].branch) == (node, event.branch or ""):
            path[at] = replace(path[at], usage=usage)
            break
    lasted = 0.0 if event.branch else _number(seconds)
    return replace(view, usage=view.usage + usage, seconds=view.seconds + lasted, path=tuple(path))


def _with_lines(view: RunView, event: Event, lines: tuple[str, ...]) -> RunView:
    row = view.at_work.get(stage_key(event))
    last_lines = (*row.last_lines, *lines)[-LAST_LINES:] if row else ()
    return _with_row(view, event, replace(row, last_lines=last_lines)) if row else view


def _budgets(view: RunView, event: Event) -> RunView:
    return replace(view, budgets=budgets_from_record(Fields(event.data, f"event {event.seq}")))


def _trial(view: RunView, event: Event) -> RunView:
    trials, number = view.trials, int(_number(event.data.get("evaluation")))
    if trials.evaluation != number:
        trials = Trials(number, seconds=trials.seconds)
    counted = replace(
        trials,
        played=trials.played + 1,
        satisfied=trials.satisfied + (event.data.get("satisfied") is True),
    )
    match event.data.get("progress"):
        case {"finished": int(finished), "trials": int(all_trials), "seconds_left": int(left)}:
            counted = replace(counted, left=all_trials - finished, seconds_left=left)
        case _:
            pass
    match event.data.get("progress"):
        case {"seconds": int() | float() as seconds}:
            counted = replace(counted, seconds=float(seconds))
        case _:
            pass
    return replace(view, trials=counted)


def _gate(view: RunView, event: Event) -> RunView:
    return replace(view, trials=replace(view.trials, gate=gate_words(event)))


def _not_told(view: RunView, event: Event) -> RunView:
    why = f"notification failed by {_text(event, 'messenger')}: {_text(event, 'error')}"
    return replace(view, trouble=f"{event.node}: {why}" if event.node else why)


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0


_QUESTION_CHANGES: Mapping[str, Callable[[RunView, Event], RunView]] = {
    "InterviewStarted": question_asked,
    "QuestionAsked": question_asked,
    "QuestionSettled": question_settled,
    "InterviewCompleted": question_settled,
    "InterviewTimeout": question_settled,
    "StageParked": question_parked,
}

_OWN_CHANGES: Mapping[str, Callable[[RunView, Event], RunView]] = {
    "BudgetsSet": _budgets,
    "TrialCompleted": _trial,
    "GateEvaluated": _gate,
    "NotificationFailed": _not_told,
}
