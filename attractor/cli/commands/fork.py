"""Start a new run from an earlier stage of a run."""

from typing import Unpack

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.forking import ForkOptions, fork_and_walk, fork_options


@click.command()
@fork_options
@click.pass_obj
def fork(invocation: Invocation, **options: Unpack[ForkOptions]) -> ExitCode:
    """Start a new run from an earlier stage of a run.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. The new run starts
    with the state (context, files, retries and visit counts) right before a visit of NODE (default:
    the last visit). The old run is not changed. With --graph, continue with a changed pipeline and
    print the differences.
    """
    return fork_and_walk(invocation, **options)


part = fork
