"""List the workers of the fleet, and what each one executes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_age
from attractor.base.errors import ExitCode
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.fleet import in_fleet
from attractor.fleet.reasons import is_alive, without_holders
from attractor.fleet.records import RunState, Worker

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet


@dataclass(frozen=True)
class WorkerView:
    """A worker, its runs, and the seconds since its start and its last beat."""

    worker: Worker
    runs: tuple[str, ...]
    age_s: float
    silent_s: float
    is_alive: bool

    @property
    def status(self) -> str:
        """The status in a word."""
        if not self.is_alive:
            return "lost"
        return "draining" if self.worker.is_draining else "serving"

    def to_record(self) -> dict[str, Json]:
        """Return the worker as JSON."""
        return {**write_fields(self.worker), "status": self.status, **write_fields(self, worker="")}


@click.command()
@json_option
@click.pass_obj
def fleet_workers(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the workers of the fleet, and what each one executes."""
    views = in_fleet(invocation, _read)
    if as_json:
        show_json([view.to_record() for view in views])
        return ExitCode.DONE
    rows = [("worker", "name", "pool", "version", "labels", "slots", "beat", "status", "runs")]
    rows += [_row(view) for view in views]
    none = "There are no workers: attractor worker --pool POOL"
    show("\n".join(table(rows)) if views else none)
    return ExitCode.DONE


async def _read(fleet: "Fleet") -> Sequence[WorkerView]:
    now, running = await fleet.table.now(), await fleet.table.runs(states=(RunState.RUNNING,))
    return [
        WorkerView(
            worker,
            tuple(run.run_id for run in running if run.owner == worker.id),
            now - worker.began,
            now - worker.beat,
            is_alive(worker, now),
        )
        for worker in without_holders(await fleet.table.workers())
    ]


def _row(view: WorkerView) -> tuple[str, ...]:
    worker = view.worker
    return (
        worker.id,
        worker.name,
        worker.pool,
        worker.engine,
        " ".join(worker.labels) or "-",
        f"{len(view.runs)} of {worker.slots}",
        f"{format_age(timedelta(seconds=view.silent_s))} ago",
        view.status,
        " ".join(view.runs) or "-",
    )


part = fleet_workers
