"""Start a new run from an earlier stage of a run."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.fork import ForkArguments, fork_options, run_fork


@click.command()
@fork_options
@click.pass_obj
def fork(invocation: Invocation, arguments: ForkArguments) -> ExitCode:
    """Start a new run from an earlier stage of a run.

    RUN is a run id, a unique prefix of one, a run directory, or 'latest'. The new run starts with
    the state right before the given visit of NODE (default: its last visit): context, files,
    retries and visit counts. The old run is not changed. With --graph, continue with a changed
    pipeline and print the differences.
    """
    return run_fork(invocation, arguments)


part = fork
