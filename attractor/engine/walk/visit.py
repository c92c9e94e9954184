"""Visits a node: attempts it until one is final (attractor-spec 3.5, ruling R3)."""

from attractor.base.dataclasses import changed
from attractor.base.errors import AttractorError, FileError
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.engine.journal.events import StageRetrying
from attractor.engine.preflight import resolve_handler
from attractor.engine.routing.branch_bounds import meeting_of
from attractor.engine.routing.retry import retry_policy
from attractor.engine.seams import Handler
from attractor.engine.stage.folder import history_folder, in_folder
from attractor.engine.stage.patch import MOST_NAMED, make_patch, redact_patch
from attractor.engine.state.identifiers import StageReference, TreeId, attempt_key
from attractor.engine.state.in_flight import NO_STREAK
from attractor.engine.state.progress import Visit
from attractor.engine.state.walks import branches_of_attempt
from attractor.engine.truncation import LONGEST_RESPONSE, shorten
from attractor.engine.walk.attempt import TOUCH_NO_FILES, Attempt
from attractor.engine.walk.interruption import settle_interruption
from attractor.engine.walk.walk import Walk
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Node

DIFF = "diff.patch"
"""The patch of a visit, in the folder of its stage."""

PATCH_LEFT_OUT = "PatchLeftOut"
"""The event type of a visit whose `diff.patch` is incomplete."""


async def visit_node(walk: Walk, node: Node) -> Visit:
    """Attempt a node until one attempt is final, and return the visit."""
    visit, number, handler = await _first_attempt(walk, node)
    seconds = 0.0
    while True:
        attempt = Attempt(walk, node, visit, number)
        result = await attempt.make(handler)
        seconds += result.seconds
        if not result.will_retry:
            break
        number, handler = number + 1, resolve_handler(node, walk.handlers)
        await _wait_before(walk, node, visit, number)
    tree = await _snapshot(walk, node, visit)
    await write_patch(walk, walk.reference(node.id, visit, number), tree)
    # Includes the usage and the time of earlier processes that worked on the visit.
    flight = attempt.flight
    return Visit(
        node=node.id,
        number=visit,
        attempts=number,
        outcome=changed(result.outcome, usage=flight.spent),
        tree=tree,
        logs=result.logs,
        seconds=round(flight.worked + seconds, 6),
        is_transparent=node.type == "conditional" and result.outcome.status.is_success,
        is_assumed=result.is_assumed,
        meeting=meeting_of(node, attempt.branches),
        fidelity=result.fidelity,
        thread=result.thread,
        tools=result.tools,
        streak=flight.streak if number > 1 else NO_STREAK,
    )


async def _first_attempt(walk: Walk, node: Node) -> tuple[int, int, Handler]:
    """Return the visit and the attempt to begin with, and the handler that makes it.

    An interrupted attempt is repeated, unless its node says otherwise (`if_interrupted`).
    """
    handler = resolve_handler(node, walk.handlers)
    run, state, flight = walk.run.state, walk.state, walk.state.in_flight
    if flight is None or flight.node != node.id:
        # Visits are numbered over all walks of the run.
        return run.begun.get(node.id, 0) + 1, 1, handler
    # An attempt with branches or children continues them, so nothing is done twice.
    branches = attempt_key(walk.key, node.id, flight.visit, flight.attempt)
    is_asking = any(question.id != flight.interruption for question in state.questions)
    continues = is_asking or branches_of_attempt(run.walks, walk.key, branches) or walk.has_child
    if flight.starts and not continues:
        handler = await settle_interruption(walk, node, flight, handler)
    return flight.visit, flight.attempt, handler


async def _wait_before(walk: Walk, node: Node, visit: int, number: int) -> None:
    """Wait before an attempt; a replay waits equally long."""
    run = walk.run
    seed = f"{run.manifest.run_id}/{node.id}"
    delay = retry_policy(node, walk.graph).backoff.delay(number - 1, seed=seed)
    index = len(walk.progress.completed) + 1
    name = shorten(node.label, LONGEST_RESPONSE)
    retrying = StageRetrying(name, index, number, delay.total_seconds())
    run.record(retrying, place=walk.reference(node.id, visit, number - 1))
    walk.require_budget()
    await run.clock.sleep(delay)


async def _snapshot(walk: Walk, node: Node, visit: int) -> TreeId:
    is_shared = node.type in FORKS and node.attributes.text("isolation") == "shared"
    if node.type in TOUCH_NO_FILES and not is_shared:
        return walk.progress.tree
    return await walk.workspace.snapshot(f"{node.id} {visit}")


async def write_patch(walk: Walk, place: StageReference, until: TreeId) -> None:
    """Write the changes of a visit into the folder of its last attempt, if there are any.

    The patch is written before the step is recorded, so every recorded stage has its patch. A git
    error is only reported: the trees contain all changes.
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
