"""Go on from an earlier stage of a run, in a new run beside it."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.orders import ForkArguments, fork_and_walk, fork_options


@click.command()
@fork_options
@click.pass_obj
def fork(invocation: Invocation, asked: ForkArguments) -> ExitCode:
    """Go on from an earlier stage of a run, in a new run beside it.

    RUN is an id, the beginning of one, a run directory, or 'latest'. The new run begins as the old
    one was right before that visit of the node, or before its last visit: context, files, retries
    and visits. The old run is not touched. --graph goes on with a changed pipeline, and tells how
    it differs.
    """
    return fork_and_walk(invocation, asked)


part = fork
