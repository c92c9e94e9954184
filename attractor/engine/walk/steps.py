"""Walks a graph step by step: visits a node, chooses the next edge, records both."""

from dataclasses import replace

from attractor.engine.context import reader
from attractor.engine.interviews import RunQuestions
from attractor.engine.journal.events import EdgeSelected, StageParked
from attractor.engine.questions.question import Question, question_to_record
from attractor.engine.routing.edge_selection import Route
from attractor.engine.routing.next_move import MoveDecision, choose_move
from attractor.engine.run_folder.inbox import POLL
from attractor.engine.seams import Parked, Stopped, Waiting
from attractor.engine.state.identifiers import StageReference
from attractor.engine.state.progress import Step, Visit
from attractor.engine.state.walks import join_visit
from attractor.engine.walk.visit import visit_node
from attractor.engine.walk.walk import Walk
from attractor.language.graph.graph import Node


async def walk_to_end(walk: Walk) -> None:
    """Walk to the end; halt if the run is canceled, or a question or a budget is open.

    A walk that ends, or restarts as another run (ruling R7), first waits until the run is resumed.
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
    """Take orders, and wait while the run, or a run that it is part of, is paused."""
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
        _park(walk, parked.question)
        raise Waiting(parked.question.id) from parked
    place = walk.reference(node.id, visit.number, visit.attempts)
    decision = _decide(walk, visit)
    for route in decision.routes:
        walk.run.record(_edge_selected(route), place=place)
    await walk.run.commit(Step(visit, decision.move), place=place)


def _decide(walk: Walk, visit: Visit) -> MoveDecision:
    """Choose the next move, from the progress with the branches of the visit joined."""
    progress, _ = join_visit(walk.run.state.walks, walk.key, visit)
    return choose_move(walk.graph, progress, visit, walk.bounds, read=reader(walk.run.blobs))


def _park(walk: Walk, question: Question) -> None:
    """Leave a question in the journal, with the branches that it is asked in."""
    flight = walk.state.in_flight
    place = StageReference(branch=walk.key or None)
    deadline = question.deadline
    if flight:
        place = walk.reference(flight.node, flight.visit, flight.attempt)
        # The question of a child has the deadline that the child set.
        if not deadline and question.id == flight.id:
            deadline = _deadline(walk, flight.node)
    named = RunQuestions(walk.run).named(replace(question, deadline=deadline))
    walk.run.record(StageParked(question_to_record(named)), place=place)


def _deadline(walk: Walk, node: str) -> str:
    limit = walk.graph.nodes[node].attributes.duration("timeout")
    return (walk.run.clock.now() + limit).isoformat() if limit else ""


def _edge_selected(route: Route) -> EdgeSelected:
    """Return the event of a route, with the fate of every candidate."""
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
