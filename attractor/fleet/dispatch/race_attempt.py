"""The process of an attempt of a race whose run a worker of a pool executes: `RACE RUN`.

It submits the run, waits until the run stops, then delivers and evaluates it on this machine. The
process of the race cancels runs in the fleet.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import LockHeld, Refused
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.race import find_attempt, orders_to
from attractor.factory.operations.race_process import open_attempt, walk_attempt
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.settle import settle_ended
from attractor.factory.operations.start import plan_start
from attractor.fleet.dispatch.dispatch import Dispatch, Where, first_of
from attractor.fleet.dispatch.evaluations import TrialsInPool
from attractor.fleet.dispatch.orders import FleetOrders
from attractor.fleet.fleet import Addresses, open_fleet
from attractor.fleet.records import STOPPED, RunState
from attractor.records.lookup import run_root
from attractor.records.request import RunRequest

MODULE = "attractor.fleet.dispatch.race_attempt"

_LOOK_S = 0.5
_CANCEL_PAUSES_S = (0.0, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class InPool:
    """Executes attempts in a pool of the fleet with these addresses."""

    pool: str
    addresses: Addresses

    async def begin(
        self, request: RunRequest, opened: OpenProject, *, run_id: str, commit: str
    ) -> RunResult | None:
        """Submit the run of an attempt, and follow it."""
        async with self._dispatch(opened) as dispatch:
            plan = await plan_start(request, opened, run_id=run_id, commit=commit)
            await dispatch.submit(plan, Where(self.pool))
        return await self.go_on(run_root(run_id, opened.project.runs_dir), opened)

    async def go_on(self, root: Path, opened: OpenProject) -> RunResult | None:
        """Wait until a run stops; deliver and evaluate it if it has ended, else return None."""
        first = first_of(root)
        async with self._dispatch(opened) as dispatch:
            if await dispatch.table.run(first.name) is None:
                # A killed process has begun it, and did not submit it.
                await dispatch.submit_begun(first, Where(self.pool))
            while (run := await dispatch.sync(first.name)).state not in STOPPED:
                await asyncio.sleep(_LOOK_S)
        if run.state is RunState.PARKED:
            return None
        while True:
            try:
                ended = await settle_ended(first, opened, is_canceled=run.cancel)
                return await resume_run(ended.root, opened) if ended.needs_resume else None
            except LockHeld:
                # A server of the project does the same at this moment.
                await asyncio.sleep(_LOOK_S)

    def cancel(self, root: Path, opened: OpenProject, by: str, why: str) -> None:
        """Cancel the run of an attempt, as `attractor cancel` does, unless it ended meanwhile."""
        for pause_s in _CANCEL_PAUSES_S:
            # A server may settle it at this moment, and a worker that another canceled run left may
            # have taken it.
            with suppress(Refused):
                return self._cancel(first_of(root), opened, by, why)
            time.sleep(pause_s)
        return self._cancel(first_of(root), opened, by, why)

    def _cancel(self, first: Path, opened: OpenProject, by: str, why: str) -> None:
        asyncio.run(self._bring(first, opened))
        newest = find_attempt(first.name, opened)[0]
        if read_candidate_run(newest).state.status.is_final:
            return
        orders = orders_to(newest, opened, by)
        if RunDirectory(newest).elsewhere.exists():
            orders = FleetOrders.of(orders, opened, self._dispatch)
        orders.cancel(why)

    async def _bring(self, first: Path, opened: OpenProject) -> None:
        """Bring the last head of a run; settle it if it has ended in the fleet."""
        async with self._dispatch(opened) as dispatch:
            if await dispatch.table.run(first.name) is None:
                # A killed process has begun it, and did not submit it.
                RunDirectory(first).elsewhere.unlink(missing_ok=True)
                return
            run = await dispatch.sync(first.name)
        if run.state is RunState.ENDED:
            await settle_ended(first, opened, is_canceled=run.cancel)

    @asynccontextmanager
    async def _dispatch(self, opened: OpenProject) -> AsyncGenerator[Dispatch]:
        async with open_fleet(self.addresses, os.environ) as fleet:
            yield Dispatch.of(opened, fleet)


def main(arguments: list[str]) -> None:
    """Execute an attempt in the pool of its race, or here: `RACE RUN`.

    Its trials are played by the pool of evaluations, if the settings name a store for that.
    """
    attempt, race, opened = open_attempt(arguments)
    folder = opened.project.root
    settings = load_configuration(
        start=folder, cwd=folder, environ=os.environ, user_file=user_config_file()
    ).settings
    addresses = Addresses.of_settings(settings)
    if addresses.sealed:
        opened = replace(opened, elsewhere=partial(TrialsInPool, addresses, os.environ))
    if not race.pool:
        walk_attempt(attempt, race, opened)
        return
    in_pool = InPool(race.pool, addresses)
    walk_attempt(attempt, race, opened, begin=in_pool.begin, go_on=in_pool.go_on)


if __name__ == "__main__":
    main(sys.argv[1:])
