"""Cancel a run and start a new one from an earlier stage."""

from typing import Unpack

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.runs.walk import ForkOptions, fork_and_walk, fork_options


@click.command()
@fork_options
@click.option("--why", default="", help="Record why you rewind the run.")
@click.pass_obj
def rewind(invocation: Invocation, why: str, **options: Unpack[ForkOptions]) -> ExitCode:
    """Cancel a run and start a new one from an earlier stage.

    Works like 'attractor fork', but cancels the old run first, unless it is final. Its records are
    kept. If the run works in the project's own folder, the files there are reset to the state of
    the earlier stage; the differences are saved in the new run's directory, under incidents.
    """
    return fork_and_walk(invocation, rewind_reason=why, **options)


part = rewind
