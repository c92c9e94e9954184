"""Visits a node: attempts it until one is final (attractor-spec 3.5, ruling R3)."""

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import AttractorError, FileError
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.engine.journal.events import StageRetrying
from attractor.engine.preflight import resolve_handler
from attractor.engine.routing.branch_bounds import meeting_of
from attractor.engine.routing.retry import retry_policy
from attractor.engine.seams import Handler
from attractor.engine.stage.folder import history_folder, in_folder
from attractor.engine.stage.patch import MOST_NAMED, make_patch, written
from attractor.engine.state.identifiers import StageReference, TreeId, attempt_key
from attractor.engine.state.in_flight import NO_STREAK
from attractor.engine.state.progress import Visit
from attractor.engine.state.walks import siblings
from attractor.engine.truncation import LONGEST_RESPONSE, shorten
from attractor.engine.walk.attempt import TOUCH_NO_FILES, Attempt
from attractor.engine.walk.interruption import Interruption
from attractor.engine.walk.walk import WalkHandle
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Node

DIFF = "diff.patch"


PATCH_LEFT_OUT = "PatchLeftOut"
"""The kind emitted when `diff.patch` does not have all that a stage changed."""


async def leave_patch(line: WalkHandle, place: StageReference, until: TreeId) -> None:
    """Write what a visit changed into the folder of its last attempt; nothing if it changed none.

    It stands there before the journal has the stage, so that no stage that counts is without it.
    Trouble with git is told and holds nobody up: the trees have it all.
    """
    since = line.progress.tree
    if not since or until == since:
        return
    try:
        patch = await make_patch(line.workspace, since, until)
    except FileError:
        raise
    except AttractorError as trouble:
        line.run.emit(PATCH_LEFT_OUT, {"why": str(trouble), "paths": [], "count": 0}, place=place)
        return
    if patch.left_out:
        paths: list[Json] = list(patch.left_out[:MOST_NAMED])
        told: dict[str, Json] = {"why": "too long", "paths": paths, "count": len(patch.left_out)}
        line.run.emit(PATCH_LEFT_OUT, told, place=place)
    if content := written(patch, line.run.redactor).content:
        _write(line, place, content)


def _write(line: WalkHandle, place: StageReference, content: bytes) -> None:
    node, visit = place.node or "", place.visit or 1
    folder = line.run.directory.stage(node)
    if line.run.state.is_aside(line.key, node, visit):
        folder = history_folder(folder, visit, place.attempt or 1)
    write_whole(in_folder(folder, DIFF), content, sync=False)


@dataclass(frozen=True)
class Attempts:
    """Makes all the attempts of a visit."""

    line: WalkHandle

    async def visit(self, node: Node) -> Visit:
        """Try a node until an attempt is the last one, and return what the visit came to."""
        visit, number, handler = await self._first(node)
        seconds = 0.0
        while True:
            attempt = Attempt(self.line, node, visit, number)
            tried = await attempt.make(handler)
            seconds += tried.seconds
            if not tried.will_retry:
                break
            number, handler = number + 1, resolve_handler(node, self.line.journey.handlers)
            await self._wait(node, visit, number)
        tree = await self._snapshot(node, visit)
        await leave_patch(self.line, self.line.place(StageReference(node.id, visit, number)), tree)
        # What was used and how long it took, also where other processes were at work on it.
        flight = attempt.flight
        return Visit(
            node=node.id,
            number=visit,
            attempts=number,
            outcome=changed(tried.outcome, usage=flight.spent),
            tree=tree,
            logs=tried.logs,
            seconds=round(flight.worked + seconds, 6),
            is_transparent=node.type == "conditional" and tried.outcome.status.is_success,
            is_assumed=tried.is_assumed,
            meeting=meeting_of(node, attempt.branches),
            fidelity=tried.fidelity,
            thread=tried.thread,
            tools=tried.tools,
            streak=flight.streak if number > 1 else NO_STREAK,
        )

    async def _first(self, node: Node) -> tuple[int, int, Handler]:
        """Return the visit and attempt to begin with: an interrupted one is made again."""
        handler = resolve_handler(node, self.line.journey.handlers)
        run, strand, flight = self.line.run.state, self.line.strand, self.line.strand.in_flight
        if flight is None or flight.node != node.id:
            # Also what other walks began counts: each visit has a number of its own.
            return run.begun.get(node.id, 0) + 1, 1, handler
        # Branches and children that began go on where they were, so nothing is done twice.
        branches = attempt_key(self.line.key, node.id, flight.visit, flight.attempt)
        is_asking = any(one.id != flight.interruption for one in strand.questions)
        goes_on = is_asking or siblings(run.strands, self.line.key, branches) or self.line.has_child
        if flight.starts and not goes_on:
            handler = await Interruption(self.line, node, flight).settle(handler)
        return flight.visit, flight.attempt, handler

    async def _wait(self, node: Node, visit: int, number: int) -> None:
        """Wait before an attempt, the same time at every replay."""
        run = self.line.run
        seed = f"{run.manifest.run_id}/{node.id}"
        delay = retry_policy(node, self.line.graph).backoff.delay(number - 1, seed=seed)
        index = len(self.line.progress.completed) + 1
        name = shorten(node.label, LONGEST_RESPONSE)
        retrying = StageRetrying(name, index, number, delay.total_seconds())
        run.record(retrying, place=self.line.place(StageReference(node.id, visit, number - 1)))
        self.line.journey.require_left()
        await run.clock.sleep(delay)

    async def _snapshot(self, node: Node, visit: int) -> TreeId:
        is_shared = node.type in FORKS and node.attributes.text("isolation") == "shared"
        if node.type in TOUCH_NO_FILES and not is_shared:
            return self.line.progress.tree
        return await self.line.workspace.snapshot(f"{node.id} {visit}")
