"""Makes one attempt at a node: its folder, its environment, its handler, its status.json."""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import field
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import changed, dataclass
from attractor.engine.context import Context, deep_copy, put_aside, reader
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import (
    OUTCOME_ASSUMED,
    EngineEvent,
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
from attractor.engine.routing.retry import (
    may_retry,
    retry_policy,
    same_failure_limit,
    settle,
)
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
from attractor.engine.walk.inheritance import Inheritance, inherit_context
from attractor.engine.walk.walk import Walk
from attractor.language.graph.branches import FAN_IN, FORKS
from attractor.language.graph.graph import Node

TOUCH_NO_FILES = FORKS | {"start", "exit", "conditional", "wait.human", "wait", "prompt"}
"""The node types that do not change the tree."""

NEED_NO_ENVIRONMENT = TOUCH_NO_FILES | {FAN_IN, "pipeline", "stack.manager_loop"}
"""The node types that run no command: a child pipeline opens the environment itself."""


@dataclass(frozen=True)
class AttemptResult:
    """The outcome of one attempt, and whether another attempt follows."""

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
    """One attempt to make at a node, in one walk."""

    walk: Walk
    node: Node
    visit: int
    number: int

    async def make(self, handler: Handler) -> AttemptResult:
        """Execute the handler, and record the result."""
        walk, run = self.walk, self.walk.run
        folder = await self._prepare_folder()
        starts_over = self.number > 1 and self._starts_over
        inheritance = inherit_context(walk, self.node, self.visit, starts_over=starts_over)
        self._record_start(inheritance)
        stall = Stall(stall_limit(self.node, walk.graph))
        files = FolderFiles(folder, run.redactor, on_activity=stall.sign)
        emitter = Emitter(
            run, self._place, budgets=walk.budgets, parent=walk.parent, on_activity=stall.sign
        )
        stage = self._stage(files, emitter, inheritance)
        started, began = run.clock.now(), run.clock.monotonic()
        try:
            async with self._environment():
                outcome = await execute(handler, stage, stall=stall)
        finally:
            emitter.close()
            files.close()
        # Work that could not be recorded counts as not done: the run stops, and a resume repeats
        # the stage. An outcome made of this error would end the run for good.
        if trouble := emitter.trouble or files.trouble or run.blobs.trouble:
            raise trouble
        await self.branches.give_up_rest()
        seconds = round(run.clock.monotonic() - began, 6)
        if (reported := self.flight.reported) is not NOTHING_USED:
            outcome = changed(outcome, usage=outcome.usage.at_least(reported))
        result = changed(
            self._judge(outcome, stage.context, seconds, OUTCOME_ASSUMED in emitter.kinds),
            fidelity=inheritance.fidelity,
            thread=inheritance.thread,
            tools=dict(Counter(emitter.tools).most_common(MOST_TOOLS)) if emitter.tools else {},
        )
        times = AttemptTimes(self.visit, self.number, started, run.clock.now())
        files.finish(status_record(result.outcome, times))
        run.record(self._end_event(result), place=self._place)
        return result

    @cached_property
    def branches(self) -> Branches:
        """The branches that begin at this attempt."""
        return self.walk.start_branches(self.walk, self._place)

    @property
    def flight(self) -> InFlight:
        """The attempt in the journal."""
        flight = self.walk.state.in_flight
        if flight is None:
            raise RecordBroken(f"the attempt at {self.node.id} is missing in the journal")
        return flight

    @cached_property
    def _place(self) -> StageReference:
        return self.walk.reference(self.node.id, self.visit, self.number)

    @property
    def _index(self) -> int:
        return len(self.walk.progress.completed) + 1

    @property
    def _label(self) -> str:
        return shorten(self.node.label, LONGEST_RESPONSE)

    @property
    def _starts_over(self) -> bool:
        """Whether a new attempt begins with the tree of the visit's start (ruling R3).

        In a shared workspace that would undo the work of others; a child pipeline restores its
        workspace itself.
        """
        is_left = self.node.attributes.text("retry_from") == "left"
        return not (is_left or self.walk.is_shared or self.walk.has_child)

    async def _prepare_folder(self) -> Path:
        """Move the files of the last attempt to the history, restore the tree, return the folder.

        Nothing is awaited before a visit has its number.
        """
        folder = self.walk.run.directory.stage(self.node.id)
        is_aside = self.walk.run.state.is_aside(self.walk.key, self.node.id, self.visit)
        own = begin_attempt(folder, self.visit, self.number, is_aside=is_aside)
        if self.number > 1 and self._starts_over:
            past = history_folder(folder, self.visit, self.number - 1)
            await self.walk.workspace.restore(self.walk.progress.tree, set_aside=past)
        return own

    def _record_start(self, inheritance: Inheritance) -> None:
        started = StageStarted(self._label, self._index, inheritance.fidelity, inheritance.thread)
        # The start of a stage that must not be repeated survives a power failure.
        is_once = self.node.attributes.text("if_interrupted") not in ("", "repeat")
        self.walk.run.record(started, place=self._place, sync=is_once)
        if inheritance.degraded:
            self.walk.run.record(inheritance.degraded, place=self._place)

    def _stage(self, files: FolderFiles, emitter: Emitter, inheritance: Inheritance) -> Stage:
        walk, run = self.walk, self.walk.run
        values = {**walk.progress.context, "current_node": self.node.id}
        if self.number > 1:
            values[retry_key(self.node.id)] = self.number - 1
        return Stage(
            node=self.node,
            graph=walk.graph,
            context=Context(values, read=reader(run.blobs)),
            logs_root=run.directory.root,
            visit=self.visit,
            attempt=self.number,
            labels=tuple(edge.label for edge in walk.graph.outgoing(self.node.id) if edge.label),
            files=files,
            emit=emitter,
            spending=emitter,
            workspace=walk.workspace,
            branches=self.branches,
            children=walk.children,
            clock=run.clock,
            since=self.flight.since,
            is_shared=walk.is_shared,
            inherited=inheritance.context,
            artifacts=run.artifacts,
        )

    @asynccontextmanager
    async def _environment(self) -> AsyncGenerator[None]:
        """Open the environment of the attempt; closing it ends every process left in it."""
        if self.node.type in NEED_NO_ENVIRONMENT:
            yield
            return
        environment = self.walk.workspace.environment
        try:
            await environment.initialize()
            yield
        finally:
            await environment.cleanup()

    def _judge(
        self, outcome: Outcome, context: Context, seconds: float, is_assumed: bool
    ) -> AttemptResult:
        """Return the outcome as the journal has it, and whether another attempt follows."""
        updates = {**context.written(), **deep_copy(outcome.context_updates)}
        outcome = self._redacted(changed(outcome, context_updates=updates))
        updates = put_aside(outcome.context_updates, self.walk.run.blobs, but=(LEFT_OUT,))
        outcome = changed(outcome, context_updates=updates)
        is_success = outcome.status.is_success
        if not is_success and self._is_stuck(outcome):
            failed = changed(outcome, status=StageStatus.FAIL)
            return AttemptResult(failed, context.logs(), seconds, is_assumed, will_retry=False)
        policy = retry_policy(self.node, self.walk.graph)
        will_retry = not is_success and may_retry(policy, outcome, self.number)
        final = outcome if will_retry else settle(self.node, outcome)
        return AttemptResult(final, context.logs(), seconds, is_assumed, will_retry)

    def _is_stuck(self, outcome: Outcome) -> bool:
        """Return whether the stage failed in the same way `max_same_failures` times in a row."""
        limit = same_failure_limit(self.walk.graph, self.node)
        if limit is None or outcome.status is StageStatus.SKIPPED:
            return False
        return self.flight.streak.and_then(signature(outcome.failure_reason)).count >= limit

    def _redacted(self, outcome: Outcome) -> Outcome:
        record = outcome_to_record(outcome)
        clean = self.walk.run.redactor.clean(record)
        if clean is record:
            return outcome
        return outcome_from_record(Fields(clean, f"outcome of {self.node.id}"))

    def _end_event(self, result: AttemptResult) -> EngineEvent:
        outcome = result.outcome
        usage = usage_to_record(outcome.usage) if outcome.usage != NOTHING_USED else None
        if outcome.status in (StageStatus.FAIL, StageStatus.RETRY):
            return StageFailed(
                self._label,
                self._index,
                error=outcome.failure_reason,
                failure_class=outcome.failure_class.value if outcome.failure_class else "",
                duration=result.seconds,
                will_retry=result.will_retry,
                usage=usage,
            )
        return StageCompleted(
            self._label, self._index, outcome.status.value, result.seconds, outcome.notes, usage
        )
