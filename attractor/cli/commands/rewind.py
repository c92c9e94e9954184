"""Go back to an earlier stage of a run: a new run goes on from there, and the old one ends."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.orders import ForkArguments, ReplacedRun, fork_and_walk, fork_options


@click.command()
@fork_options
@click.option("--why", default="", help="Why, for the record.")
@click.pass_obj
def rewind(invocation: Invocation, asked: ForkArguments, why: str) -> ExitCode:
    """Go back to an earlier stage of a run: a new run goes on from there, and the old one ends.

    As 'attractor fork', but the old run is canceled first, unless it is over for good. Its record
    stays as it is. A run that works in the project's own folder has that put back to how it was;
    what differed is kept in the new run's directory, under incidents.
    """
    return fork_and_walk(invocation, asked, ending=ReplacedRun(asked.reference, why))


part = rewind
