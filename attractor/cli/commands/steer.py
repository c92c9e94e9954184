"""Say something to the agent at work in a run."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.orders import orders_to, show_receipt


@click.command()
@click.argument("reference", metavar="RUN")
@click.argument("text", nargs=-1, required=True)
@click.option("--node", default="", help="The stage it is for; all that are at work unless said.")
@click.option("--why", default="", help="Why, for the record.")
@json_option
@click.pass_obj
def steer(
    invocation: Invocation,
    reference: str,
    text: tuple[str, ...],
    node: str,
    why: str,
    as_json: bool,
) -> ExitCode:
    """Say something to the agent at work in a run.

    RUN is an id, the beginning of one, a run directory, or 'latest'. The agent reads TEXT before
    its next step. Refused with 4 when nobody is at work on the run, and when nobody at work takes
    the words: a command has no ear for them.
    """
    receipt = orders_to(invocation, reference).steer(" ".join(text), node=node, why=why)
    return show_receipt(receipt, as_json=as_json)


part = steer
