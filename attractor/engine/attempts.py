"""One visit of a node: it is tried until an attempt is the last one (attractor-spec 3.5, R3)."""

from attractor.base.dataclasses import changed, dataclass
from attractor.engine.alike import NO_STREAK
from attractor.engine.attempt import TOUCH_NO_FILES, Attempt
from attractor.engine.branching import attempt_key, meeting_of
from attractor.engine.events import Place, StageRetrying
from attractor.engine.excerpts import LONGEST_RESPONSE, shorten
from attractor.engine.interruptions import Interruption
from attractor.engine.lines import Line
from attractor.engine.preflight import resolve_handler
from attractor.engine.progress import Visit
from attractor.engine.retry import retry_policy
from attractor.engine.seams import Handler, TreeId
from attractor.engine.stage_patches import leave_patch
from attractor.engine.strands import siblings
from attractor.language.graph.branches import FORKS
from attractor.language.graph.graph import Node


@dataclass(frozen=True)
class Attempts:
    """Makes all the attempts of a visit."""

    line: Line

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
        await leave_patch(self.line, self.line.place(Place(node.id, visit, number)), tree)
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
        run.record(retrying, place=self.line.place(Place(node.id, visit, number - 1)))
        self.line.journey.require_left()
        await run.clock.sleep(delay)

    async def _snapshot(self, node: Node, visit: int) -> TreeId:
        is_shared = node.type in FORKS and node.attributes.text("isolation") == "shared"
        if node.type in TOUCH_NO_FILES and not is_shared:
            return self.line.progress.tree
        return await self.line.workspace.snapshot(f"{node.id} {visit}")
