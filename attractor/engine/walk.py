"""One walk of a run: stage after stage from wherever it stands, until it ends or has to stop.

The walk from the start is one, and each branch is one (ruling R6).

Heeds what people order while stages are at work: a run that is canceled ends at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.context import reader
from attractor.engine.interfaces import Parked, Stopped, Waiting, stage_id
from attractor.engine.journal.events import EdgeSelected, StageParked, StageReference
from attractor.engine.orders import Action, Received
from attractor.engine.questions.ask import RunQuestions
from attractor.engine.questions.question import Question, question_to_record
from attractor.engine.routing.edge_selection import Route
from attractor.engine.routing.next_move import NO_BOUNDS, Bounds, Decision, choose_move
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage.visit import Attempts
from attractor.engine.state.branch_state import gather
from attractor.engine.state.progress import InFlight, Step, Visit
from attractor.engine.walk_context import WalkHandle
from attractor.language.graph.graph import Node

POLL = timedelta(milliseconds=200)
"""How often the inbox is looked into."""

Steer = Callable[[str, str], Awaitable[bool]]
"""Hands words to the stage in flight, by its id; tells whether it took them."""


async def steer_nobody(stage_id: str, text: str) -> bool:
    """Take no words: nobody is at work who could."""
    return False


@dataclass(frozen=True)
class Watch:
    """Looks after one run while its walk goes on."""

    run: OpenRun
    steer: Steer = steer_nobody
    budgets: Budgets = NO_BUDGETS

    async def over(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; end it when the run is canceled, or when its orders cannot be taken.

        It ends too when the time of the run is up: what is at work then is made again.
        """
        walking = asyncio.create_task(work)
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([walking, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Whoever is canceled ends what it began before it is done.
            for task in (walking, watching):
                task.cancel()
            await asyncio.wait([walking, watching])
        if walking.cancelled() and not watching.cancelled():
            watching.result()
        if not (walking.cancelled() and self.run.state.canceled):
            walking.result()

    async def _watch(self) -> None:
        """Take orders until the run is canceled, or its time is up."""
        time = Budgets(duration=self.budgets.duration)
        while not self.run.state.canceled:
            await asyncio.sleep(POLL.total_seconds())
            time.require_left(self.run)
            self.run.take_orders()
            for received in self.run.steering():
                await self._pass_on(received)

    async def _pass_on(self, received: Received) -> None:
        """Hand words to the stages that are at work, or to the one that is named."""
        order = received.order
        if order is None or order.action is not Action.STEER:
            return
        flights = [one for one in self._flights() if order.question in ("", one.node)]
        took = [one for one in flights if await self.steer(_id_of(one), order.value)]
        self.run.settle(received, "" if took else self._refusal(order.question, flights))

    def _refusal(self, node: str, asked: Sequence[InFlight]) -> str:
        """Say why nobody took the words: those who were asked cannot, or there were none."""
        if asked:
            return "refused: nobody at work takes words"
        others = ", ".join(dict.fromkeys(one.node for one in self._flights()))
        return f"refused: {node or 'no stage'} is not at work" + (others and f"; at work: {others}")

    def _flights(self) -> list[InFlight]:
        strands = self.run.state.strands.values()
        return [one.in_flight for one in strands if one.in_flight is not None]


def _id_of(flight: InFlight) -> str:
    return stage_id(flight.node, flight.visit, flight.attempt)


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
