"""One child of a run while it is at work: what is seen of it, and what can be said to it."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.engine.child_runs import ChildEnd, Telemetry
from attractor.engine.context import WholeValues
from attractor.engine.interfaces import Exhausted, Parked, Stopped, stage_id
from attractor.engine.journal.events import OperatorAction
from attractor.engine.orders import Action
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.answer_options import of_child
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage.execution import history_folder
from attractor.engine.stage.stage_files import FolderFiles
from attractor.engine.state.progress import InFlight, Progress
from attractor.engine.state.run_state import AWAITING_ANSWER, EXECUTING, RunResult, RunState
from attractor.language.graph.graph import Graph
from attractor.pipeline.child_rounds import ChildRounds

STEERING = "steering.md"
"""What a supervisor said to a stage, in the folder of the stage."""


@dataclass(frozen=True)
class RunningChild:
    """A child whose walk is a task."""

    name: str
    rounds: ChildRounds
    walking: "asyncio.Task[RunResult]"

    @property
    def run(self) -> OpenRun:
        """The run at work: the last one of those that go on in place of each other."""
        return self.rounds.run

    @property
    def graph(self) -> Graph:
        """What it walks."""
        return self.rounds.pipeline.graph

    @property
    def run_id(self) -> str:
        """What it goes by."""
        return self.run.manifest.run_id

    @property
    def directory(self) -> Path:
        """Where its run directory is."""
        return self.run.directory.root

    def telemetry(self) -> Telemetry:
        """Return how far it has come."""
        state = self.run.state
        if state.progress is None:
            return Telemetry(self._status)
        return _seen(self._status, state, state.progress)

    async def steer(self, text: str) -> bool:
        """Hand words to the stages that are at work, and write them into their folders."""
        strands = self.run.state.strands.values()
        flights = [one.in_flight for one in strands if one.in_flight]
        return any([await self._hand(one, text) for one in flights])

    async def wait(self) -> ChildEnd:
        """Wait until it ends; where it halts before, say why."""
        await asyncio.wait([self.walking])
        with stopping():
            result = self.walking.result()
        if result.standing == AWAITING_ANSWER and result.question:
            raise Parked(of_child(self.name, result.question))
        if result.standing == EXECUTING:
            raise Exhausted(f"{self.name}: {result.reason}")
        progress = self.run.state.progress
        return ChildEnd(
            status=result.outcome or StageStatus.FAIL,
            reason=result.reason,
            context=WholeValues(progress.context, self.run.blobs) if progress else {},
            usage=self.run.state.used,
        )

    async def stop(self, why: str) -> ChildEnd:
        """End it for good, unless it has ended."""
        if not self.walking.done():
            order = OperatorAction(Action.CANCEL.value, self.name, why)
            with stopping():
                self.rounds.cancel(order)
        return await self.wait()

    async def _hand(self, flight: InFlight, text: str) -> bool:
        folder = self.run.directory.stage(flight.node)
        if flight.is_aside:
            folder = history_folder(folder, flight.visit, flight.attempt)
        with stopping():
            FolderFiles(folder, self.run.redactor).append(STEERING, text)
        took = await self.rounds.steer(stage_id(flight.node, flight.visit, flight.attempt), text)
        why = "" if took else f"nobody at work takes words: they are in {STEERING}"
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
        return "waiting" if state.questions else "running"


@contextmanager
def stopping() -> Generator[None]:
    """Stop the run when the machinery of a child has trouble: no stage is to blame for that."""
    try:
        yield
    except UsageError:
        raise
    except AttractorError as trouble:
        raise Stopped(str(trouble)) from trouble


def _seen(status: str, state: RunState, progress: Progress) -> Telemetry:
    strands = state.strands.values()
    flights = [one.in_flight for one in strands if one.in_flight]
    said = progress.context.get("last_response")
    return Telemetry(
        status=status,
        outcome=progress.end.status.value if progress.end else "",
        reason=progress.end.reason if progress.end else state.canceled,
        node=flights[-1].node if flights else progress.next_node,
        completed=sum(len(one.progress.completed) for one in strands),
        retries=sum(one.retries for one in progress.stages.values()),
        last_outcome=progress.last_status.value if progress.completed else "",
        last_response=said if isinstance(said, str) else "",
        cost_usd=state.used.cost_usd,
    )
