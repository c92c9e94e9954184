"""What each event changes in where a run is: the same in a live run and on resume."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from attractor.base.events import Event
from attractor.engine.branching import GIVEN_UP
from attractor.engine.errors import RecordBroken
from attractor.engine.fields import Fields
from attractor.engine.inbox import Action
from attractor.engine.progress import advance
from attractor.engine.progress_records import progress_from_record, step_from_record
from attractor.engine.question_records import question_from_record
from attractor.engine.run_state import RunState, standing_from_record
from attractor.engine.seams import Answer, AnswerKind, Branch
from attractor.engine.strands import MAIN, InFlight, Strand, end_branch, gather, leave


def fold(state: RunState, event: Event) -> RunState:
    """Return where a run is after one more event."""
    change = _CHANGES.get(event.type)
    if change is None:
        return state
    return change(state, event, Fields(event.data, f"event {event.seq} ({event.type})"))


def _started(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, strands={MAIN: Strand(progress_from_record(data.inner("progress")))})


def _forked(state: RunState, event: Event, data: Fields) -> RunState:
    begun = data.inner("begun")
    return replace(state, begun={node: begun.number(node) for node in begun.all()})


def _branch_started(state: RunState, event: Event, data: Fields) -> RunState:
    key, parent = event.branch or "", data.text("parent")
    _strand(state, event, parent)
    branch = Branch(
        data.text("branch"), data.text("start"), data.text("until"), data.members("updates")
    )
    workspace = key if data.flag("isolated") else state.strands[parent].workspace
    begun = leave(state.strands, parent, branch, workspace=workspace)
    return replace(state, strands={**state.strands, key: begun})


def _branch_completed(state: RunState, event: Event, data: Fields) -> RunState:
    key = event.branch or MAIN
    _strand(state, event, key)
    is_given_up = data.text("outcome") == GIVEN_UP
    return replace(state, strands=end_branch(state.strands, key, is_given_up=is_given_up))


def _status_changed(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, standing=standing_from_record(data), reason=data.text("reason"))


def _stage_started(state: RunState, event: Event, data: Fields) -> RunState:
    if event.node is None or event.visit is None or event.attempt is None:
        raise RecordBroken(f"event {event.seq} does not say which attempt it is about")
    strand = _strand(state, event)
    before = strand.in_flight
    is_again = before is not None and (before.node, before.visit) == (event.node, event.visit)
    since = before.since if before and is_again else event.time
    is_aside = state.is_aside(event.branch or MAIN, event.node, event.visit)
    flight = InFlight(event.node, event.visit, event.attempt, since, is_aside)
    changed = _with(state, event, replace(strand, in_flight=flight))
    if state.begun.get(event.node, 0) >= event.visit:
        return changed
    return replace(changed, begun={**state.begun, event.node: event.visit})


def _stage_retrying(state: RunState, event: Event, data: Fields) -> RunState:
    strand = _strand(state, event)
    flight = strand.in_flight and replace(strand.in_flight, attempt=data.number("attempt"))
    return _with(state, event, replace(strand, in_flight=flight))


def _stage_parked(state: RunState, event: Event, data: Fields) -> RunState:
    strand, question = _strand(state, event), question_from_record(data.inner("question"))
    # Asked again, the question waits no longer than it was to; an answer there was, was none.
    if strand.question and strand.question.id == question.id:
        question = replace(question, deadline=strand.question.deadline)
    others = {key: one for key, one in state.answers.items() if key != question.id}
    changed = _with(state, event, replace(strand, question=question))
    return replace(changed, answers=others)


def _saved(state: RunState, event: Event, data: Fields) -> RunState:
    if not data.has("step"):
        return state
    strand, step = _strand(state, event), step_from_record(data.inner("step"))
    progress, strands = gather(state.strands, event.branch or MAIN, step.visit)
    after = replace(
        strand,
        progress=advance(progress, step),
        in_flight=None,
        question=None,
        saved=event.seq,
    )
    asked = strand.question.id if strand.question else ""
    answers = {key: one for key, one in state.answers.items() if key != asked}
    return replace(state, strands={**strands, event.branch or MAIN: after}, answers=answers)


def _strand(state: RunState, event: Event, key: str | None = None) -> Strand:
    """Return the walk that an event is about."""
    key = (event.branch or MAIN) if key is None else key
    if key not in state.strands:
        raise RecordBroken(f"event {event.seq} is about a walk that did not begin")
    return state.strands[key]


def _with(state: RunState, event: Event, strand: Strand) -> RunState:
    return replace(state, strands={**state.strands, event.branch or MAIN: strand})


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


def _warned(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, warned=(*state.warned, data.text("budget")))


def _interrupted(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, stopped=data.text("reason"))


def _resumed(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, stopped="")


def _ended(state: RunState, event: Event, data: Fields) -> RunState:
    return replace(state, is_ended=True)


_CHANGES: Mapping[str, Callable[[RunState, Event, Fields], RunState]] = {
    "PipelineStarted": _started,
    "RunForked": _forked,
    "ParallelBranchStarted": _branch_started,
    "ParallelBranchCompleted": _branch_completed,
    "RunStatusChanged": _status_changed,
    "StageStarted": _stage_started,
    "StageRetrying": _stage_retrying,
    "StageParked": _stage_parked,
    "CheckpointSaved": _saved,
    "OperatorAction": _acted,
    "BudgetWarning": _warned,
    "RunInterrupted": _interrupted,
    "RunResumed": _resumed,
    "PipelineCompleted": _ended,
    "PipelineFailed": _ended,
}
