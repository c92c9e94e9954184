"""Walks a graph step by step: visits a node, chooses the next edge, records both."""

from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.engine.context import reader
from attractor.engine.interviews import RunQuestions
from attractor.engine.journal.events import EdgeSelected, StageParked
from attractor.engine.questions.question import Question, question_to_record
from attractor.engine.routing.branch_bounds import NO_BOUNDS, Bounds
from attractor.engine.routing.edge_selection import Route
from attractor.engine.routing.next_move import Decision, choose_move
from attractor.engine.run_folder.inbox import POLL
from attractor.engine.seams import Parked, Stopped, Waiting
from attractor.engine.state.identifiers import StageReference, stage_id
from attractor.engine.state.progress import Step, Visit
from attractor.engine.state.walks import gather
from attractor.engine.walk.visit import Attempts
from attractor.engine.walk.walk import WalkHandle
from attractor.language.graph.graph import Node


@dataclass(frozen=True)
class Walk:
    """Picks, executes, routes and records; the walk of a branch has its bounds."""

    line: WalkHandle
    bounds: Bounds = NO_BOUNDS

    async def go(self) -> None:
        """Walk to the end; when the run is canceled, or a question is not answered, halt.

        A walk that ends, or goes on as another run (ruling R7), does not while the run is paused.
        """
        while self.line.progress.end is None:
            await self._wait_for_leave()
            if self.line.progress.is_restarting:
                return
            await self._step(self.line.graph.nodes[self.line.progress.next_node])
        await self._wait_while_paused()

    async def _wait_for_leave(self) -> None:
        """Heed what people ordered, and halt where nothing is left to use."""
        await self._wait_while_paused()
        run = self.line.run
        if run.state.canceled:
            raise Stopped(run.state.canceled)
        self.line.journey.require_left()

    async def _wait_while_paused(self) -> None:
        """Take orders; wait while the run is paused, or one that it is part of."""
        run, journey = self.line.run, self.line.journey
        run.take_orders()
        if not journey.is_paused or run.state.canceled:
            return
        run.save()
        run.write_run()
        while journey.is_paused and not run.state.canceled:
            await run.clock.sleep(POLL)
            run.take_orders()
        run.write_run()
        if run.state.canceled:
            raise Stopped(run.state.canceled)

    async def _step(self, node: Node) -> None:
        try:
            visit = await Attempts(self.line).visit(node)
        except Parked as parked:
            self._park(parked.question)
            raise Waiting(parked.question.id) from parked
        place = self.line.place(StageReference(node.id, visit.number, visit.attempts))
        decision = self._decide(visit)
        for route in decision.routes:
            self.line.run.record(edge_selected(route), place=place)
        await self.line.run.commit(Step(visit, decision.move), place=place)

    def _decide(self, visit: Visit) -> Decision:
        """Decide where to go, with what the branches of the visit brought."""
        progress, _ = gather(self.line.run.state.strands, self.line.key, visit)
        read = reader(self.line.run.blobs)
        return choose_move(self.line.graph, progress, visit, self.bounds, read=read)

    def _park(self, question: Question) -> None:
        """Leave the question in the journal."""
        flight = self.line.strand.in_flight
        place = (
            StageReference(flight.node, flight.visit, flight.attempt)
            if flight
            else StageReference()
        )
        # What a child asks has the time that the child gives it.
        is_own = flight and question.id == stage_id(flight.node, flight.visit, flight.attempt)
        deadline = question.deadline or (self._deadline(place.node) if is_own else "")
        # Whoever parks for a child does not know in which branch of ours that is.
        asked = RunQuestions(self.line.run).named(replace(question, deadline=deadline))
        parked = StageParked(question_to_record(asked))
        self.line.run.record(parked, place=self.line.place(place))

    def _deadline(self, node: str | None) -> str:
        limit = self.line.graph.nodes[node].attributes.duration("timeout") if node else None
        return (self.line.run.clock.now() + limit).isoformat() if limit else ""


def edge_selected(route: Route) -> EdgeSelected:
    """Return the event of a route, with every candidate and what became of it."""
    edge = route.edge
    return EdgeSelected(
        target=route.target,
        reason=route.reason.value,
        label=edge.label if edge else "",
        condition=edge.attributes.text("condition") if edge else "",
        candidates=[
            {
                "target": one.edge.target,
                "label": one.edge.label,
                "condition": one.edge.attributes.text("condition"),
                "fate": one.fate.value,
            }
            for one in route.candidates
        ],
    )
