"""Free disk space used by finished runs."""

import asyncio

import click

from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.reports import disk_text, sweep_text
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import host_of
from attractor.factory.decisions.run_locations import RunLocations
from attractor.factory.ledger.ledger import Ledger
from attractor.pipeline.runs.disk_use import read_disk_use
from attractor.pipeline.runs.garbage import Collector, Rules


@click.command()
@click.option("--dry-run", is_flag=True, help="Remove nothing; list what would be removed.")
@click.option(
    "--older-than",
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="Skip runs that were active within this time.",
)
@click.option(
    "--missing-projects",
    is_flag=True,
    help="Include runs whose project folder does not exist any more.",
)
@click.option("--usage", is_flag=True, help="Remove nothing; list the disk space in use.")
@json_option
@click.pass_obj
def gc(
    invocation: Invocation,
    dry_run: bool,
    older_than: str,
    missing_projects: bool,
    usage: bool,
    as_json: bool,
) -> ExitCode:
    """Free disk space used by finished runs.

    Remove the workspaces and snapshots of a run if the run is final or its run directory is
    missing. Final means failed, canceled, rejected, or approved and promoted. Workspaces of
    parallel branches are included. Also remove temporary files of killed processes, drawings that
    the server keeps, and copies of agents that no run needs. All runs in the state folder are
    checked, including runs of other projects. Run directories, the ledger, Git branches and live
    runs are never removed. A run whose workspace and snapshots were removed cannot be forked or
    rewound. With --usage, only measure the runs folder of this project, and the workspaces,
    snapshots and records in the state folder, which all projects share.
    """
    host = host_of(invocation)
    if usage:
        use = read_disk_use(host.runs_dir, host.state_dir)
        show_json(use.to_record()) if as_json else show(disk_text(use))
        return ExitCode.DONE
    rules = Rules(host.clock.now(), parse_duration(older_than), missing_projects)
    places = RunLocations(Ledger(host.state_dir), host.runs_dir)
    swept = asyncio.run(Collector(host, places, rules, places.run_ids, is_dry=dry_run).collect())
    if as_json:
        show_json(swept.to_record())
    else:
        show(sweep_text(swept))
    return ExitCode.UNFINISHED if swept.troubles else ExitCode.DONE


part = gc
