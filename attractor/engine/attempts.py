"""One visit of a node: it is tried until an attempt is the last one (attractor-spec 3.5, R3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from attractor.engine.attempt import TOUCH_NO_FILES, Attempt
from attractor.engine.events import Place, StageRetrying
from attractor.engine.open_run import OpenRun
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.engine.preflight import resolve_handler
from attractor.engine.progress import Visit
from attractor.engine.retry import retry_policy
from attractor.engine.seams import Handler, Stage, TreeId, Workspace
from attractor.language.graph import Graph, Node


@dataclass(frozen=True)
class Interrupted:
    """Stands in for a handler whose work was cut off and that must not do it twice."""

    async def execute(self, stage: Stage) -> Outcome:
        """Fail, as the node's `if_interrupted` says."""
        return failure("interrupted, and if_interrupted=fail", FailureClass.TERMINAL)


@dataclass(frozen=True)
class Attempts:
    """Makes all the attempts of a visit."""

    run: OpenRun
    graph: Graph
    handlers: Mapping[str, Handler]
    workspace: Workspace

    async def visit(self, node: Node) -> Visit:
        """Try a node until an attempt is the last one, and return what the visit came to."""
        visit = self.run.progress.visits(node.id) + 1
        number, handler = self._first(node, visit)
        seconds = 0.0
        while True:
            attempt = Attempt(self.run, self.graph, self.workspace, node, visit, number)
            tried = await attempt.make(handler)
            seconds += tried.seconds
            if not tried.will_retry:
                break
            number, handler = number + 1, resolve_handler(node, self.handlers)
            await self._wait(node, visit, number)
        return Visit(
            node=node.id,
            number=visit,
            attempts=number,
            outcome=tried.outcome,
            tree=await self._snapshot(node, visit),
            logs=tried.logs,
            seconds=round(seconds, 6),
            is_transparent=node.type == "conditional" and tried.outcome.status.is_success,
            is_assumed=tried.is_assumed,
        )

    def _first(self, node: Node, visit: int) -> tuple[int, Handler]:
        """Return the attempt to begin with: an interrupted one is made again, if it may be."""
        handler = resolve_handler(node, self.handlers)
        state = self.run.state
        flight = state.in_flight
        if flight is None or (flight.node, flight.visit) != (node.id, visit):
            return 1, handler
        is_cut_off = state.question is None
        if is_cut_off and node.attributes.text("if_interrupted") == "fail":
            return flight.attempt, Interrupted()
        return flight.attempt, handler

    async def _wait(self, node: Node, visit: int, number: int) -> None:
        """Wait before an attempt, the same time at every replay."""
        seed = f"{self.run.manifest.run_id}/{node.id}"
        delay = retry_policy(node, self.graph).backoff.delay(number - 1, seed=seed)
        index = len(self.run.progress.completed) + 1
        retrying = StageRetrying(node.label, index, number, delay.total_seconds())
        self.run.record(retrying, place=Place(node.id, visit, number - 1))
        await self.run.clock.sleep(delay)

    async def _snapshot(self, node: Node, visit: int) -> TreeId:
        if node.type in TOUCH_NO_FILES:
            return self.run.progress.tree
        return await self.workspace.snapshot(f"{node.id} {visit}")
