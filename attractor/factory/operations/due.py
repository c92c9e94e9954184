"""Due runs: their ids are written down before anything of them begins.

An automation, an actor and a race record the id of a run first, and hold a lock. Whatever a killed
process left, `carry_out` lets the run begin once, on this machine or in a pool of the fleet.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.state.run_state import AWAITING_ANSWER, AWAITING_DECISION, RunState
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.resume import resume_run
from attractor.factory.register import find_restarts, forget
from attractor.pipeline.execute import execute
from attractor.pipeline.plan.run_plan import AwaitTurn, BegunRun, RunPlan


@dataclass(frozen=True)
class DueRun:
    """A run that is to begin once; its maker holds a lock, so that no other process begins it.

    `plan` is called only if nothing of the run exists. `withdrawn` returns why it must not begin
    any more: it is asked before the beginning, and in a pool after it. `begun` is called when the
    run is in journal and ledger, or in the table of the fleet.
    """

    run_id: str
    plan: Callable[[], Awaitable[RunPlan]]
    withdrawn: Callable[[], str] = lambda: ""
    begun: Callable[[], None] = do_nothing


@dataclass(frozen=True)
class CarriedOut:
    """The result of a due run, or why it was withdrawn; neither, if it goes on elsewhere."""

    result: RunResult | None = None
    withdrawn: str = ""


class DuePlace(Protocol):
    """Where due runs of a project begin: this machine, or a pool."""

    @property
    def opened(self) -> OpenProject:
        """The project."""
        ...

    async def find(self, run_id: str) -> Path | None:
        """Return the directory of a run that began, to go on there; None before it began."""
        ...

    async def begin(self, due: DueRun) -> RunResult | None:
        """Begin a run; return None if it goes on elsewhere."""
        ...

    async def go_on(self, root: Path, due: DueRun) -> RunResult | None:
        """Continue a run that began, or return the result of one that ended or waits."""
        ...


async def carry_out(due: DueRun, place: DuePlace) -> CarriedOut:
    """Begin or continue a due run; an error for which `is_not_now` holds leaves it due."""
    if root := await place.find(due.run_id):
        return CarriedOut(await place.go_on(root, due))
    if reason := due.withdrawn():
        return CarriedOut(withdrawn=reason)
    if not await forget(due.run_id, place.opened):
        folder = place.opened.project.runs_dir / due.run_id
        hint = "restore the folder of the run"
        raise FileError(f"the run {due.run_id} began, and {folder} is missing", hint=hint)
    return CarriedOut(await place.begin(due))


@dataclass(frozen=True)
class Here:
    """Begins due runs in this process; `await_turn` returns when a first stage may begin."""

    opened: OpenProject
    await_turn: AwaitTurn | None = None

    async def find(self, run_id: str) -> Path | None:
        """Return the directory of the newest restart of a run that began."""
        return next(iter(find_restarts(run_id, self.opened)), None)

    async def begin(self, due: DueRun) -> RunResult:
        """Execute a run."""
        plan = await due.plan()
        return await execute(replace(plan, rules=replace(plan.rules, await_turn=self._turn(due))))

    async def go_on(self, root: Path, due: DueRun) -> RunResult:
        """Resume a run, unless it ended or waits for a person."""
        directory = RunDirectory(root)
        state = open_journal(directory.events, directory.checkpoint).state
        if is_over(state):
            due.begun()
            return result_of(read_manifest(directory), root, state)
        return await resume_run(root, self.opened, await_turn=self._turn(due))

    def _turn(self, due: DueRun) -> AwaitTurn:
        async def begun(run: BegunRun) -> None:
            due.begun()
            if self.await_turn:
                await self.await_turn(run)

        return begun


def is_over(state: RunState) -> bool:
    """Return whether a run needs no process: it ended, or waits for a person."""
    if state.status == AWAITING_ANSWER:
        return bool(state.questions)
    return state.status == AWAITING_DECISION or (state.status.is_final and not state.is_restarting)
