"""Computes the state of a run from the events in its journal."""

from collections.abc import Callable, Mapping

from attractor.base.dataclasses import changed
from attractor.base.events import Event
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import Action
from attractor.engine.outcome import NOTHING_USED, usage_from_record
from attractor.engine.questions.question import (
    NOT_RECORDED,
    Answer,
    AnswerKind,
    answer_from_record,
    question_from_record,
)
from attractor.engine.state.attempts import MAIN, InFlight, signature
from attractor.engine.state.progress import Step, advance, progress_from_record, step_from_record
from attractor.engine.state.run_state import (
    WAITING,
    RunState,
    counts_from,
    status_from_record,
    wait_from_record,
)
from attractor.engine.state.walks import (
    GIVEN_UP,
    LONG_AGO,
    Branch,
    WalkState,
    begin_branch,
    continue_clocks,
    drop_question,
    end_branch,
    is_of_child,
    join_visit,
    put_question,
    stop_clocks,
    stop_walks,
    without_answers,
)
from attractor.engine.storage.json_files import Fields


def fold(state: RunState, event: Event) -> RunState:
    """Return the state of a run after one more event."""
    change = _CHANGES.get(event.type)
    if change is None:
        return state
    return change(state, event, Fields(event.data, f"event {event.seq} ({event.type})"))


def fold_step(state: RunState, event: Event, step: Step) -> RunState:
    """Return the state of a run after the event of a step, without parsing the step again."""
    walk = _walk(state, event)
    progress, walks = join_visit(state.walks, event.branch or MAIN, step.visit)
    after = changed(
        walks[event.branch or MAIN],
        progress=advance(progress, step),
        in_flight=None,
        questions=(),
        saved=event.seq,
    )
    answers = without_answers(state.answers, [question.id for question in walk.questions])
    return changed(state, walks={**walks, event.branch or MAIN: after}, answers=answers)


def _started(state: RunState, event: Event, data: Fields) -> RunState:
    return changed(state, walks={MAIN: WalkState(progress_from_record(data.inner("progress")))})


def _forked(state: RunState, event: Event, data: Fields) -> RunState:
    return changed(
        state, begun=counts_from(data, "begun"), answer_counts=counts_from(data, "given")
    )


def _branch_started(state: RunState, event: Event, data: Fields) -> RunState:
    key, parent = event.branch or "", data.text("parent")
    _walk(state, event, parent)
    branch = Branch(
        data.text("branch"), data.text("start"), data.text("until"), data.members("updates")
    )
    workspace = key if data.flag("isolated") else state.walks[parent].workspace
    walks = begin_branch(state.walks, key, parent, branch, workspace=workspace)
    return changed(state, walks=walks)


def _branch_completed(state: RunState, event: Event, data: Fields) -> RunState:
    key = event.branch or MAIN
    _walk(state, event, key)
    is_given_up = data.text("outcome") == GIVEN_UP
    return changed(state, walks=end_branch(state.walks, key, is_given_up=is_given_up))


def _status_changed(state: RunState, event: Event, data: Fields) -> RunState:
    status = status_from_record(data)
    walks = state.walks
    if WAITING in (status, state.status):
        turn = stop_clocks if status == WAITING else continue_clocks
        walks = turn(walks, event.time)
    return changed(
        state,
        status=status,
        reason=data.text("reason"),
        wait=wait_from_record(data),
        walks=walks,
        stopped="",
    )


def _stage_started(state: RunState, event: Event, data: Fields) -> RunState:
    if event.node is None or event.visit is None or event.attempt is None:
        raise RecordBroken(f"event {event.seq} has no attempt")
    walk = _walk(state, event)
    before = walk.in_flight
    is_again = before is not None and (before.node, before.visit) == (event.node, event.visit)
    is_aside = state.is_aside(event.branch or MAIN, event.node, event.visit)
    if before and is_again:
        flight = before.begun(event.attempt, event.time, is_aside=is_aside)
    else:
        flight = InFlight(
            event.node,
            event.visit,
            event.attempt,
            since=event.time,
            is_aside=is_aside,
            working_since=event.time,
            streak=walk.progress.streak(event.node),
        )
    after = _with(state, event, changed(walk, in_flight=flight))
    if before is not None:
        # The question about this interruption is settled; a later interruption asks a new question.
        answers = without_answers(state.answers, [before.interruption])
        begins = drop_question(_walk(after, event), before.interruption)
        after = changed(_with(after, event, begins), answers=answers)
    if state.begun.get(event.node, 0) >= event.visit:
        return after
    return changed(after, begun={**state.begun, event.node: event.visit})


def _attempt_ended(state: RunState, event: Event, data: Fields) -> RunState:
    """Count the usage of an attempt, including attempts that are retried later."""
    walk = _walk(state, event)
    if walk.in_flight is None:
        return state
    used = usage_from_record(data.inner("usage")) if data.has("usage") else None
    failed = signature(data.text("error")) if event.type == "StageFailed" else None
    ended = walk.in_flight.ended(used, failed)
    if ended is walk.in_flight:
        return state
    return _with(state, event, changed(walk, in_flight=ended))


def _model_called(state: RunState, event: Event, data: Fields) -> RunState:
    walk = _walk(state, event)
    if walk.in_flight is None:
        return state
    calling = usage_from_record(data.inner("usage"))
    flight = walk.in_flight.with_calls(calling, event.time)
    return _with(state, event, changed(walk, in_flight=flight))


def _model_used(state: RunState, event: Event, data: Fields) -> RunState:
    walk = _walk(state, event)
    if walk.in_flight is None:
        return state
    reported = walk.in_flight.reported + usage_from_record(data.inner("usage"))
    flight = changed(walk.in_flight, reported=reported).with_calls(NOTHING_USED, event.time)
    return _with(state, event, changed(walk, in_flight=flight))


def _stage_retrying(state: RunState, event: Event, data: Fields) -> RunState:
    walk = _walk(state, event)
    attempt = data.number("attempt")
    # Earlier versions recorded neither the tree nor the end of the attempt.
    tree, ended = (data.text(name) if data.has(name) else "" for name in ("tree", "ended"))
    flight = walk.in_flight and walk.in_flight.awaiting(attempt, tree=tree, before=ended)
    answers = without_answers(state.answers, [question.id for question in walk.questions])
    saved = event.seq if tree else walk.saved
    after = _with(state, event, changed(walk, in_flight=flight, questions=(), saved=saved))
    return changed(after, answers=answers)


def _stage_waiting(state: RunState, event: Event, data: Fields) -> RunState:
    # Earlier versions recorded no tree.
    tree = data.text("tree") if data.has("tree") else ""
    if not tree:
        return state
    walk = _walk(state, event)
    flight = walk.in_flight and changed(walk.in_flight, tree=tree)
    return _with(state, event, changed(walk, in_flight=flight, saved=event.seq))


def _asked(state: RunState, event: Event, data: Fields) -> RunState:
    question = question_from_record(data.inner("question"))
    # A question that is asked again keeps its first deadline; the earlier answer was invalid.
    after = _with(state, event, put_question(_walk(state, event), question))
    return changed(after, answers=without_answers(state.answers, [question.id]))


def _agent_parked(state: RunState, event: Event, data: Fields) -> RunState:
    walk, tree = _walk(state, event), data.text("tree")
    flight = walk.in_flight and changed(walk.in_flight, tree=tree, is_parked=True)
    # A workspace without snapshots has no tree.
    saved = event.seq if tree else walk.saved
    return _with(state, event, changed(walk, in_flight=flight, saved=saved))


def _approval_used(state: RunState, event: Event, data: Fields) -> RunState:
    id_ = data.text("question")
    after = _with(state, event, drop_question(_walk(state, event), id_))
    rules = (data.text("rule"),) if data.text("rule") else ()
    return changed(
        after,
        answers=without_answers(state.answers, [id_]),
        call_rules=tuple(dict.fromkeys((*state.call_rules, *rules))),
    )


def _settled(state: RunState, event: Event, data: Fields) -> RunState:
    walk, id_ = _walk(state, event), data.text("question")
    answer = answer_from_record(data.inner("answer"))
    if is_of_child(walk, id_):
        # From this event on, the journal of the child has the question too.
        state_without = changed(state, answers=without_answers(state.answers, [id_]))
        after = _with(state_without, event, drop_question(walk, id_))
    else:
        after = changed(state, answers={**state.answers, id_: answer})
    # An answer from the inbox did not come from an interviewer, so it is not counted.
    if not answer.by or id_ in state.answers:
        return after
    return changed(
        after,
        answer_counts={**state.answer_counts, answer.by: state.answer_counts.get(answer.by, 0) + 1},
    )


def _saved(state: RunState, event: Event, data: Fields) -> RunState:
    if not data.has("step"):
        return state
    return fold_step(state, event, step_from_record(data.inner("step")))


def _walk(state: RunState, event: Event, key: str | None = None) -> WalkState:
    """Return the walk that an event belongs to."""
    key = (event.branch or MAIN) if key is None else key
    if key not in state.walks:
        raise RecordBroken(f"event {event.seq} belongs to an unknown walk")
    return state.walks[key]


def _with(state: RunState, event: Event, walk: WalkState) -> RunState:
    return changed(state, walks={**state.walks, event.branch or MAIN: walk})


def _acted(state: RunState, event: Event, data: Fields) -> RunState:
    state = changed(state, last_order=data.text("order") or state.last_order)
    if not data.flag("is_accepted"):
        return state
    match data.text("action"):
        case Action.PAUSE:
            return changed(state, is_paused=True)
        case Action.RESUME:
            return changed(state, is_paused=False)
        case Action.CANCEL:
            words = [f"canceled by {data.text('by') or 'a person'}", data.text("why")]
            return changed(state, canceled=": ".join(filter(None, words)))
        case Action.ANSWER:
            proof = data.text("proof") if data.has("proof") else NOT_RECORDED
            answer = Answer(AnswerKind.GIVEN, data.text("value"), data.text("by"), proof=proof)
            return changed(state, answers={**state.answers, data.text("question"): answer})
        case _:
            return state


def _warned(state: RunState, event: Event, data: Fields) -> RunState:
    return changed(state, warned=(*state.warned, data.text("budget")))


def _budgets_set(state: RunState, event: Event, data: Fields) -> RunState:
    by_caller = data.members("set_by_caller") if data.has("set_by_caller") else {}
    # An evaluation that continues records no other event about it.
    return changed(state, budgets=by_caller, stopped="", warned=())


def _interrupted(state: RunState, event: Event, data: Fields) -> RunState:
    walks = stop_walks(state.walks, event.time)
    return changed(state, stopped=data.text("reason"), walks=walks)


def _resumed(state: RunState, event: Event, data: Fields) -> RunState:
    heard = data.time("heard") if data.text("heard") else LONG_AGO
    # Forget the warnings: the resumed run may have larger budgets, and warns again.
    return changed(state, stopped="", warned=(), walks=stop_walks(state.walks, heard))


def _restarting(state: RunState, event: Event, data: Fields) -> RunState:
    return changed(state, restarted_as=data.text("run_id"))


def _ended(state: RunState, event: Event, data: Fields) -> RunState:
    return changed(state, is_ended=True)


_CHANGES: Mapping[str, Callable[[RunState, Event, Fields], RunState]] = {
    "PipelineStarted": _started,
    "RunForked": _forked,
    "RunRestarted": _forked,
    "RunRestarting": _restarting,
    "ParallelBranchStarted": _branch_started,
    "ParallelBranchCompleted": _branch_completed,
    "RunStatusChanged": _status_changed,
    "StageStarted": _stage_started,
    "ModelCalled": _model_called,
    "ModelUsed": _model_used,
    "StageCompleted": _attempt_ended,
    "StageFailed": _attempt_ended,
    "StageRetrying": _stage_retrying,
    "StageWaiting": _stage_waiting,
    "QuestionAsked": _asked,
    "QuestionSettled": _settled,
    "StageParked": _asked,
    "AgentParked": _agent_parked,
    "ApprovalUsed": _approval_used,
    "CheckpointSaved": _saved,
    "OperatorAction": _acted,
    "BudgetsSet": _budgets_set,
    "BudgetWarning": _warned,
    "RunInterrupted": _interrupted,
    "RunResumed": _resumed,
    "PipelineCompleted": _ended,
    "PipelineFailed": _ended,
}
