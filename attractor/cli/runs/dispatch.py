"""Runs in the fleet, for commands that begin, follow and change them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ExitCode, Unavailable
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import OnPool, addresses_of
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import plan_start
from attractor.fleet.decisions import HOLDER
from attractor.fleet.dispatch import Dispatch, Where, copy_fence
from attractor.fleet.fleet import open_fleet, process_name
from attractor.fleet.records import FleetRun, RunState
from attractor.pipeline.orders import Orders, Receipt
from attractor.records.request import RunRequest

_LOOK_S = 0.5


def _no_change(order: Callable[[Orders], Any]) -> Any:
    raise NotImplementedError


@asynccontextmanager
async def open_dispatch(
    invocation: Invocation, opened: OpenProject
) -> AsyncGenerator[Dispatch, None]:
    """Open the fleet of the settings for the runs of a project."""
    async with open_fleet(addresses_of(invocation), invocation.environ) as fleet:
        yield Dispatch(opened, fleet.table, fleet.blobs_of, f"{HOLDER}{process_name()}")


def run_on(
    on: OnPool,
    request: RunRequest,
    opened: OpenProject,
    watcher: Watcher,
    *,
    feedback: Path | None,
    as_json: bool,
) -> ExitCode:
    """Begin a run that a worker executes; if it is followed, wait until it stops.

    Then deliver and evaluate the result here.
    """
    where = Where(pool=on.pool, priority=on.priority, label=on.label)

    async def work() -> FleetRun | None:
        async with open_dispatch(on.invocation, opened) as dispatch:
            plan = await plan_start(request, opened, feedback=feedback)
            run_id = await dispatch.submit(plan, where)
            if as_json:
                show_json({"run_id": run_id, "pool": where.pool}, is_line=True)
            else:
                show(run_id)
            return await _follow(dispatch, run_id) if on.follows else None

    run = asyncio.run(work())
    if run is None:
        return ExitCode.DONE
    if run.state is RunState.ENDED:
        root = opened.project.runs_dir / run.run_id
        return show_end(walk(resume_run(root, opened), watcher), opened.project, as_json=as_json)
    return _show_stop(run, as_json=as_json)


async def _follow(dispatch: Dispatch, run_id: str) -> FleetRun:
    while True:
        run = await dispatch.sync(run_id)
        if run.state in (RunState.PARKED, RunState.ENDED):
            return run
        await asyncio.sleep(_LOOK_S)


def bring_copy(invocation: Invocation, root: Path) -> None:
    """Bring the copy of a run to its last committed head; say if the fleet does not answer."""

    async def work() -> None:
        async with open_dispatch(invocation, opened_of(invocation)) as dispatch:
            await dispatch.sync(root.name)

    try:
        asyncio.run(work())
    except Unavailable as away:
        show(f"This is what was known last: {away.message}.", err=True)


@dataclass(frozen=True)
class FleetOrders(Orders):
    """Orders to a run of the fleet: a run that waits is changed here, and continues in its pool."""

    change: Callable[[Callable[[Orders], Any]], Any] = _no_change

    @classmethod
    def of(cls, orders: Orders, invocation: Invocation, opened: OpenProject) -> "FleetOrders":
        """Return the orders of the same person to a run in the fleet."""
        here = replace(orders, fences=copy_fence)

        async def work(order: Callable[[Orders], Any]) -> Any:
            async with (
                open_dispatch(invocation, opened) as dispatch,
                dispatch.held(orders.root.name),
            ):
                return await asyncio.to_thread(order, here)

        values = {one.name: getattr(orders, one.name) for one in fields(Orders)}
        return cls(**values, change=lambda order: asyncio.run(work(order)))

    def answer(self, choice: str, *, question: str = "", why: str = "") -> Receipt:
        """Answer a question, and let the run continue in its pool."""
        return self.change(lambda orders: orders.answer(choice, question=question, why=why))

    def answer_all(self, choice: str, *, question: str = "", why: str = "") -> Sequence[Receipt]:
        """Answer all questions alike, and let the run continue in its pool."""
        return self.change(lambda orders: orders.answer_all(choice, question=question, why=why))

    def cancel(self, why: str = "") -> Receipt:
        """Cancel a run that waits."""
        return self.change(lambda orders: orders.cancel(why))


def _show_stop(run: FleetRun, *, as_json: bool) -> ExitCode:
    reason = run.reason.kind.value if run.reason else ""
    if as_json:
        record = {"run_id": run.run_id, "state": run.state.value, "reason": reason}
        show_json(record, is_line=True)
    else:
        show(f"run {run.run_id}: {run.state.value}{f' ({reason})' if reason else ''}")
    return ExitCode.UNFINISHED
