"""Begins runs in a fleet from this process, without the second that each command takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from attractor import __version__
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import plan_start
from attractor.fleet.decisions import HOLDER
from attractor.fleet.dispatch.dispatch import Dispatch, Where, copy_fence
from attractor.fleet.fleet import Fleet
from attractor.fleet.records import AttemptEnd, Claim, Reason, ReasonKind, RowState, Worker
from attractor.pipeline.execute import resume
from attractor.records.request import RunRequest
from tests.pipeline.projects import open_project

ASKS = """digraph asks {
  start [shape=Mdiamond]; done [shape=Msquare]
  ask [shape=hexagon, label="Good?"]
  start -> ask
  ask -> done [label="[Y] Yes"]
}
"""


def opened_project(folder: Path, version: str = __version__) -> OpenProject:
    """Open a project whose runs keep a version of the engine."""
    project = open_project(folder)
    return OpenProject(replace(project, machine=replace(project.machine, version=version)))


@dataclass(frozen=True)
class ProjectInFleet:
    """A project whose runs go to an open fleet, and keep a version of the engine."""

    fleet: Fleet
    folder: Path
    version: str = __version__

    @cached_property
    def opened(self) -> OpenProject:
        """The open project."""
        return opened_project(self.folder, self.version)

    @cached_property
    def dispatch(self) -> Dispatch:
        """The runs of the project in the fleet."""
        return Dispatch(self.opened, self.fleet.table, self.fleet.blobs_of, f"{HOLDER}test")

    async def submit(
        self, file: str = "pipeline.dot", *, pool: str = "agents", **where: Any
    ) -> str:
        """Begin a run in the pool `agents`, or in another one; return its id."""
        request = RunRequest(file=self.folder / file, backend="simulate", sandbox="none")
        plan = await plan_start(request, self.opened)
        return await self.dispatch.submit(plan, Where(pool=pool, **where))

    async def park(self, **where: Any) -> str:
        """Begin a run, and execute it here until it asks; leave it as a worker does."""
        run_id = await self.submit(**where)
        project = self.opened.project
        here = replace(project, machine=replace(project.machine, fences=copy_fence))
        async with self.dispatch.held(run_id) as root:
            await resume(root, here)
        run = await self.fleet.table.run(run_id)
        assert run
        # A sweep would take the run over from a worker that does not beat.
        now = await self.fleet.table.now()
        worker = Worker(
            id="parks", name="parks", pool="", engine="", slots=0, labels=(), began=now, beat=now
        )
        await self.fleet.table.beat(worker)
        claim = await self.fleet.table.claim(run_id, run.attempt, worker.id)
        assert isinstance(claim, Claim)
        end = AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN))
        await self.fleet.table.end(claim, end)
        await self.fleet.table.leave(worker.id)
        await self.dispatch.sync(run_id)
        return run_id

    async def park_many(self, number: int, **where: Any) -> Sequence[str]:
        """Begin runs that ask; return their ids."""
        return [await self.park(**where) for _ in range(number)]
