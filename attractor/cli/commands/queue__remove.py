"""Remove a run from its queue."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.factory.operations.queue import remove_run


@click.command()
@run_argument()
@click.option(
    "--branch",
    default="",
    help="Remove it from the queue of this branch (default: from its only queue).",
)
@json_option
@click.pass_obj
def queue_remove(invocation: Invocation, reference: str, branch: str, as_json: bool) -> ExitCode:
    """Remove a run from its queue. Nothing else changes: it stays approved."""
    opened, by = opened_of(invocation), operator_name(invocation)
    queue = remove_run(reference, opened, branch=branch, by=by)
    waiting = len(queue.waiting)
    record = {"branch": queue.branch, "run": reference, "waiting": waiting}
    words = f"{reference} is removed from the queue of {queue.branch}; {waiting} wait"
    return show_result(record, words, as_json=as_json)


part = queue_remove
