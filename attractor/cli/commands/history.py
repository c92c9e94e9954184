"""List decisions, waivers, amendments, promotions and roll-backs."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.setup import host_of
from attractor.cli.runs.status import moment
from attractor.cli.shell_completion import complete_runs
from attractor.factory.operations import Factory
from attractor.language.source.text import visible


@click.command()
@click.argument("reference", metavar="RUN", default="", shell_complete=complete_runs)
@click.option("--pipeline", default="", metavar="NAME", help="List runs of this pipeline only.")
@click.option(
    "--since",
    default="",
    metavar="TIME",
    help="List records since this time, such as 2026-01-31, or 2d for the last two days.",
)
@json_option
@click.pass_obj
def history(
    invocation: Invocation, reference: str, pipeline: str, since: str, as_json: bool
) -> ExitCode:
    """List decisions, waivers, amendments, promotions and roll-backs.

    List those of the project, or of RUN, oldest first. They are read from the ledger. Exit with 6
    if a line of the ledger is corrupt.
    """
    entries = Factory(host_of(invocation)).history(
        run=reference, pipeline=pipeline, since=moment(since) if since else None
    )
    if as_json:
        show_json([one.to_record() for one in entries])
        return ExitCode.DONE
    for one in entries:
        time = one.time.astimezone().isoformat(sep=" ", timespec="minutes")
        kind = one.kind.replace("_", " ")
        show(visible(f"{time}  {one.run_id}  {one.pipeline}  {kind} by {one.by}  {one.words}"))
    if not entries:
        show("There are no decisions. See the runs that wait for one: attractor runs")
    return ExitCode.DONE


part = history
