"""Count the runs that would start on new workers, for autoscalers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import JSON, Invocation, chosen_format, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.fleet import in_fleet
from attractor.fleet.decisions import demand_of
from attractor.fleet.records import Demand
from attractor.fleet.views.overview import DEMAND_LABELS, OPEN, demand_lines

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

PROMETHEUS = "prometheus"


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice((PROMETHEUS, JSON)),
    help="Print the demand in this format (default: a table).",
)
@json_option
@click.pass_obj
def fleet_demand(invocation: Invocation, format_: str | None, as_json: bool) -> ExitCode:
    """Count the runs that would start on new workers, for autoscalers.

    Runs are counted by pool, version of Attractor, label and universe. A run that waits for room in
    its pool is not counted, a run whose worker is lost is.
    """
    chosen = chosen_format(format_, as_json=as_json)
    demand = in_fleet(invocation, _read)
    if chosen == JSON:
        show_json([write_fields(row) for row in demand])
    elif chosen == PROMETHEUS:
        show("\n".join(demand_lines(demand)))
    elif demand:
        rows = [(*DEMAND_LABELS, "runs")]
        rows += [
            (row.pool, row.engine, row.label or "-", row.universe, str(row.startable))
            for row in demand
        ]
        show("\n".join(table(rows)))
    else:
        show("No run needs another worker.")
    return ExitCode.DONE


async def _read(fleet: "Fleet") -> Sequence[Demand]:
    return demand_of(await fleet.table.pools(), await fleet.table.counts(OPEN))


part = fleet_demand
