"""Walks a graph from wherever its run stands: picks, executes, routes and records.

The same call starts a run and resumes one. Whatever ends the process, what is in the journal
stands, and the stage that was at work is the only one to be repeated.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from attractor.base.canonical import Json
from attractor.base.errors import AttractorError
from attractor.engine.attempts import Attempts
from attractor.engine.documents import write_document
from attractor.engine.errors import GraphChanged, RunOver
from attractor.engine.events import (
    EdgeSelected,
    OperatorAction,
    PipelineCompleted,
    PipelineFailed,
    PipelineStarted,
    Place,
    RunInterrupted,
    RunResumed,
    StageParked,
)
from attractor.engine.inbox import Action
from attractor.engine.moves import choose_move
from attractor.engine.open_run import OpenRun
from attractor.engine.preflight import preflight
from attractor.engine.progress import Step, begin
from attractor.engine.progress_records import progress_to_record
from attractor.engine.question_records import question_to_record
from attractor.engine.results import RunResult, final_record, result_of
from attractor.engine.routing import Route
from attractor.engine.run_state import outcome_of
from attractor.engine.seams import Handler, Parked, Question, Workspace
from attractor.engine.status import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    BOOTING,
    CANCELED,
    EVALUATING,
    EXECUTING,
    FAILED,
    QUEUED,
)
from attractor.language.graph import Graph, Node

POLL = timedelta(milliseconds=200)
"""How often a paused runner looks whether it may go on."""


class Runner:
    """Walks one graph in one open run; `content_hash` is that of the pipeline as it is now."""

    def __init__(
        self,
        graph: Graph,
        run: OpenRun,
        *,
        handlers: Mapping[str, Handler],
        workspace: Workspace,
        content_hash: str = "",
        inputs: Mapping[str, Json] | None = None,
    ) -> None:
        self._graph = graph
        self._run = run
        self._workspace = workspace
        self._content_hash = content_hash
        self._inputs = inputs or {}
        self._handlers = handlers
        self._attempts = Attempts(run, graph, handlers, workspace)

    async def run(self) -> RunResult:
        """Walk to the end, or until the run rests; return where it stands.

        A walk that ended well leaves the run `evaluating`: judging it is somebody else's work.
        """
        if self._run.state.standing in (EVALUATING, AWAITING_DECISION):
            return self._result()
        self._refuse()
        try:
            await self._begin()
            await self._walk()
        except Parked as parked:
            return self._park(parked.question)
        except asyncio.CancelledError:
            self._let_go()
            raise
        return self._end()

    def _refuse(self) -> None:
        run = self._run
        if run.state.standing.is_final:
            raise RunOver(f"{run.manifest.run_id} is {run.state.standing} for good")
        if self._content_hash and self._content_hash != run.manifest.content_hash:
            raise GraphChanged(f"the pipeline of {run.manifest.run_id} was changed since it began")
        preflight(self._graph, self._handlers, run.redactor)

    async def _begin(self) -> None:
        """Start the walk, or take it up from the tree and the stage that the journal has."""
        run = self._run
        run.take_orders()
        if run.state.canceled:
            return
        if run.state.standing == QUEUED:
            run.change_status(BOOTING)
        if run.state.standing in (BOOTING, AWAITING_ANSWER):
            run.change_status(EXECUTING)
        if run.state.progress is None:
            self._start()
        elif run.state.progress.end is None:
            await self._resume()

    def _start(self) -> None:
        manifest = self._run.manifest
        progress = begin(self._graph, self._workspace.base.candidate, self._inputs)
        self._run.record(
            PipelineStarted(
                self._graph.name,
                manifest.run_id,
                manifest.content_hash,
                progress_to_record(progress),
            )
        )
        self._run.save()

    async def _resume(self) -> None:
        run, progress = self._run, self._run.progress
        if run.state.is_paused:
            taken_over = OperatorAction(Action.RESUME.value, "", "another process goes on")
            run.record(taken_over, sync=True)
        is_interrupted = run.state.in_flight is not None and run.state.question is None
        aside = run.directory.incidents / f"resumed-at-{run.events.head.seq}"
        await self._workspace.restore(progress.tree, set_aside=aside)
        run.record(RunResumed(progress.next_node, progress.tree, is_interrupted))

    async def _walk(self) -> None:
        while await self._may_go_on():
            await self._step(self._graph.nodes[self._run.progress.next_node])

    async def _may_go_on(self) -> bool:
        """Heed what people ordered; wait while the run is paused."""
        run = self._run
        if run.state.progress and run.state.progress.end:
            return False
        run.take_orders()
        if run.state.is_paused and not run.state.canceled:
            run.save()
            run.write_run()
            while run.state.is_paused and not run.state.canceled:
                await run.clock.sleep(POLL)
                run.take_orders()
            run.write_run()
        return not run.state.canceled

    async def _step(self, node: Node) -> None:
        visit = await self._attempts.visit(node)
        decision = choose_move(self._graph, self._run.progress, visit)
        place = Place(node.id, visit.number, visit.attempts)
        for route in decision.routes:
            self._run.record(edge_selected(route), place=place)
        self._run.save(Step(visit, decision.move), place=place)

    def _park(self, question: Question) -> RunResult:
        """Leave the question in the checkpoint, and hold no process."""
        run, flight = self._run, self._run.state.in_flight
        place = Place(flight.node, flight.visit, flight.attempt) if flight else Place()
        asked = replace(question, deadline=question.deadline or self._deadline(place.node or ""))
        run.record(StageParked(question_to_record(asked)), place=place)
        run.save()
        run.change_status(AWAITING_ANSWER, f"waits for an answer: {question.text}")
        return self._result()

    def _deadline(self, node: str) -> str:
        limit = self._graph.nodes[node].attributes.duration("timeout") if node else None
        return (self._run.clock.now() + limit).isoformat() if limit else ""

    def _let_go(self) -> None:
        """Note that the process was told to stop; the run stays where it is, to be resumed."""
        # Whatever fails here must not hide that we were told to stop.
        with suppress(AttractorError):
            self._run.record(RunInterrupted("the process was told to stop"), sync=True)
            if self._run.state.progress:
                self._run.save()

    def _end(self) -> RunResult:
        """Write how it ended: final.json, the terminal event, the status, in this order."""
        run = self._run
        outcome = outcome_of(run.state)
        is_good = outcome is not None and outcome.is_success and not run.state.canceled
        if not run.state.is_ended:
            run.save()
            now = run.clock.now()
            final = final_record(run.manifest, run.state, now)
            write_document(run.directory.final, run.redactor.members(final))
            run.record(self._terminal_event(is_good), sync=True)
        result = self._result()
        if run.state.canceled:
            run.change_status(CANCELED, result.reason)
        else:
            run.change_status(EVALUATING if is_good else FAILED, result.reason)
        return self._result()

    def _terminal_event(self, is_good: bool) -> PipelineCompleted | PipelineFailed:
        result, progress = self._result(), self._run.state.progress
        seconds = progress.seconds if progress else 0.0
        if is_good and result.outcome:
            return PipelineCompleted(result.outcome.value, result.reason, seconds)
        return PipelineFailed(result.reason, seconds)

    def _result(self) -> RunResult:
        return result_of(self._run.manifest, self._run.directory.root, self._run.state)


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
