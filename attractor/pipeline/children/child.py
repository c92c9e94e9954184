"""A running child run: its state, its questions, and messages to the child.

A child has rounds: after `loop_restart`, a new run continues it (ruling R7). Messages to the child
reach its current round.

A question of a child is in the journal of the child and, with the name of the child, in the journal
of its parent. If the child no longer asks the question, because a branch was canceled or repeated,
the question is withdrawn from the parent.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.engine.context import ResolvedValues
from attractor.engine.interviews import Questions
from attractor.engine.journal.events import Action, OperatorAction
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.question import OF_CHILD, Answer, AnswerKind, of_child
from attractor.engine.run_folder.inbox import POLL
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.open_run import OpenRun, end_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import ChildEnd, Parked, Steer, Stopped, Suspended, Telemetry
from attractor.engine.stage.folder import FolderFiles, history_folder
from attractor.engine.state.attempts import InFlight
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import AWAITING_ANSWER, EXECUTING, QUEUED, WAITING, RunState
from attractor.language.graph.graph import Graph
from attractor.pipeline.source.read import PipelineSource
from attractor.records.lookup import newest_round, next_round, round_before


@dataclass(frozen=True)
class Equipment:
    """The functions that walk one round of a child, and steer the stages of this round."""

    walk: Callable[[], Awaitable[RunResult]]
    steer: Steer


@dataclass(frozen=True)
class Provision:
    """The functions that open, read, equip and restart rounds of a child.

    An exit stack closes the equipment of each round.
    """

    open: Callable[[RunDirectory], OpenRun]
    read: Callable[[OpenRun], PipelineSource]
    equip: Callable[[OpenRun, PipelineSource, AsyncExitStack], Awaitable[Equipment]]
    restart: Callable[[OpenRun, PipelineSource, RunDirectory], None]


class ChildRounds:
    """A running child with all its rounds; `first` is the directory of the first round."""

    run: OpenRun
    pipeline: PipelineSource

    def __init__(self, first: RunDirectory, provision: Provision) -> None:
        self._first = first
        self._provision = provision
        self._stack = AsyncExitStack()
        self._equipment: Equipment | None = None

    async def begin(self) -> None:
        """Open the newest round, ready to be walked."""
        self._take(newest_round(self._first))
        await self._equip()

    @property
    def steer(self) -> Steer | None:
        """The function that steers stages of the current round."""
        return self._equipment.steer if self._equipment else None

    async def walk(self) -> RunResult:
        """Walk one round after the other, until a round waits, stops or ends."""
        while True:
            equipment = await self._equip()
            result = await equipment.walk()
            if not result.is_restarting:
                return result
            await self._start_next()

    def cancel(self, order: OperatorAction) -> None:
        """Cancel the current round."""
        self.run.record(order, sync=True)

    async def close(self) -> None:
        """Close the current round."""
        await self._stack.aclose()

    async def _equip(self) -> Equipment:
        """Equip the current round; end the previous round if a killed process left it open."""
        if self._equipment is None:
            run = self.run
            if run.manifest.restart and run.state.status == QUEUED:
                self._end_previous()
            self._equipment = await self._provision.equip(run, self.pipeline, self._stack)
        return self._equipment

    async def _start_next(self) -> None:
        """Start the next round. There is no `await` before this round becomes the current round."""
        old = self._stack
        directory = next_round(self._first, self.run.progress)
        self._provision.restart(self.run, self.pipeline, directory)
        self._stack, self._equipment = AsyncExitStack(), None
        try:
            self._take(directory)
        finally:
            await old.aclose()

    def _take(self, directory: RunDirectory) -> None:
        self.run = self._stack.enter_context(self._provision.open(directory))
        self.pipeline = self._provision.read(self.run)

    def _end_previous(self) -> None:
        with self._provision.open(round_before(self._first, self.run.manifest)) as last:
            state = last.state
            if state.restarted_as == self.run.manifest.run_id and not state.status.is_final:
                end_run(last)


STEERING = "steering.md"
"""The file in a stage folder with the messages of a supervisor."""


@dataclass(frozen=True)
class RunningChild:
    """A child whose walk is an asyncio task."""

    name: str
    rounds: ChildRounds
    walking: "asyncio.Task[RunResult]"

    @property
    def run(self) -> OpenRun:
        """The current run: the newest restart of the child."""
        return self.rounds.run

    @property
    def graph(self) -> Graph:
        """The graph of the current run."""
        return self.rounds.pipeline.graph

    @property
    def run_id(self) -> str:
        """The id of the current run."""
        return self.run.manifest.run_id

    @property
    def directory(self) -> Path:
        """The directory of the current run."""
        return self.run.directory.root

    def telemetry(self) -> Telemetry:
        """Return the progress of the child."""
        state = self.run.state
        if state.progress is None:
            return Telemetry(self._status)
        return _telemetry(self._status, state, state.progress)

    async def steer(self, text: str) -> bool:
        """Send a message to the stages in flight, and write the message into the folders of the
        stages.
        """
        walks = self.run.state.walks.values()
        flights = [one.in_flight for one in walks if one.in_flight]
        return any([await self._deliver(one, text) for one in flights])

    async def wait(self) -> ChildEnd:
        """Wait until the child ends; if the child halts before its end, raise the reason."""
        await asyncio.wait([self.walking])
        with stopping():
            result = self.walking.result()
        if result.status == AWAITING_ANSWER and result.question:
            raise Parked(of_child(self.name, result.question))
        if result.status in (EXECUTING, WAITING):
            raise Suspended(f"{self.name}: {result.reason}")
        progress = self.run.state.progress
        return ChildEnd(
            status=result.outcome or StageStatus.FAIL,
            reason=result.reason,
            context=ResolvedValues(progress.context, self.run.blobs) if progress else {},
            usage=self.run.state.used,
        )

    async def stop(self, why: str) -> ChildEnd:
        """Cancel the child, unless it has ended."""
        if not self.walking.done():
            order = OperatorAction(Action.CANCEL.value, self.name, why)
            with stopping():
                self.rounds.cancel(order)
        return await self.wait()

    async def _deliver(self, flight: InFlight, text: str) -> bool:
        folder = self.run.directory.stage(flight.node)
        if flight.is_aside:
            folder = history_folder(folder, flight.visit, flight.attempt)
        with stopping():
            FolderFiles(folder, self.run.redactor).append(STEERING, text)
        steer = self.rounds.steer
        took = steer is not None and await steer(flight.id, text)
        why = (
            ""
            if took
            else f"no running stage accepts messages; the messages are written to {STEERING}"
        )
        with stopping():
            self.run.record(
                OperatorAction(
                    Action.STEER.value,
                    self.name,
                    why,
                    question=flight.node,
                    value=text,
                    is_accepted=took,
                ),
                sync=True,
            )
        return took

    @property
    def _status(self) -> str:
        state = self.run.state
        end = state.progress.end if state.progress else None
        if end is not None:
            return "completed" if end.status.is_success else "failed"
        if state.canceled:
            return "stopped"
        return "waiting" if state.questions or state.status == WAITING else "running"


@contextmanager
def stopping() -> Generator[None]:
    """Stop the run on an internal error of a child, because such an error is not a failure of a
    stage.
    """
    try:
        yield
    except UsageError:
        raise
    except AttractorError as trouble:
        raise Stopped(str(trouble)) from trouble


def _telemetry(status: str, state: RunState, progress: Progress) -> Telemetry:
    walks = state.walks.values()
    flights = [one.in_flight for one in walks if one.in_flight]
    response = progress.context.get("last_response")
    return Telemetry(
        status=status,
        outcome=progress.end.status.value if progress.end else "",
        reason=progress.end.reason if progress.end else state.canceled,
        node=flights[-1].node if flights else progress.next_node,
        completed=sum(len(one.progress.completed) for one in walks),
        retries=sum(one.retries for one in progress.stages.values()),
        last_outcome=progress.last_status.value if progress.completed else "",
        last_response=response if isinstance(response, str) else "",
        cost_usd=state.used.cost_usd,
    )


@asynccontextmanager
async def withdrawing(
    questions: Questions, parent: OpenRun, name: str, child: Callable[[], OpenRun]
) -> AsyncGenerator[None]:
    """Withdraw questions from the parent if the child no longer asks them."""

    def withdraw() -> None:
        # The run stops without this code if its journal cannot be written.
        with suppress(AttractorError):
            _withdraw(questions, parent, name, child())

    looking = asyncio.create_task(_repeat(withdraw))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        withdraw()


async def _repeat(work: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(POLL.total_seconds())
        work()


def _withdraw(questions: Questions, parent: OpenRun, name: str, child: OpenRun) -> None:
    prefix = f"{name}{OF_CHILD}"
    asked = [one for one in parent.state.asked if one.id.startswith(prefix)]
    if not asked:
        return
    still_asked = {prefix + one.id for one in child.state.asked}
    for one in asked:
        if one.id not in still_asked:
            questions.settle(one, Answer(AnswerKind.SKIPPED))
