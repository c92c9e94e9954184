"""End a run for good."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.orders import orders_to, show_receipt
from attractor.cli.runs.setup import world_of
from attractor.pipeline.workspace.deliver import give_back_later


@click.command()
@click.argument("reference", metavar="RUN")
@click.option("--why", default="", help="Why, for the record.")
@json_option
@click.pass_obj
def cancel(invocation: Invocation, reference: str, why: str, as_json: bool) -> ExitCode:
    """End a run for good.

    RUN is an id, the beginning of one, a run directory, or 'latest'. What is at work ends within a
    few seconds, children and agents too. A run that nobody holds is ended here and now.
    """
    orders = orders_to(invocation, reference)
    receipt = orders.cancel(why)
    if receipt.is_taken:
        asyncio.run(give_back_later(orders.root, world_of(invocation)))
    return show_receipt(receipt, as_json=as_json)


part = cancel
