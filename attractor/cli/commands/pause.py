"""Pause a run after the current stage."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.runs.orders import orders_to, show_receipt
from attractor.cli.runs.references import run_argument


@click.command()
@run_argument()
@reason_option("Record the reason for pausing the run.")
@json_option
@click.pass_obj
def pause(invocation: Invocation, reference: str, reason: str, as_json: bool) -> ExitCode:
    """Pause a run after the current stage.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. The process stays
    alive and waits for 'attractor resume'. A run of the fleet is parked: after its stages in
    flight, or at once if it waits for a worker or a time. Refused with exit status 4 if nothing
    executes the run.
    """
    return show_receipt(orders_to(invocation, reference).pause(reason), as_json=as_json)


part = pause
