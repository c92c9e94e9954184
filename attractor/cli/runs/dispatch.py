"""Runs in the fleet, for commands that begin, follow and change them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import addresses_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import plan_start
from attractor.fleet.dispatch import Dispatch, Where
from attractor.fleet.fleet import open_fleet, process_name
from attractor.fleet.records import FleetRun, RunState
from attractor.records.request import RunRequest

_LOOK_S = 0.5


@asynccontextmanager
async def open_dispatch(
    invocation: Invocation, opened: OpenProject
) -> AsyncGenerator[Dispatch, None]:
    """Open the fleet of the settings for the runs of a project."""
    async with open_fleet(addresses_of(invocation), invocation.environ) as fleet:
        yield Dispatch(opened, fleet.table, fleet.blobs_of, f"server:{process_name()}")


def run_on(
    invocation: Invocation,
    opened: OpenProject,
    request: RunRequest,
    where: Where,
    *,
    feedback: Path | None,
    follow: bool,
    as_json: bool,
) -> ExitCode:
    """Begin a run that a worker executes; with `follow`, wait until it stops."""

    async def work() -> ExitCode:
        async with open_dispatch(invocation, opened) as dispatch:
            plan = await plan_start(request, opened, feedback=feedback)
            run_id = await dispatch.submit(plan, where)
            if as_json:
                show_json({"run_id": run_id, "pool": where.pool}, is_line=True)
            else:
                show(run_id)
            if not follow:
                return ExitCode.DONE
            return _show_stop(await _follow(dispatch, run_id), as_json=as_json)

    return asyncio.run(work())


async def _follow(dispatch: Dispatch, run_id: str) -> FleetRun:
    while True:
        run = await dispatch.sync(run_id)
        if run.state in (RunState.PARKED, RunState.ENDED):
            return run
        await asyncio.sleep(_LOOK_S)


def _show_stop(run: FleetRun, *, as_json: bool) -> ExitCode:
    reason = run.reason.kind.value if run.reason else ""
    if as_json:
        record = {"run_id": run.run_id, "state": run.state.value, "reason": reason}
        show_json(record, is_line=True)
    else:
        show(f"run {run.run_id}: {run.state.value}{f' ({reason})' if reason else ''}")
    return ExitCode.DONE if run.state is RunState.ENDED else ExitCode.UNFINISHED
