"""Send a message to the running agents of a run."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.runs.orders import orders_to, show_receipt
from attractor.cli.runs.references import run_argument


@click.command()
@run_argument()
@click.argument("text", nargs=-1, required=True)
@click.option(
    "--node", default="", help="Send the message only to this stage (default: all running stages)."
)
@reason_option("Record the reason for the message.")
@json_option
@click.pass_obj
def steer(
    invocation: Invocation,
    reference: str,
    text: tuple[str, ...],
    node: str,
    reason: str,
    as_json: bool,
) -> ExitCode:
    """Send a message to the running agents of a run.

    RUN is a run id, a unique prefix of a run id, a run directory, or 'latest'. An agent reads TEXT
    before its next step. Refused with exit status 4 if the run has no live process or no running
    agent.
    """
    receipt = orders_to(invocation, reference).steer(" ".join(text), node=node, why=reason)
    return show_receipt(receipt, as_json=as_json)


part = steer
