"""One attempt at a node: its folder, its environment, its handler's work, its status.json."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from attractor.engine.context import Context
from attractor.engine.emitter import Emitter
from attractor.engine.events import (
    OUTCOME_ASSUMED,
    Happening,
    Place,
    StageCompleted,
    StageFailed,
    StageStarted,
)
from attractor.engine.execution import execute
from attractor.engine.fields import Fields
from attractor.engine.open_run import OpenRun
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.outcome_records import outcome_from_record, outcome_to_record
from attractor.engine.progress import retry_key
from attractor.engine.reports import AttemptTimes, status_record
from attractor.engine.retry import may_retry, retry_policy, settle
from attractor.engine.seams import Handler, Stage, Workspace
from attractor.engine.stage_files import FolderFiles, begin_attempt, history_folder
from attractor.language.graph import Graph, Node

TOUCH_NO_FILES = frozenset({"start", "exit", "conditional", "wait.human"})
"""Types that need no environment, and after which the tree is what it was."""


@dataclass(frozen=True)
class Tried:
    """What one attempt came to."""

    outcome: Outcome
    logs: tuple[str, ...]
    seconds: float
    is_assumed: bool
    will_retry: bool


@dataclass(frozen=True)
class Attempt:
    """One attempt that is to be made."""

    run: OpenRun
    graph: Graph
    workspace: Workspace
    node: Node
    visit: int
    number: int

    async def make(self, handler: Handler) -> Tried:
        """Let the handler work, and record what came of it."""
        await self._make_room()
        # A stage that must not be done twice is known to have begun even after a power failure.
        once = self.node.attributes.text("if_interrupted") not in ("", "repeat")
        self.run.record(StageStarted(self.node.label, self._index), place=self._place, sync=once)
        files = FolderFiles(self._folder, self.run.redactor)
        emitter = Emitter(self.run, self._place)
        stage = self._stage(files, emitter)
        started, began = self.run.clock.now(), self.run.clock.monotonic()
        try:
            async with self._environment():
                outcome = await execute(handler, stage)
        finally:
            emitter.close()
            files.close()
        # What the stage did was not kept, so it counts as not done: the run stops, and a resume
        # does it again. An outcome made of this trouble would end the run for good.
        if trouble := emitter.trouble or files.trouble:
            raise trouble
        seconds = round(self.run.clock.monotonic() - began, 6)
        tried = self._judge(outcome, stage.context, seconds, OUTCOME_ASSUMED in emitter.kinds)
        times = AttemptTimes(self.visit, self.number, started, self.run.clock.now())
        files.finish(status_record(tried.outcome, times))
        self.run.record(self._ended(tried), place=self._place)
        return tried

    @cached_property
    def _folder(self) -> Path:
        return self.run.directory.stage(self.node.id)

    @property
    def _place(self) -> Place:
        return Place(self.node.id, self.visit, self.number)

    @property
    def _index(self) -> int:
        return len(self.run.progress.completed) + 1

    async def _make_room(self) -> None:
        """Put away what the last attempt left, in its folder and, unless told so, in the tree."""
        begin_attempt(self._folder, self.visit, self.number)
        if self.number > 1 and self.node.attributes.text("retry_from") != "left":
            past = history_folder(self._folder, self.visit, self.number - 1)
            await self.workspace.restore(self.run.progress.tree, set_aside=past)

    def _stage(self, files: FolderFiles, emitter: Emitter) -> Stage:
        values = {**self.run.progress.context, "current_node": self.node.id}
        if self.number > 1:
            values[retry_key(self.node.id)] = self.number - 1
        return Stage(
            node=self.node,
            graph=self.graph,
            context=Context(values),
            logs_root=self.run.directory.root,
            visit=self.visit,
            attempt=self.number,
            labels=tuple(one.label for one in self.graph.outgoing(self.node.id) if one.label),
            files=files,
            emit=emitter,
            workspace=self.workspace,
        )

    @asynccontextmanager
    async def _environment(self) -> AsyncGenerator[None]:
        """Open an environment for the attempt: whatever it left running ends with it."""
        if self.node.type in TOUCH_NO_FILES:
            yield
            return
        environment = self.workspace.environment
        try:
            await environment.initialize()
            yield
        finally:
            await environment.cleanup()

    def _judge(self, outcome: Outcome, context: Context, seconds: float, is_assumed: bool) -> Tried:
        """Return what an outcome comes to: as the journal will have it, and whether it is final."""
        whole = replace(outcome, context_updates={**context.written(), **outcome.context_updates})
        clean = self.run.redactor.members(outcome_to_record(whole))
        outcome = outcome_from_record(Fields(clean, f"outcome of {self.node.id}"))
        will_retry = may_retry(retry_policy(self.node, self.graph), outcome, self.number)
        final = outcome if will_retry else settle(self.node, outcome)
        return Tried(final, context.logs(), seconds, is_assumed, will_retry)

    def _ended(self, tried: Tried) -> Happening:
        outcome = tried.outcome
        if outcome.status in (StageStatus.FAIL, StageStatus.RETRY):
            return StageFailed(
                self.node.label,
                self._index,
                error=outcome.failure_reason,
                failure_class=outcome.failure_class.value if outcome.failure_class else "",
                duration=tried.seconds,
                will_retry=tried.will_retry,
            )
        return StageCompleted(
            self.node.label, self._index, outcome.status.value, tried.seconds, outcome.notes
        )
