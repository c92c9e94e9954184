"""List the runs of the fleet that have not ended, and why each one waits."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.fleet import in_fleet
from attractor.cli.runs.universes import reached_projects
from attractor.fleet.views.overview import ExplainedRun, read_open

if TYPE_CHECKING:
    from attractor.fleet.fleet import Fleet

_SHOWN = 100


@click.command()
@click.option("--universe", default="", help="List the runs of this universe only.")
@click.option("--pool", default="", help="List the runs of this pool only.")
@click.option("--all", "is_whole", is_flag=True, help=f"List all runs (default: {_SHOWN}).")
@json_option
@click.pass_obj
def fleet_queue(
    invocation: Invocation, universe: str, pool: str, is_whole: bool, as_json: bool
) -> ExitCode:
    """List the runs of the fleet that have not ended, and why each one waits.

    Running runs come first, then queued and parked ones, each since the longest time first. A token
    that is for some projects lists their runs only.
    """

    reached = reached_projects(invocation)

    async def read(fleet: "Fleet") -> tuple[Sequence[ExplainedRun], int]:
        most = 0 if is_whole else _SHOWN
        return await read_open(fleet, universe=universe, pool=pool, projects=reached, most=most)

    runs, more = in_fleet(invocation, read)
    rows = [("run", "universe", "pool", "state", "since", "why")]
    rows += [
        (
            explained.run.run_id,
            explained.run.universe,
            explained.run.pool,
            explained.run.state,
            explained.age,
            explained.words,
        )
        for explained in runs
    ]
    lines = table(rows) if runs else ["No runs wait or run."]
    if more:
        lines.append(f"and {number_of(more, 'run')} more: attractor fleet queue --all")
    record = {"runs": [explained.to_record() for explained in runs], "more": more}
    return show_result(record, *lines, as_json=as_json)


part = fleet_queue
