"""End a run for good."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.orders import orders_to, show_receipt


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
    return show_receipt(orders_to(invocation, reference).cancel(why), as_json=as_json)


part = cancel
