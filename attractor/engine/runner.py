"""Runs a graph: starts or resumes its walk, takes orders meanwhile, and records the end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.budgets import NO_BUDGETS, Budgets, read_budgets
from attractor.engine.context import put_aside
from attractor.engine.errors import GraphChanged, RunOver
from attractor.engine.journal.events import (
    Action,
    OperatorAction,
    PipelineStarted,
    RunResumed,
)
from attractor.engine.preflight import preflight
from attractor.engine.questions.description import waits_for
from attractor.engine.questions.question import Interviewer
from attractor.engine.run_folder.inbox import POLL, Received
from attractor.engine.run_folder.open_run import OpenRun, end_run, let_go, stop
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.seams import (
    ALONE,
    NOBODY,
    ChildRuns,
    Exhausted,
    Handler,
    ParentRun,
    Stopped,
    Waiting,
    Workspace,
)
from attractor.engine.state.identifiers import MAIN, TreeId
from attractor.engine.state.in_flight import InFlight
from attractor.engine.state.progress import begin, progress_to_record
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    BOOTING,
    EVALUATING,
    EXECUTING,
    QUEUED,
)
from attractor.engine.state.walks import LONG_AGO, cut_off, last_tree
from attractor.engine.walk.branches import RunBranches
from attractor.engine.walk.saved_conversations import KeptConversations
from attractor.engine.walk.steps import Walk
from attractor.engine.walk.walk import WalkContext, WalkHandle
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph

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
        took = [one for one in flights if await self.steer(one.id, order.value)]
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
