"""Go back to an earlier stage of a run: a new run goes on from there, and the old one ends."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.forks import Asked, Ending, fork_and_walk, fork_options
from attractor.cli.invocation import Invocation


@click.command()
@fork_options
@click.option("--why", default="", help="Why, for the record.")
@click.pass_obj
def rewind(invocation: Invocation, asked: Asked, why: str) -> ExitCode:
    """Go back to an earlier stage of a run: a new run goes on from there, and the old one ends.

    As 'attractor fork', but the old run is canceled first, unless it is over for good. Its record
    stays as it is. A run that works in the project's own folder has that put back to how it was;
    what differed is kept in the new run's directory, under incidents.
    """
    return fork_and_walk(invocation, asked, ending=Ending(asked.reference, why))


part = rewind
