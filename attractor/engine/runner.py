"""Runs a graph: starts or resumes its walk, executes orders meanwhile, and records the end."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.budgets import Budgets, read_budgets
from attractor.engine.context import store_large_values
from attractor.engine.errors import GraphChanged, RunOver
from attractor.engine.journal.events import (
    Action,
    ModelUsed,
    OperatorAction,
    PipelineStarted,
    RunResumed,
)
from attractor.engine.outcome import NOTHING_USED, usage_to_record
from attractor.engine.preflight import require_executable
from attractor.engine.questions.call_rules import SANDBOX_LIMITS, CallPermissions
from attractor.engine.questions.question import Interviewer, describe_wait
from attractor.engine.routing.next_move import BranchBounds
from attractor.engine.run_folder.inbox import POLL, InboxEntry
from attractor.engine.run_folder.open_run import OpenRun, end_run, interrupt_run, stop_run
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.seams import (
    ChildRuns,
    Handler,
    ParentRun,
    Steer,
    Stopped,
    Suspended,
    Waiting,
    Workspace,
)
from attractor.engine.state.attempts import MAIN, InFlight, StageReference, TreeId
from attractor.engine.state.progress import begin, progress_to_record
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    BOOTING,
    EVALUATING,
    EXECUTING,
    QUEUED,
    WAITING,
)
from attractor.engine.state.walks import LONG_AGO, WalkState, interrupted_attempts, last_tree
from attractor.engine.walk.branches import RunBranches
from attractor.engine.walk.saved_conversations import Rebuild, SavedConversations
from attractor.engine.walk.steps import walk_to_end
from attractor.engine.walk.waits import RunWaits
from attractor.engine.walk.walk import Walk
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Graph


class Runner:
    """Runs one graph in one open run: starts a new run, or resumes an interrupted run.

    After a crash, everything in the journal counts, and only the stage in flight is repeated.
    `content_hash` is the current hash of the pipeline. The walk begins with `tree` (default: the
    tree from which the workspace was made). With `is_shared`, other runs use the same workspace.
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
        steer: Steer | None = None,
        children: ChildRuns | None = None,
        budgets: Budgets | None = None,
        interviewer: Interviewer | None = None,
        saved_conversations: SavedConversations | None = None,
        parent: ParentRun | None = None,
        waits: RunWaits | None = None,
        is_shared: bool = False,
        permissions: CallPermissions = SANDBOX_LIMITS,
        rebuild: Rebuild | None = None,
    ) -> None:
        self._run = run
        self._content_hash = content_hash
        self._inputs = inputs or {}
        self._tree = tree or workspace.base.candidate
        self._walk = Walk(
            run,
            graph,
            handlers,
            workspace,
            start_branches=partial(RunBranches, BranchBounds(graph, Forks(graph))),
            waits=waits or RunWaits(run),
            is_shared=is_shared,
            budgets=(budgets or Budgets()).over(read_budgets(graph)),
            children=children,
            parent=parent,
            interviewer=interviewer,
            saved_conversations=saved_conversations,
            permissions=permissions,
            rebuild=rebuild,
        )
        self._orders = OrderWatch(run, steer, self._walk.budgets)

    async def run(self) -> RunResult:
        """Walk to the end, or until the run waits or stops, and return the result so far.

        A walk that succeeds leaves the run in the status `evaluating`: the caller evaluates it. The
        caller also starts the run that continues a restarting run.
        """
        if self._run.state.status in (EVALUATING, AWAITING_DECISION):
            return self._result()
        self._require_runnable()
        try:
            await self._begin()
            await self._walk_until_answered()
        except Suspended as suspended:
            return stop_run(self._run, str(suspended))
        except Waiting:
            return self._rest()
        except Stopped as stopped:
            if stopped.__cause__ is not None:
                raise stopped.__cause__ from stopped
        except asyncio.CancelledError:
            interrupt_run(self._run)
            raise
        if self._run.state.is_restarting:
            return replace(self._result(), is_restarting=True)
        return end_run(self._run)

    async def _walk_until_answered(self) -> None:
        """Walk to the end.

        If a question is answered while other branches run, continue the walk that asked.
        """
        run = self._run
        while not run.state.canceled:
            order = run.state.last_order
            try:
                await self._orders.watch(walk_to_end(self._walk))
                return
            except Suspended:
                raise
            except Waiting:
                run.take_orders()
                if run.state.last_order == order:
                    raise

    def _require_runnable(self) -> None:
        run = self._run
        if run.state.status.is_final:
            raise RunOver(f"{run.manifest.run_id} is {run.state.status}, which is final")
        if self._content_hash and self._content_hash != run.manifest.content_hash:
            raise GraphChanged(f"the pipeline of {run.manifest.run_id} was changed since it began")
        require_executable(self._walk.graph, self._walk.handlers, run.redactor)

    async def _begin(self) -> None:
        """Start the walk, or resume it from the tree and the stage in the journal."""
        run = self._run
        run.take_orders()
        if run.state.canceled:
            return
        if run.state.status == QUEUED:
            run.change_status(BOOTING)
        if run.state.status in (BOOTING, AWAITING_ANSWER):
            run.change_status(EXECUTING)
        if run.state.progress is None:
            self._start()
        elif not run.state.progress.is_over:
            await self._resume()
        if run.state.status == WAITING:
            # After the event of the resume, so that the time before the wait counts.
            run.change_status(EXECUTING)

    def _start(self) -> None:
        manifest = self._run.manifest
        progress = begin(self._walk.graph, self._tree, self._inputs)
        # The attributes of the graph are in the context already, and a goal may be as large as a
        # book.
        context = self._run.redactor.members(progress.context)
        progress = replace(progress, context=store_large_values(context, self._run.blobs))
        self._run.record(
            PipelineStarted(
                self._walk.graph.name,
                manifest.run_id,
                manifest.content_hash,
                progress_to_record(progress),
            )
        )
        self._run.save()

    async def _resume(self) -> None:
        run, progress, walks = self._run, self._run.progress, self._run.state.walks
        heard = run.last_activity.isoformat() if run.last_activity != LONG_AGO else ""
        if run.state.is_paused:
            resume = OperatorAction(Action.RESUME.value, "", "another process resumed the run")
            run.record(resume, sync=True)
        is_interrupted = bool(interrupted_attempts(walks))
        aside = run.directory.incidents / f"resumed-at-{run.events.head.seq}"
        tree = last_tree(walks, MAIN)
        workspace = self._walk.workspace
        if workspace.sets_back and not (self._walk.is_shared or self._walk.has_child_in(MAIN)):
            await workspace.restore(tree, set_aside=aside)
        run.record(RunResumed(progress.next_node, tree, is_interrupted, heard))
        self._count_lost_calls(walks)

    def _count_lost_calls(self, walks: Mapping[str, WalkState]) -> None:
        """Count the model calls that were in flight when the last process was killed."""
        for key, walk in walks.items():
            flight = walk.in_flight
            if flight is None or flight.calling == NOTHING_USED:
                continue
            branch = None if key == MAIN else key
            place = StageReference(flight.node, flight.visit, flight.attempt, branch=branch)
            lost = flight.calling
            self._run.record(ModelUsed(usage_to_record(lost)), place=place)
            tokens = number_of(lost.tokens, "token")
            message = f"an answer was lost when the process was killed: estimated {tokens}"
            self._run.emit("WARNING", {"message": message}, place=place)

    def _rest(self) -> RunResult:
        """Leave the open questions in the journal, and let the process end."""
        run = self._run
        run.save()
        run.change_status(AWAITING_ANSWER, describe_wait(run.state.questions))
        return self._result()

    def _result(self) -> RunResult:
        return result_of(self._run.manifest, self._run.directory.root, self._run.state)


@dataclass(frozen=True)
class OrderWatch:
    """Executes the orders for one run while the stages of the run are executed."""

    run: OpenRun
    steer: Steer | None
    budgets: Budgets

    async def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work; stop the work if the run is canceled, if orders fail, or at `max_duration`.

        A stage that `max_duration` interrupts is repeated by a resume.
        """
        walking = asyncio.create_task(work)
        watching = asyncio.create_task(self._take_orders())
        try:
            await asyncio.wait([walking, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A canceled task first completes its clean-up.
            for task in (walking, watching):
                task.cancel()
            await asyncio.wait([walking, watching])
        if walking.cancelled() and not watching.cancelled():
            watching.result()
        if not (walking.cancelled() and self.run.state.canceled):
            walking.result()

    async def _take_orders(self) -> None:
        """Execute orders until the run is canceled, or the time of the run is exhausted."""
        time = Budgets(duration=self.budgets.duration)
        while not self.run.state.canceled:
            await asyncio.sleep(POLL.total_seconds())
            time.require_remaining(self.run)
            self.run.take_orders()
            for received in self.run.messages():
                await self._steer(received)

    async def _steer(self, received: InboxEntry) -> None:
        """Pass a message to all running stages, or to the stage that the order names."""
        order = received.order
        if order is None or order.action is not Action.STEER:
            return
        flights = [flight for flight in self._flights() if order.question in ("", flight.node)]
        steer = self.steer
        took = [flight for flight in flights if steer and await steer(flight.id, order.value)]
        self.run.settle(received, "" if took else self._refusal(order.question, flights))

    def _refusal(self, node: str, asked: Sequence[InFlight]) -> str:
        if asked:
            return "refused: no running stage accepts messages"
        running = ", ".join(dict.fromkeys(flight.node for flight in self._flights()))
        return f"refused: {node or 'no stage'} is not running" + (
            running and f"; running: {running}"
        )

    def _flights(self) -> list[InFlight]:
        walks = self.run.state.walks.values()
        return [walk.in_flight for walk in walks if walk.in_flight is not None]
