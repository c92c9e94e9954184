"""Cancel a run and start a new run from an earlier stage."""

from typing import Unpack

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.walk import ForkOptions, fork_and_walk, fork_options


@click.command()
@fork_options
@click.option("--why", default="", help="Record the reason for rewinding the run.")
@click.pass_obj
def rewind(invocation: Invocation, why: str, **options: Unpack[ForkOptions]) -> ExitCode:
    """Cancel a run and start a new run from an earlier stage.

    Works like 'attractor fork', but first cancels the old run, unless it is final. The records of
    the old run are kept. If the run works in the project folder (--workspace in-place), the files
    in this folder are reset to their state before the earlier stage, and the differences are saved
    in the folder 'incidents' of the new run's directory.
    """
    return fork_and_walk(invocation, rewind_reason=why, **options)


part = rewind
