"""List the pools of the fleet with their limits, their workers and their runs."""

import click

from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.fleet import in_fleet
from attractor.fleet.views.overview import view_pools


@click.command()
@json_option
@click.pass_obj
def fleet_pool(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the pools of the fleet with their limits, their workers and their runs."""
    pools = in_fleet(invocation, view_pools)
    rows = [("pool", "limit", "share", "workers", "slots", "running", "queued", "parked")]
    rows += [
        (
            pool.name,
            f"{pool.concurrency or 'none'}",
            f"{pool.share:.0%}",
            *map(str, (pool.workers, pool.slots, pool.running, pool.queued, pool.parked)),
        )
        for pool in pools
    ]
    words = "\n".join(table(rows)) if pools else "There are no pools: attractor worker --pool POOL"
    return show_result([write_fields(pool) for pool in pools], words, as_json=as_json)


part = fleet_pool
