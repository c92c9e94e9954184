"""List the workers of the fleet, and what each one executes."""

from datetime import timedelta

import click

from attractor.base.durations import format_age
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.fleet import in_fleet
from attractor.fleet.views.overview import WorkerView, view_workers


@click.command()
@json_option
@click.pass_obj
def fleet_workers(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the workers of the fleet, and what each one executes."""
    views = in_fleet(invocation, view_workers)
    rows = [("worker", "name", "pool", "version", "labels", "slots", "beat", "status", "runs")]
    rows += [_row(view) for view in views]
    none = "There are no workers: attractor worker --pool POOL"
    words = "\n".join(table(rows)) if views else none
    return show_result([view.to_record() for view in views], words, as_json=as_json)


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
