"""Begins due runs in a pool of the fleet, follows them, and cancels them."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import DueRun
from attractor.factory.operations.race import orders_to
from attractor.factory.operations.resume import conclude
from attractor.factory.operations.settle import settle_ended
from attractor.factory.register import find_restarts
from attractor.fleet.dispatch.dispatch import Dispatch, Where, first_of
from attractor.fleet.dispatch.orders import FleetOrders
from attractor.fleet.records import STOPPED, RowState
from attractor.records.lookup import is_run

_LOOK_S = 0.5
_CANCEL_PAUSES_S = (0.0, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class InPool:
    """Begins due runs of a project in a pool; `follows`: wait until they stop, and judge them."""

    where: Where
    dispatch: Callable[[OpenProject], AbstractAsyncContextManager[Dispatch]]
    opened: OpenProject
    follows: bool = False

    async def find(self, run_id: str) -> Path | None:
        """Return the directory of a run that began here or has a row, as its restarts have."""
        root = self.opened.project.runs_dir / run_id
        async with self.dispatch(self.opened) as dispatch:
            is_there = is_run(RunDirectory(root)) or await dispatch.table.run(run_id) is not None
        return root if is_there else None

    async def begin(self, due: DueRun) -> RunResult | None:
        """Submit a run."""
        async with self.dispatch(self.opened) as dispatch:
            plan = await due.plan()
            try:
                await dispatch.submit(plan, self.where)
            except AttractorError:
                # Perhaps only the reply was lost.
                if await dispatch.table.run(due.run_id) is None:
                    raise
        return await self.go_on(self.opened.project.runs_dir / due.run_id, due)

    async def go_on(self, root: Path, due: DueRun) -> RunResult | None:
        """Submit a run that a killed process began; if it is followed, wait until it stops."""
        async with self.dispatch(self.opened) as dispatch:
            if await dispatch.table.run(due.run_id) is None:
                await dispatch.submit_begun(root, self.where)
            due.begun()
            if due.withdrawn():
                # It was withdrawn while it began.
                await dispatch.table.cancel(due.run_id)
            if not self.follows:
                return None
            while (run := await dispatch.sync(due.run_id)).state not in STOPPED:
                await asyncio.sleep(_LOOK_S)
        if run.state is RowState.PARKED:
            return None
        return await conclude(root, self.opened, is_canceled=run.cancel)

    def cancel(self, root: Path, opened: OpenProject, by: str, why: str) -> None:
        """Cancel a run, as `attractor cancel` does, unless it ended meanwhile."""
        for pause_s in _CANCEL_PAUSES_S:
            # A server may settle it at this moment, and a worker that another canceled run left may
            # have taken it.
            with suppress(Refused):
                return self._cancel(first_of(root), opened, by, why)
            time.sleep(pause_s)
        return self._cancel(first_of(root), opened, by, why)

    def _cancel(self, first: Path, opened: OpenProject, by: str, why: str) -> None:
        asyncio.run(self._bring(first, opened))
        newest = find_restarts(first.name, opened)[0]
        if read_candidate_run(newest).state.status.is_final:
            return
        orders = orders_to(newest, opened, by)
        if RunDirectory(newest).elsewhere.exists():
            orders = FleetOrders.of(orders, opened, self.dispatch)
        orders.cancel(why)

    async def _bring(self, first: Path, opened: OpenProject) -> None:
        """Bring the last head of a run; settle it if it has ended in the fleet."""
        async with self.dispatch(opened) as dispatch:
            if await dispatch.table.run(first.name) is None:
                # A killed process has begun it, and did not submit it.
                RunDirectory(first).elsewhere.unlink(missing_ok=True)
                return
            run = await dispatch.sync(first.name)
        if run.state is RowState.ENDED:
            await settle_ended(first, opened, is_canceled=run.cancel)
