"""Cancel a run."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.runs.orders import continue_actor_of, orders_to, show_receipt
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.pipeline.workspace.deliver import deliver_ended_run


@click.command()
@run_argument()
@reason_option("Record the reason for canceling the run.")
@json_option
@click.pass_obj
def cancel(invocation: Invocation, reference: str, reason: str, as_json: bool) -> ExitCode:
    """Cancel a run.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. Running stages end
    within a few seconds, with their agents and child runs. A run without a live process is canceled
    immediately. A canceled run cannot be resumed. If the run is not canceled within ten seconds,
    such as during an evaluation, the command fails with 4.
    """
    orders = orders_to(invocation, reference)
    receipt = orders.cancel(reason)
    if receipt.is_taken:
        opened = opened_of(invocation)
        asyncio.run(deliver_ended_run(orders.root, opened.project))
        continue_actor_of(orders.root, opened)
    return show_receipt(receipt, as_json=as_json)


part = cancel
