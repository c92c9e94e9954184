"""Makes one attempt at a node: its folder, its environment, its handler, its status.json."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import changed, dataclass
from attractor.engine.context import Context, own_values, put_aside, reader
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import (
    OUTCOME_ASSUMED,
    Happening,
    StageCompleted,
    StageFailed,
    StageStarted,
)
from attractor.engine.outcome import (
    NOTHING_USED,
    Outcome,
    StageStatus,
    outcome_from_record,
    outcome_to_record,
    usage_to_record,
)
from attractor.engine.prompts.preamble import MOST_TOOLS
from attractor.engine.routing.retry import alike_limit, may_retry, retry_policy, settle
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import Branches, Handler, Stage
from attractor.engine.stage.execution import Stall, execute, stall_limit
from attractor.engine.stage.folder import FolderFiles, begin_attempt, history_folder
from attractor.engine.stage.report import AttemptTimes, status_record
from attractor.engine.state.identifiers import StageReference
from attractor.engine.state.in_flight import InFlight, signature
from attractor.engine.state.progress import LEFT_OUT, retry_key
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import LONGEST_RESPONSE, shorten
from attractor.engine.walk.emitter import Emitter
from attractor.engine.walk.inheritance import Carrying, carry
from attractor.engine.walk.walk import WalkHandle
from attractor.language.graph.branches import FAN_IN, FORKS
from attractor.language.graph.graph import Node

TOUCH_NO_FILES = FORKS | {"start", "exit", "conditional", "wait.human", "wait", "prompt"}
"""Types after which the tree is what it was."""


NEED_NO_ENVIRONMENT = TOUCH_NO_FILES | {FAN_IN, "pipeline", "stack.manager_loop"}
"""Types that run nothing themselves: a child opens the environment for its own stages."""


@dataclass(frozen=True)
class Tried:
    """What one attempt came to."""

    outcome: Outcome
    logs: tuple[str, ...]
    seconds: float
    is_assumed: bool
    will_retry: bool
    fidelity: str = ""
    thread: str = ""
    tools: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Attempt:
    """One attempt that is to be made, in one of the walks of a run."""

    line: WalkHandle
    node: Node
    visit: int
    number: int

    async def make(self, handler: Handler) -> Tried:
        """Let the handler work, and record what came of it."""
        folder = await self._make_room()
        # A stage that must not be done twice is known to have begun even after a power failure.
        once = self.node.attributes.text("if_interrupted") not in ("", "repeat")
        starts_over = self.number > 1 and self._starts_over
        carrying = carry(self.line, self.node, self.visit, starts_over=starts_over)
        self.run.record(self._started(carrying), place=self._place, sync=once)
        if carrying.degraded:
            self.run.record(carrying.degraded, place=self._place)
        stall = Stall(stall_limit(self.node, self.line.graph))
        files = FolderFiles(folder, self.run.redactor, heard=stall.sign)
        journey = self.line.journey
        emitter = Emitter(
            self.run,
            self._place,
            budgets=journey.budgets,
            above=journey.above,
            heard=stall.sign,
        )
        stage = self._stage(files, emitter, carrying)
        started, began = self.run.clock.now(), self.run.clock.monotonic()
        try:
            async with self._environment():
                outcome = await execute(handler, stage, stall=stall)
        finally:
            emitter.close()
            files.close()
        # What the stage did was not kept, so it counts as not done: the run stops, and a resume
        # does it again. An outcome made of this trouble would end the run for good.
        if trouble := emitter.trouble or files.trouble or self.run.blobs.trouble:
            raise trouble
        await self.branches.give_up_rest()
        seconds = round(self.run.clock.monotonic() - began, 6)
        if (told := self.flight.told) is not NOTHING_USED:
            outcome = changed(outcome, usage=outcome.usage.at_least(told))
        tried = changed(
            self._judge(outcome, stage.context, seconds, OUTCOME_ASSUMED in emitter.kinds),
            fidelity=carrying.fidelity,
            thread=carrying.thread,
            tools=_most(emitter.tools),
        )
        times = AttemptTimes(self.visit, self.number, started, self.run.clock.now())
        files.finish(status_record(tried.outcome, times))
        self.run.record(self._ended(tried), place=self._place)
        return tried

    @cached_property
    def branches(self) -> Branches:
        """What walks the branches that begin at this attempt."""
        return self.line.journey.branch_out(self.line, self._place)

    @property
    def run(self) -> OpenRun:
        """The run it is part of."""
        return self.line.run

    @cached_property
    def _place(self) -> StageReference:
        return self.line.place(StageReference(self.node.id, self.visit, self.number))

    @property
    def _index(self) -> int:
        return len(self.line.progress.completed) + 1

    async def _make_room(self) -> Path:
        """Put away what the last attempt left, in its folder and, unless told so, in the tree.

        Returns the folder of this one. Nothing is awaited before a visit has its number.
        """
        folder = self.run.directory.stage(self.node.id)
        is_aside = self.run.state.is_aside(self.line.key, self.node.id, self.visit)
        own = begin_attempt(folder, self.visit, self.number, is_aside=is_aside)
        if self.number > 1 and self._starts_over:
            past = history_folder(folder, self.visit, self.number - 1)
            await self.line.workspace.restore(self.line.progress.tree, set_aside=past)
        return own

    @property
    def _starts_over(self) -> bool:
        """Whether a new attempt begins with the tree that the visit began with (ruling R3).

        In a workspace that others work in at the same time, that would undo their work; a child
        that goes on knows best what it held.
        """
        is_left = self.node.attributes.text("retry_from") == "left"
        return not (is_left or self.line.is_shared or self.line.has_child)

    @property
    def _label(self) -> str:
        """What the node is called in the journal, at every attempt."""
        return shorten(self.node.label, LONGEST_RESPONSE)

    def _started(self, carrying: Carrying) -> StageStarted:
        index, fidelity = self._index, carrying.fidelity
        return StageStarted(self._label, index, fidelity, carrying.thread)

    def _stage(self, files: FolderFiles, emitter: Emitter, carrying: Carrying) -> Stage:
        values = {**self.line.progress.context, "current_node": self.node.id}
        if self.number > 1:
            values[retry_key(self.node.id)] = self.number - 1
        return Stage(
            node=self.node,
            graph=self.line.graph,
            context=Context(values, read=reader(self.run.blobs)),
            logs_root=self.run.directory.root,
            visit=self.visit,
            attempt=self.number,
            labels=tuple(one.label for one in self.line.graph.outgoing(self.node.id) if one.label),
            files=files,
            emit=emitter,
            spending=emitter,
            workspace=self.line.workspace,
            branches=self.branches,
            children=self.line.journey.children,
            clock=self.run.clock,
            since=self.flight.since,
            is_shared=self.line.is_shared,
            carried=carrying.carried,
            artifacts=self.run.artifacts,
        )

    @asynccontextmanager
    async def _environment(self) -> AsyncGenerator[None]:
        """Open an environment for the attempt: whatever it left running ends with it."""
        if self.node.type in NEED_NO_ENVIRONMENT:
            yield
            return
        environment = self.line.workspace.environment
        try:
            await environment.initialize()
            yield
        finally:
            await environment.cleanup()

    @property
    def flight(self) -> InFlight:
        """The attempt as the journal has it."""
        flight = self.line.strand.in_flight
        if flight is None:
            raise RecordBroken(f"{self.node.id} is at work, and the journal does not have it")
        return flight

    def _judge(self, outcome: Outcome, context: Context, seconds: float, is_assumed: bool) -> Tried:
        """Return what an outcome comes to: as the journal will have it, and whether it is final."""
        updates = {**context.written(), **own_values(outcome.context_updates)}
        outcome = self._clean(changed(outcome, context_updates=updates))
        updates = put_aside(outcome.context_updates, self.run.blobs, but=(LEFT_OUT,))
        outcome = changed(outcome, context_updates=updates)
        if not outcome.status.is_success and self._is_stuck(outcome):
            failed = changed(outcome, status=StageStatus.FAIL)
            return Tried(failed, context.logs(), seconds, is_assumed, will_retry=False)
        will_retry = not outcome.status.is_success and self._may_retry(outcome)
        final = outcome if will_retry else settle(self.node, outcome)
        return Tried(final, context.logs(), seconds, is_assumed, will_retry)

    def _is_stuck(self, outcome: Outcome) -> bool:
        """Whether it failed in the same way as often in a row as it may: once more is no help."""
        limit = alike_limit(self.line.graph, self.node)
        if limit is None or outcome.status is StageStatus.SKIPPED:
            return False
        return self.flight.streak.and_then(signature(outcome.failure_reason)).alike >= limit

    def _may_retry(self, outcome: Outcome) -> bool:
        return may_retry(retry_policy(self.node, self.line.graph), outcome, self.number)

    def _clean(self, outcome: Outcome) -> Outcome:
        """Return an outcome without secrets."""
        record = outcome_to_record(outcome)
        clean = self.run.redactor.clean(record)
        if clean is record:
            return outcome
        return outcome_from_record(Fields(clean, f"outcome of {self.node.id}"))

    def _ended(self, tried: Tried) -> Happening:
        outcome = tried.outcome
        usage = usage_to_record(outcome.usage) if outcome.usage != NOTHING_USED else None
        if outcome.status in (StageStatus.FAIL, StageStatus.RETRY):
            return StageFailed(
                self._label,
                self._index,
                error=outcome.failure_reason,
                failure_class=outcome.failure_class.value if outcome.failure_class else "",
                duration=tried.seconds,
                will_retry=tried.will_retry,
                usage=usage,
            )
        return StageCompleted(
            self._label, self._index, outcome.status.value, tried.seconds, outcome.notes, usage
        )


def _most(tools: Mapping[str, int]) -> dict[str, int]:
    """Return the tools that were called most often."""
    return dict(Counter(tools).most_common(MOST_TOOLS)) if tools else {}
