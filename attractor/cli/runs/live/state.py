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
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.engine.questions.question import describe_recorded_branches
from attractor.engine.storage.json_files import Fields
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
    """One visit of a node; the visit is running, or has ended with an outcome."""

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

    `left` trials remain, which take about `seconds_left`.
    """

    evaluation: int = 0
    played: int = 0
    satisfied: int = 0
    left: int = 0
    seconds_left: int = 0
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


def _call(event: Event) -> str:
    call = describe_call(_as_text(event.data.get("tool_name")), event.data.get("arguments"))
    return "\n".join(call)


def _result(event: Event) -> str:
    return _as_text(event.data.get("error")) or _as_text(event.data.get("output"))


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


_WORDS: Mapping[str, Callable[[Event], str]] = {
    "TOOL_CALL_START": _call,
    "TOOL_CALL_END": _result,
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
    left = {key: one for key, one in view.at_work.items() if key != stage_key(event)}
    return replace(_with(view, event, is_parked=True), at_work=left)


def question_settled(view: RunView, event: Event) -> RunView:
    """Remove a settled question."""
    match event.data.get("question"):
        case str(id_) | {"id": str(id_)}:
            gone = _key(event, id_)
            left = {key: one for key, one in view.questions.items() if key != gone}
            return replace(view, questions=left)
        case _:
            return view


def without_stage(view: RunView, event: Event) -> Mapping[str, PendingQuestion]:
    """Return the questions without the questions of an ended stage and its child run."""
    stage = _key(event, f"{event.node}@{event.visit}.")
    return {key: one for key, one in view.questions.items() if not key.startswith(stage)}


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


Change = Callable[[RunView, Event], RunView]


def fold(view: RunView, event: Event) -> RunView:
    """Return the state after one more event; a repeated event changes nothing.

    Events of child runs come between events of the parent run. The stages of child runs are shown;
    the parent counts their usage.
    """
    is_own = view.run_id in ("", event.run_id)
    if is_own and event.seq and event.seq <= view.seq:
        return view
    change = (_OWN_CHANGES.get(event.type) if is_own else None) or _CHANGES.get(event.type)
    changed = change(view, event) if change else view
    if is_own and changed.run_id in ("", event.run_id):
        first = changed.started or event.time
        changed = replace(changed, run_id=event.run_id, seq=event.seq, started=first)
    lines = reported_lines(event)
    return _with_lines(changed, event, lines) if lines else changed


def _stage_started(view: RunView, event: Event) -> RunView:
    before = view.at_work.get(stage_key(event))
    row = StageRow(
        node=event.node or "",
        since=before.since if before else event.time,
        visit=event.visit or 1,
        attempt=event.attempt or 1,
        branch=event.branch or "",
        usage=before.usage if before else NOTHING_USED,
    )
    return replace(view, at_work={**view.at_work, stage_key(event): row})


def _model_used(view: RunView, event: Event) -> RunView:
    row = view.at_work.get(stage_key(event))
    if row is None:
        return view
    updated = replace(row, usage=row.usage + _usage(event.data.get("usage")))
    return replace(view, at_work={**view.at_work, stage_key(event): updated})


def _stage_completed(view: RunView, event: Event) -> RunView:
    why = "assumed" if event.data.get("assumed") is True else ""
    return _end_attempt(view, event, _text(event, "outcome"), why)


def _stage_failed(view: RunView, event: Event) -> RunView:
    row = view.at_work.get(stage_key(event))
    if row and event.data.get("will_retry") is True:
        waits = replace(row, state=WAITS, why=_text(event, "error"))
        return replace(view, at_work={**view.at_work, stage_key(event): waits})
    return _end_attempt(view, event, "fail", _text(event, "error"))


def _end_attempt(view: RunView, event: Event, outcome: str, why: str) -> RunView:
    """Move a stage to the ended stages; the usage of the stage is added at its checkpoint."""
    # A slow reader may have missed the start.
    begun = view if stage_key(event) in view.at_work else _stage_started(view, event)
    row = begun.at_work[stage_key(event)]
    lasted = max(_number(event.data.get("duration")), (event.time - row.since).total_seconds())
    done = replace(row, state=outcome, seconds=lasted, why=why, last_lines=())
    is_failed = outcome in ("fail", "retry")
    return replace(
        view,
        ended=view.ended + 1,
        failed=view.failed + is_failed,
        path=(*view.path, done)[-KEPT:],
        at_work={key: one for key, one in view.at_work.items() if key != stage_key(event)},
        questions=without_stage(view, event),
    )


def _retrying(view: RunView, event: Event) -> RunView:
    row = view.at_work.get(stage_key(event))
    if row is None:
        return view
    again = replace(row, attempt=int(_number(event.data.get("attempt"))) or row.attempt)
    return replace(view, at_work={**view.at_work, stage_key(event): again})


def _saved(view: RunView, event: Event) -> RunView:
    """Add the usage of a stage to the total and to the row of the stage."""
    match event.data.get("step"):
        case {"visit": {"node": str(node), "seconds": seconds, "outcome": {"usage": {**used}}}}:
            usage = _usage(used)
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
    if row is None:
        return view
    updated = replace(row, last_lines=(*row.last_lines, *lines)[-LAST_LINES:])
    return replace(view, at_work={**view.at_work, stage_key(event): updated})


def _pipeline_started(view: RunView, event: Event) -> RunView:
    return replace(view, pipeline=_text(event, "name"))


def _status_changed(view: RunView, event: Event) -> RunView:
    wait = event.data.get("wait")
    phase = _text(event, "phase") or (str(wait.get("reason")) if isinstance(wait, dict) else "")
    status = _text(event, "status") + (f" ({phase})" if phase else "")
    return replace(view, status=status, reason=_text(event, "reason"))


def _interrupted(view: RunView, event: Event) -> RunView:
    return replace(view, reason=_text(event, "reason"))


def _resumed(view: RunView, event: Event) -> RunView:
    """Remove the stages that ran in the previous process, because these stages are repeated."""
    return replace(view, started=event.time, reason="", is_paused=False, at_work={}, questions={})


def _restarting(view: RunView, event: Event) -> RunView:
    """Switch to the run that continues this run."""
    return replace(view, run_id=_text(event, "run_id"), seq=0)


def _acted(view: RunView, event: Event) -> RunView:
    if event.data.get("is_accepted") is False:
        return view
    match event.data.get("action"):
        case "pause":
            return replace(view, is_paused=True)
        case "resume":
            return replace(view, is_paused=False)
        case _:
            return view


def _budgets(view: RunView, event: Event) -> RunView:
    return replace(view, budgets=budgets_from_record(Fields(event.data, f"event {event.seq}")))


def _trial(view: RunView, event: Event) -> RunView:
    trials, number = view.trials, int(_number(event.data.get("evaluation")))
    if trials.evaluation != number:
        trials = Trials(number)
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
    return replace(view, trials=counted)


def _gate(view: RunView, event: Event) -> RunView:
    return replace(view, trials=replace(view.trials, gate=gate_words(event)))


def _not_told(view: RunView, event: Event) -> RunView:
    why = f"notification failed by {_text(event, 'messenger')}: {_text(event, 'error')}"
    return replace(view, trouble=f"{event.node}: {why}" if event.node else why)


def _usage(used: Json) -> Usage:
    if not isinstance(used, dict):
        return NOTHING_USED
    return Usage(
        int(_number(used.get("input_tokens"))),
        int(_number(used.get("output_tokens"))),
        _number(used.get("cost_usd")),
        int(_number(used.get("estimated_tokens"))),
    )


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0


_CHANGES: Mapping[str, Change] = {
    "StageStarted": _stage_started,
    "ModelUsed": _model_used,
    "StageCompleted": _stage_completed,
    "StageFailed": _stage_failed,
    "StageRetrying": _retrying,
    "InterviewStarted": question_asked,
    "QuestionAsked": question_asked,
    "QuestionSettled": question_settled,
    "InterviewCompleted": question_settled,
    "InterviewTimeout": question_settled,
    "StageParked": question_parked,
}

_OWN_CHANGES: Mapping[str, Change] = {
    "PipelineStarted": _pipeline_started,
    "CheckpointSaved": _saved,
    "RunStatusChanged": _status_changed,
    "RunInterrupted": _interrupted,
    "RunResumed": _resumed,
    "RunRestarting": _restarting,
    "OperatorAction": _acted,
    "BudgetsSet": _budgets,
    "TrialCompleted": _trial,
    "GateEvaluated": _gate,
    "NotificationFailed": _not_told,
}
