"""Walks a graph from wherever its run stands: picks, executes, routes and records.

The same call starts a run and resumes one. Whatever ends the process, what is in the journal
stands, and the stage that was at work is the only one to be repeated.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from attractor.base.json import Json
from attractor.engine.branches import RunBranches
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets
from attractor.engine.child_runs import ALONE, NOBODY, ChildRuns, ParentRun
from attractor.engine.context import put_aside
from attractor.engine.errors import GraphChanged, RunOver
from attractor.engine.interfaces import Exhausted, Handler, Stopped, TreeId, Waiting, Workspace
from attractor.engine.interruptions import preflight
from attractor.engine.journal.events import OperatorAction, PipelineStarted, RunResumed
from attractor.engine.orders import Action
from attractor.engine.questions.ask import waits_for
from attractor.engine.questions.question import Interviewer
from attractor.engine.run_folder.open_run import OpenRun, end_run, let_go, stop
from attractor.engine.state.branch_state import LONG_AGO, MAIN, cut_off, last_tree
from attractor.engine.state.progress import begin
from attractor.engine.state.progress_records import progress_to_record
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    BOOTING,
    EVALUATING,
    EXECUTING,
    QUEUED,
    RunResult,
    result_of,
)
from attractor.engine.walk import Steer, Walk, Watch, steer_nobody
from attractor.engine.walk_context import KeptConversations, WalkContext, WalkHandle
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph


class Runner:
    """Walks one graph in one open run; `content_hash` is that of the pipeline as it is now.

    A walk begins with the tree that its workspace was made from, unless it is given another one.
    With `is_shared`, others work in that workspace at the same time.
    """

    def __init__(
        self,
        graph: Graph,
        run: OpenRun,
        *,
        handlers: Mapping[str, Handler],
        workspace: Workspace,
        content_hash: str = "",
        inputs: Mapping[str, Json] | None = None,
        tree: TreeId = "",
        steer: Steer = steer_nobody,
        children: ChildRuns | None = None,
        budgets: Budgets = NO_BUDGETS,
        interviewer: Interviewer = NOBODY,
        kept: KeptConversations | None = None,
        above: ParentRun = ALONE,
        is_shared: bool = False,
    ) -> None:
        self._graph = graph
        self._run = run
        self._workspace = workspace
        self._content_hash = content_hash
        self._inputs = inputs or {}
        self._tree = tree or workspace.base.candidate
        self._handlers = handlers
        journey = WalkContext(
            run,
            graph,
            handlers,
            Forks(graph),
            RunBranches,
            children,
            budgets.over(read_budgets(graph)),
            interviewer,
            kept,
            above,
        )
        self._line = WalkHandle(journey, workspace, is_shared=is_shared)
        self._watch = Watch(run, steer, journey.budgets)

    async def run(self) -> RunResult:
        """Walk to the end, or until the run rests; return where it stands.

        A walk that ended well leaves the run `evaluating`: judging it is somebody else's work. So
        is making the run that goes on in place of this one: until then it stands where it was.
        """
        if self._run.state.standing in (EVALUATING, AWAITING_DECISION):
            return self._result()
        self._refuse()
        try:
            await self._begin()
            await self._walk()
        except Exhausted as exhausted:
            return stop(self._run, str(exhausted))
        except Waiting:
            return self._rest()
        except Stopped as stopped:
            if stopped.__cause__ is not None:
                raise stopped.__cause__ from stopped
        except asyncio.CancelledError:
            let_go(self._run)
            raise
        if self._run.state.is_restarting:
            return replace(self._result(), is_restarting=True)
        return end_run(self._run)

    async def _walk(self) -> None:
        """Walk on, also when what was asked is answered while other branches are at work."""
        run = self._run
        while not run.state.canceled:
            order = run.state.last_order
            try:
                await self._watch.over(Walk(self._line).go())
                return
            except Exhausted:
                raise
            except Waiting:
                run.take_orders()
                if run.state.last_order == order:
                    raise

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
        elif not run.state.progress.is_over:
            await self._resume()

    def _start(self) -> None:
        manifest = self._run.manifest
        progress = begin(self._graph, self._tree, self._inputs)
        # The graph's own attributes are mirrored there: a goal may be as large as a book.
        context = self._run.redactor.members(progress.context)
        progress = replace(progress, context=put_aside(context, self._run.blobs))
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
        run, progress, strands = self._run, self._run.progress, self._run.state.strands
        heard = run.heard.isoformat() if run.heard != LONG_AGO else ""
        if run.state.is_paused:
            taken_over = OperatorAction(Action.RESUME.value, "", "another process goes on")
            run.record(taken_over, sync=True)
        is_interrupted = bool(cut_off(strands))
        aside = run.directory.incidents / f"resumed-at-{run.events.head.seq}"
        tree = last_tree(strands, MAIN)
        if not (self._line.is_shared or self._line.journey.has_child_in(MAIN)):
            await self._workspace.restore(tree, set_aside=aside)
        run.record(RunResumed(progress.next_node, tree, is_interrupted, heard))

    def _rest(self) -> RunResult:
        """Leave what people are asked in the journal, and hold no process."""
        run = self._run
        run.save()
        run.change_status(AWAITING_ANSWER, waits_for(run.state.questions))
        return self._result()

    def _result(self) -> RunResult:
        return result_of(self._run.manifest, self._run.directory.root, self._run.state)
