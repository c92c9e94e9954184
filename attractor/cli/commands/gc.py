"""Free what no run needs any more; records stay."""

import asyncio

import click

from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.reports import sweep_text
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import world_of
from attractor.factory.ledger import Ledger
from attractor.factory.promotion import RunPlaces
from attractor.pipeline.garbage import Collector, Rules


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be freed.")
@click.option(
    "--older-than",
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="Free only what has not been needed for so long.",
)
@click.option(
    "--missing-projects", is_flag=True, help="Also free runs whose whole project is gone."
)
@json_option
@click.pass_obj
def gc(
    invocation: Invocation,
    dry_run: bool,
    older_than: str,
    missing_projects: bool,
    as_json: bool,
) -> ExitCode:
    """Free what no run needs any more; records stay.

    That is the workspace, the forks and the trees of runs that are over for good (failed, canceled,
    rejected, or approved and promoted) or whose run directory is gone, and what killed processes
    left. It looks at all runs of the state folder, also those of other projects. Run directories,
    the ledger and branches are never touched, nor a run that somebody is at work on. A run that
    was freed cannot be forked or rewound any more.
    """
    world = world_of(invocation)
    rules = Rules(world.clock.now(), parse_duration(older_than), missing_projects)
    places = RunPlaces(Ledger(world.state_dir), world.runs_dir)
    swept = asyncio.run(Collector(world, places, rules, is_dry=dry_run).collect())
    if as_json:
        show_json(swept.to_record())
    else:
        show(sweep_text(swept))
    return ExitCode.UNFINISHED if swept.troubles else ExitCode.DONE


part = gc
