"""Cancel a run and start a new run from an earlier stage."""

from typing import Unpack

import click

from attractor.base.errors import ExitCode, Refused
from attractor.cli.invocation import Invocation, reason_option
from attractor.cli.runs.forking import ForkOptions, fork_and_walk, fork_options
from attractor.language.source.text import visible
from attractor.records.lookup import find_run
from attractor.records.summary import summarize


@click.command()
@fork_options
@reason_option("Record the reason for rewinding the run.")
@click.option("--cancel-live", is_flag=True, help="Cancel a live run without asking.")
@click.pass_obj
def rewind(
    invocation: Invocation, reason: str, cancel_live: bool, **options: Unpack[ForkOptions]
) -> ExitCode:
    """Cancel a run and start a new run from an earlier stage.

    Works like 'attractor fork', but first cancels the old run, unless it is final. If a process
    executes the old run, ask first; without a terminal, pass --cancel-live. The records of
    the old run are kept. If the run works in the project folder (--workspace in-place), the files
    in this folder are reset to their state before the earlier stage, and the differences are saved
    in the folder 'incidents' of the new run's directory.
    """
    if not cancel_live:
        _confirm(invocation, options["reference"])
    return fork_and_walk(invocation, rewind_reason=reason, **options)


def _confirm(invocation: Invocation, reference: str) -> None:
    """Ask before a live run is canceled; without a terminal, refuse."""
    one = summarize(find_run(reference, invocation.configuration.settings.runs_dir))
    if not one.is_live or one.is_final:
        return
    stage = f", in the stage {one.stage}" if one.stage else ""
    words = f"run {one.run_id} is running{stage}"
    if not invocation.has_terminal:
        raise Refused(words, hint="pass --cancel-live to cancel it, or use attractor fork")
    if not click.confirm(f"{visible(words)}. Cancel it and rewind?", err=True):
        raise Refused(f"run {one.run_id} was not canceled", hint="attractor fork leaves it alone")


part = rewind
