"""The steps of a walk: visits of nodes, and the handling of interruptions."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import AttractorError, FileError
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.engine.context import reader
from attractor.engine.interviews import RunQuestions
from attractor.engine.journal.events import AgentParked, EdgeSelected, StageParked, StageRetrying
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.preflight import resolve_handler
from attractor.engine.questions.question import (
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    answer_to_record,
    describe_refusal,
    find_option,
    question_to_record,
)
from attractor.engine.routing.edge_selection import Route
from attractor.engine.routing.next_move import MoveDecision, choose_move
from attractor.engine.routing.retry import retry_policy
from attractor.engine.run_folder.inbox import POLL
from attractor.engine.seams import Handler, Parked, Stage, Stopped, Waiting
from attractor.engine.stage.folder import history_folder, in_folder
from attractor.engine.stage.patch import MOST_NAMED, make_patch, redact_patch
from attractor.engine.state.attempts import InFlight, StageReference, TreeId, attempt_key
from attractor.engine.state.progress import Step, Visit
from attractor.engine.state.walks import branches_of_attempt, is_of_child, join_visit
from attractor.engine.truncation import LONGEST_RESPONSE, shorten
from attractor.engine.walk.attempt import Attempt, AttemptResult, take_snapshot
from attractor.engine.walk.walk import Walk
from attractor.language.graph.graph import Node

MAX_TRIES = 3
"""The maximum number of times that a person is asked again after an invalid answer."""


class InterruptionChoice(StrEnum):
    """A person's choices after an interruption of a stage."""

    REPEAT = "repeat"
    DONE = "done"
    FAIL = "fail"


CHOICES: Sequence[Option] = (
    Option(InterruptionChoice.REPEAT.value, "Repeat it from the start"),
    Option(InterruptionChoice.DONE.value, "It is completed: continue as after a success"),
    Option(InterruptionChoice.FAIL.value, "It failed: continue as after a failure"),
)


@dataclass(frozen=True)
class FixedOutcome:
    """Replaces the handler of an interrupted stage that must not be repeated."""

    outcome: Outcome

    async def execute(self, stage: Stage) -> Outcome:
        """Return the outcome without doing anything."""
        return self.outcome


async def settle_interruption(
    walk: Walk, node: Node, flight: InFlight, handler: Handler
) -> Handler:
    """Return the handler for an interrupted attempt: the node's handler, or a fixed outcome.

    Effects of a stage outside the workspace cannot be undone, so `if_interrupted` of the node
    decides.
    """
    match node.attributes.text("if_interrupted"):
        case "fail":
            return FixedOutcome(_failed("if_interrupted=fail"))
        case "ask":
            return await _ask(walk, node, flight, handler)
        case _:
            return handler


async def _ask(walk: Walk, node: Node, flight: InFlight, handler: Handler) -> Handler:
    name = node.id if node.label == node.id else f"{node.id} ({node.label})"
    question = Question(
        id=flight.interruption,
        text=f"The stage {name} was interrupted when the run stopped: its effects may have "
        "happened in whole or in part. How does the run continue?",
        kind=QuestionKind.MULTIPLE_CHOICE,
        options=CHOICES,
        stage=node.id,
    )
    place = walk.reference(flight.node, flight.visit, flight.attempt)
    asked = question_to_record(question)
    walk.run.emit("InterviewStarted", {"question": asked}, place=place)
    answer = await _answer(walk, question)
    data: dict[str, Json] = {"question": asked, "answer": answer_to_record(answer)}
    walk.run.emit("InterviewCompleted", data, place=place)
    by = answer.by or "a person"
    match find_option(answer.value, question):
        case Option(key=InterruptionChoice.DONE):
            return FixedOutcome(success(f"interrupted, and completed according to {by}"))
        case Option(key=InterruptionChoice.FAIL):
            return FixedOutcome(_failed(f"failed according to {by}"))
        case _:
            return handler


async def _answer(walk: Walk, question: Question) -> Answer:
    """Ask until the answer is one of the choices; without an answer, park the question."""
    interviewer = walk.interviewer
    if interviewer is None:
        raise Parked(question)
    for _ in range(MAX_TRIES):
        answer = await interviewer.ask(question)
        if answer.kind is not AnswerKind.GIVEN:
            break
        if find_option(answer.value, question):
            return answer
        await interviewer.inform(describe_refusal(answer.value, question), question.stage)
    raise Parked(question)


def _failed(why: str) -> Outcome:
    return failure(f"interrupted, and {why}", FailureClass.TERMINAL)


DIFF = "diff.patch"
"""The file name of the patch of a visit, in the folder of the visited stage."""

PATCH_LEFT_OUT = "PatchLeftOut"
"""The event type of a visit whose `diff.patch` is incomplete."""


async def visit_node(walk: Walk, node: Node) -> Visit:
    """Make attempts at a node until an attempt is final, and return the visit."""
    visit, number, handler = await _first_attempt(walk, node)
    seconds = 0.0
    while True:
        attempt = Attempt(walk, node, visit, number)
        result = await attempt.make(handler)
        seconds += result.seconds
        if result.visit:
            break
        number, handler = number + 1, resolve_handler(node, walk.handlers)
        await _wait_before(walk, node, visit, number, result)
    tree = await take_snapshot(walk, node, visit)
    await write_patch(walk, walk.reference(node.id, visit, number), tree)
    # The usage and the time include earlier processes that worked on the visit.
    flight = attempt.flight
    return changed(
        result.visit,
        outcome=changed(result.outcome, usage=flight.spent),
        tree=tree,
        seconds=round(flight.worked + seconds, 6),
    )


async def _first_attempt(walk: Walk, node: Node) -> tuple[int, int, Handler]:
    """Return the visit, the first attempt to make, and the handler of the attempt.

    An interrupted attempt is repeated, unless `if_interrupted` is set on its node.
    """
    handler = resolve_handler(node, walk.handlers)
    run, state, flight = walk.run.state, walk.state, walk.state.in_flight
    if flight is None or flight.node != node.id:
        # Visits are numbered across all walks of the run.
        return run.begun.get(node.id, 0) + 1, 1, handler
    # An attempt with branches or children continues them, so no work is done twice.
    branches = attempt_key(walk.key, node.id, flight.visit, flight.attempt)
    is_asking = any(
        question.id != flight.interruption
        and (flight.is_parked or question.kind is not QuestionKind.APPROVAL)
        for question in state.questions
    )
    continues = is_asking or branches_of_attempt(run.walks, walk.key, branches) or walk.has_child
    if flight.starts and not continues:
        handler = await settle_interruption(walk, node, flight, handler)
    return flight.visit, flight.attempt, handler


async def _wait_before(
    walk: Walk, node: Node, visit: int, number: int, last: AttemptResult
) -> None:
    """Wait before an attempt; a replay waits for the same time."""
    run = walk.run
    seed = f"{run.manifest.run_id}/{node.id}"
    delay = retry_policy(node, walk.graph).backoff.delay(number - 1, seed=seed)
    index = len(walk.progress.completed) + 1
    name = shorten(node.label, LONGEST_RESPONSE)
    seconds = delay.total_seconds()
    retrying = StageRetrying(name, index, number, seconds, tree=last.left, ended=last.ended)
    run.record(retrying, place=walk.reference(node.id, visit, number - 1))
    walk.require_budget()
    await run.clock.sleep(delay)


async def write_patch(walk: Walk, place: StageReference, until: TreeId) -> None:
    """If a visit changed files, write a patch into the folder of its last attempt.

    The patch is written before the step is recorded, so every recorded stage has its patch. A Git
    error is only reported, because the trees contain all changes.
    """
    since = walk.progress.tree
    if not since or until == since:
        return
    try:
        patch = await make_patch(walk.workspace, since, until)
    except FileError:
        raise
    except AttractorError as trouble:
        walk.run.emit(PATCH_LEFT_OUT, {"why": str(trouble), "paths": [], "count": 0}, place=place)
        return
    if patch.left_out:
        paths: list[Json] = list(patch.left_out[:MOST_NAMED])
        data: dict[str, Json] = {"why": "too long", "paths": paths, "count": len(patch.left_out)}
        walk.run.emit(PATCH_LEFT_OUT, data, place=place)
    if content := redact_patch(patch, walk.run.redactor).content:
        node, visit = place.node or "", place.visit or 1
        folder = walk.run.directory.stage(node)
        if walk.run.state.is_aside(walk.key, node, visit):
            folder = history_folder(folder, visit, place.attempt or 1)
        write_whole(in_folder(folder, DIFF), content, sync=False)


async def walk_to_end(walk: Walk) -> None:
    """Walk to the end; halt on a cancellation, an open question or an exhausted budget.

    While the run is paused, a walk waits before it ends or restarts as another run (ruling R7).
    """
    while walk.progress.end is None:
        await _wait_while_paused(walk)
        if walk.run.state.canceled:
            raise Stopped(walk.run.state.canceled)
        walk.require_budget()
        if walk.progress.is_restarting:
            return
        await _take_step(walk, walk.graph.nodes[walk.progress.next_node])
    await _wait_while_paused(walk)


async def _wait_while_paused(walk: Walk) -> None:
    """Execute orders, and wait while this run or a parent run is paused."""
    run = walk.run
    run.take_orders()
    if not walk.is_paused or run.state.canceled:
        return
    run.save()
    run.write_run()
    while walk.is_paused and not run.state.canceled:
        await run.clock.sleep(POLL)
        run.take_orders()
    run.write_run()
    if run.state.canceled:
        raise Stopped(run.state.canceled)


async def _take_step(walk: Walk, node: Node) -> None:
    try:
        visit = await visit_node(walk, node)
    except Parked as parked:
        await _park(walk, node, parked.question)
        walk.waits.update()
        raise Waiting(parked.question.id) from parked
    place = walk.reference(node.id, visit.number, visit.attempts)
    decision = _decide(walk, visit)
    for route in decision.routes:
        walk.run.record(_edge_selected(route), place=place)
    await walk.run.commit(Step(visit, decision.move), place=place)


def _decide(walk: Walk, visit: Visit) -> MoveDecision:
    """Choose the next move, from the progress after the branches of the visit are joined."""
    progress, _ = join_visit(walk.run.state.walks, walk.key, visit)
    return choose_move(walk.graph, progress, visit, walk.bounds, read=reader(walk.run.blobs))


async def _park(walk: Walk, node: Node, question: Question) -> None:
    """Leave a question in the journal, with the branches that contain it.

    An agent that asks about a tool call goes on with the files that it changed so far.
    """
    flight = walk.state.in_flight
    place = StageReference(branch=walk.key or None)
    deadline = question.deadline
    if flight:
        place = walk.reference(flight.node, flight.visit, flight.attempt)
        # The child has set the deadline of its question.
        if not deadline and question.id == flight.id:
            deadline = _deadline(walk, flight.node)
    named = RunQuestions(walk.run).named(replace(question, deadline=deadline))
    is_of_agent = question.kind is QuestionKind.APPROVAL
    if flight and is_of_agent and not is_of_child(walk.state, question.id):
        tree = await take_snapshot(walk, node, flight.visit)
        walk.run.record(AgentParked(tree), place=place)
    walk.run.record(StageParked(question_to_record(named)), place=place)
    if len(walk.run.state.walks) > 1:
        # It can be answered while other branches work.
        walk.run.keep()


def _deadline(walk: Walk, node: str) -> str:
    limit = walk.graph.nodes[node].attributes.duration("timeout")
    return (walk.run.clock.now() + limit).isoformat() if limit else ""


def _edge_selected(route: Route) -> EdgeSelected:
    """Return the event of a route, with the fate of each candidate edge."""
    edge = route.edge
    return EdgeSelected(
        target=route.target,
        reason=route.reason.value,
        label=edge.label if edge else "",
        condition=edge.attributes.text("condition") if edge else "",
        candidates=[
            {
                "target": candidate.edge.target,
                "label": candidate.edge.label,
                "condition": candidate.edge.attributes.text("condition"),
                "fate": candidate.fate.value,
            }
            for candidate in route.candidates
        ],
    )
