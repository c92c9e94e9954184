"""Lets workers of the pool `evaluate` play the trials of evaluations.

Trials that are sent get a row of their own. Its head is in the store of sealed suites, and has the
run, its suite, and the lines about the trials.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, VerificationError
from attractor.factory.open_project import OpenProject
from attractor.fleet.dispatch.dispatch import Dispatch, first_of, put_folder, universe_of
from attractor.fleet.errors import DatabaseAway, StoreAway, UnknownRun
from attractor.fleet.fleet import Addresses, Fleet, open_fleet
from attractor.fleet.records import EVALUATE, STOPPED, FleetRun, NewRun, RowState, area_of
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.store.places import EVALUATION, SENT, SUITES, TRIALS, WHY_STOPPED
from attractor.fleet.views.reasons import in_words
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.scenarios.sealed_suite import SealedSuite

_LOOK_S = 0.5
_END_S = 15.0
"""A worker ends its trials in that time; a dead one commits nothing more."""


@dataclass(frozen=True)
class TrialsInPool:
    """The workers of the pool `evaluate` of a fleet."""

    addresses: Addresses
    environ: Mapping[str, str]

    async def fleet_id(self) -> str:
        """Return the id of the fleet, which its database has."""
        async with self._fleet() as fleet:
            return fleet.database.fleet

    async def send(
        self, opened: OpenProject, begun: BegunRun, sealed: SealedSuite, name: str, sent: bytes
    ) -> None:
        """Let a worker play trials of a run, under a name."""
        async with self._fleet() as fleet:
            project = opened.identity.create_id()
            universe = universe_of(project, await fleet.table.tenants())
            tree = await HeadTree.load(await fleet.blobs_of(area_of(universe, EVALUATE)), "")
            dispatch = Dispatch.of(opened, fleet)
            await dispatch.put_run(tree, begun, first_of(begun.run.directory.root).name)
            await tree.put(f"{EVALUATION}/{SENT}", sent)
            await put_folder(tree, f"{EVALUATION}/{SUITES}/{sealed.seal}", sealed.folder)
            new = NewRun(
                run_id=name,
                head=await tree.save(),
                pool=EVALUATE,
                engine=opened.project.machine.version,
                universe=universe,
                project=project,
                max_cost_usd=0.0,
                max_tokens=0,
            )
            await fleet.table.add(new)

    async def follow(self, name: str) -> AsyncIterator[bytes]:
        """Yield the lines of workers about trials, each time that there are more."""
        async with self._fleet() as fleet:
            if await fleet.table.run(name) is None:
                return
            head = ""
            while True:
                run, content = await self._look(fleet, name, head)
                if content:
                    yield content
                if run.state in STOPPED:
                    break
                head = run.head
                await asyncio.sleep(_LOOK_S)
            why = in_words(run.reason) if run.reason else "no reason is known"
            if run.state is RowState.PARKED:
                with suppress(VerificationError):
                    why = (await _read_file(fleet, run, WHY_STOPPED)).decode() or why
                await fleet.table.cancel(name)
            # Its suite is not needed there any more.
            await fleet.table.forget(name)
        if run.state is RowState.PARKED:
            raise Refused(
                f"the pool {EVALUATE} stopped with the trials of {run.directory}: {why}",
                hint=f"change that, and play those that are left: attractor resume {run.directory}",
            )

    async def stop(self, name: str) -> bytes:
        """End the trials with a name, and return the lines about them."""
        async with self._fleet() as fleet:
            if await fleet.table.run(name) is None:
                return b""
            run, until = await fleet.table.cancel(name), time.monotonic() + _END_S
            while run.owner and time.monotonic() < until:
                await asyncio.sleep(_LOOK_S)
                run = await fleet.table.run(name) or run
            content = await _read_file(fleet, run, TRIALS)
            await fleet.table.forget(name)
            return content

    async def _look(self, fleet: Fleet, name: str, known: str) -> tuple[FleetRun, bytes]:
        """Return the row of trials, and the lines in its head, unless that is known."""
        while True:
            # Also for hours: the workers go on without this machine.
            with suppress(DatabaseAway, StoreAway):
                run = await fleet.table.run(name)
                if run is None:
                    raise UnknownRun(f"{name} is not in the fleet any more")
                return run, b"" if run.head == known else await _read_file(fleet, run, TRIALS)
            await asyncio.sleep(_LOOK_S)

    def _fleet(self) -> AbstractAsyncContextManager[Fleet]:
        return open_fleet(self.addresses, self.environ)


async def _read_file(fleet: Fleet, run: FleetRun, name: str) -> bytes:
    """Return a file of an evaluation in its head, or nothing."""
    tree = await HeadTree.load(await fleet.blobs_of(run.area), run.head)
    entry = await tree.find(f"{EVALUATION}/{name}")
    return b"".join([piece async for piece in tree.content(entry)]) if entry else b""
