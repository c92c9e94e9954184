"""Where a run is: the fold of its events, one after the other, in a live run and on resume."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from attractor.base.canonical import Json
from attractor.base.events import Event
from attractor.engine.errors import RecordBroken
from attractor.engine.fields import Fields
from attractor.engine.inbox import Action
from attractor.engine.outcome import StageStatus
from attractor.engine.progress import Progress, advance
from attractor.engine.progress_records import (
    progress_from_record,
    progress_to_record,
    step_from_record,
)
from attractor.engine.question_records import (
    answer_from_record,
    answer_to_record,
    question_from_record,
    question_to_record,
)
from attractor.engine.seams import Answer, AnswerKind, Question
from attractor.engine.status import QUEUED, Phase, RunStatus, Standing


@dataclass(frozen=True)
class InFlight:
    """The attempt that was begun and whose stage is not in the journal yet."""

    node: str
    visit: int
    attempt: int


@dataclass(frozen=True)
class RunState:
    """All that a process must know to go on with a run."""

    standing: Standing = QUEUED
    reason: str = ""
    progress: Progress | None = None
    in_flight: InFlight | None = None
    question: Question | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    is_paused: bool = False
    canceled: str = ""
    last_order: str = ""
    is_ended: bool = False

    @property
    def may_walk(self) -> bool:
        """Whether a stage may be executed yet: the walk has not come to its end."""
        has_end = self.progress is not None and self.progress.end is not None
        return not (has_end or self.canceled or self.standing.is_final)


def fold(state: RunState, event: Event) -> RunState:
    """Return where a run is after one more event."""
    change = _CHANGES.get(event.type)
    if change is None:
        return state
    return change(state, event, Fields(event.data, f"event {event.seq} ({event.type})"))


def state_to_record(state: RunState) -> dict[str, Json]:
    """Return a state as the checkpoint has it: the progress on top, the rest beneath."""
    flight = state.in_flight
    return {
        **(progress_to_record(state.progress) if state.progress else {"current_node": ""}),
        "run": {
            "status": state.standing.status.value,
            "phase": state.standing.phase.value,
            "reason": state.reason,
            "in_flight": {"node": flight.node, "visit": flight.visit, "attempt": flight.attempt}
            if flight
            else None,
            "question": question_to_record(state.question) if state.question else None,
            "answers": {key: answer_to_record(one) for key, one in state.answers.items()},
            "is_paused": state.is_paused,
            "canceled": state.canceled,
            "last_order": state.last_order,
            "is_ended": state.is_ended,
        },
    }


def state_from_record(fields: Fields) -> RunState:
    """Read a state back."""
    run = fields.inner("run")
    answers = run.inner("answers")
    return RunState(
        standing=_standing(run),
        reason=run.text("reason"),
        progress=progress_from_record(fields) if fields.has("next_node") else None,
        in_flight=_in_flight(run.inner("in_flight")) if run.has("in_flight") else None,
        question=question_from_record(run.inner("question")) if run.has("question") else None,
        answers={key: answer_from_record(answers.inner(key)) for key in run.members("answers")},
        is_paused=run.flag("is_paused"),
        canceled=run.text("canceled"),
        last_order=run.text("last_order"),
        is_ended=run.flag("is_ended"),
    )


def outcome_of(state: RunState) -> StageStatus | None:
    """Return how the walk ended, if it did."""
    end = state.progress.end if state.progress else None
    return end.status if end else None


def _standing(fields: Fields) -> Standing:
    return Standing(fields.word("status", RunStatus), fields.word("phase", Phase))


def _in_flight(fields: Fields) -> InFlight:
    return InFlight(fields.text("node"), fields.number("visit"), fields.number("attempt"))


def _started(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, progress=progress_from_record(data.inner("progress")))


def _status_changed(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, standing=_standing(data), reason=data.text("reason"))


def _stage_started(state: RunState, event: Event, data: Fields) -> RunState:
    if event.node is None or event.visit is None or event.attempt is None:
        raise RecordBroken(f"event {event.seq} does not say which attempt it is about")
    return replace(state, in_flight=InFlight(event.node, event.visit, event.attempt))


def _stage_retrying(state: RunState, event: Event, data: Fields) -> RunState:
    begun = _stage_started(state, event, data).in_flight
    return replace(state, in_flight=begun and replace(begun, attempt=data.number("attempt")))


def _stage_parked(state: RunState, event: Event, data: Fields) -> RunState:
    question = question_from_record(data.inner("question"))
    # Asked again, the question waits no longer than it was to; an answer there was, was none.
    if state.question and state.question.id == question.id:
        question = replace(question, deadline=state.question.deadline)
    others = {key: one for key, one in state.answers.items() if key != question.id}
    return replace(state, question=question, answers=others)


def _saved(state: RunState, event: Event, data: Fields) -> RunState:
    if not data.has("step"):
        return state
    if state.progress is None:
        raise RecordBroken(f"event {event.seq}: a step before the walk began")
    return replace(
        state,
        progress=advance(state.progress, step_from_record(data.inner("step"))),
        in_flight=None,
        question=None,
        answers={},
    )


def _acted(state: RunState, event: Event, data: Fields) -> RunState:
    state = replace(state, last_order=data.text("order") or state.last_order)
    if not data.flag("is_accepted"):
        return state
    match data.text("action"):
        case Action.PAUSE:
            return replace(state, is_paused=True)
        case Action.RESUME:
            return replace(state, is_paused=False)
        case Action.CANCEL:
            words = [f"canceled by {data.text('by') or 'somebody'}", data.text("why")]
            return replace(state, canceled=": ".join(filter(None, words)))
        case Action.ANSWER:
            answer = Answer(AnswerKind.GIVEN, data.text("value"), data.text("by"))
            return replace(state, answers={**state.answers, data.text("question"): answer})
        case _:
            return state


def _ended(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, is_ended=True)


_CHANGES: Mapping[str, Callable[[RunState, Event, Fields], RunState]] = {
    "PipelineStarted": _started,
    "RunStatusChanged": _status_changed,
    "StageStarted": _stage_started,
    "StageRetrying": _stage_retrying,
    "StageParked": _stage_parked,
    "CheckpointSaved": _saved,
    "OperatorAction": _acted,
    "PipelineCompleted": _ended,
    "PipelineFailed": _ended,
}
