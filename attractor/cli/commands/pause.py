"""Have a run wait after the stage at work."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.orders import orders_to, show_receipt


@click.command()
@click.argument("reference", metavar="RUN")
@click.option("--why", default="", help="Why, for the record.")
@json_option
@click.pass_obj
def pause(invocation: Invocation, reference: str, why: str, as_json: bool) -> ExitCode:
    """Have a run wait after the stage at work.

    RUN is an id, the beginning of one, a run directory, or 'latest'. Its process stays and waits;
    'attractor resume' has it go on. Refused with 4 when nobody is at work on it.
    """
    return show_receipt(orders_to(invocation, reference).pause(why), as_json=as_json)


part = pause
