"""List the runs that wait to land on a branch."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.setup import opened_of
from attractor.factory.operations.queue import explain_queues
from attractor.language.source.text import visible


@click.command()
@click.option("--branch", default="", help="List the queue of this branch only.")
@json_option
@click.pass_obj
def queue_list(invocation: Invocation, branch: str, as_json: bool) -> ExitCode:
    """List the runs that wait to land on a branch, in their order, and why each one waits.

    Returned runs come last. They did not land, and stay until 'attractor queue remove'. Files that
    two waiting runs changed are an overlap; --json names them, and those that would conflict.
    """
    runs = asyncio.run(explain_queues(opened_of(invocation), branch))
    if as_json:
        show_json([shown.to_record() for shown in runs])
    elif not runs:
        show("No runs wait. See how to let one wait: attractor promote --help")
    else:
        rows = [("branch", "place", "run", "by", "why")]
        rows += [
            (
                shown.branch,
                f"{shown.position or '-'}",
                shown.run.run_id,
                shown.run.by,
                visible(shown.why),
            )
            for shown in runs
        ]
        show("\n".join(table(rows)))
        for shown in runs:
            for overlap in shown.overlaps:
                # Each pair of runs once.
                if shown.run.current < overlap.other:
                    show(f"overlap of {shown.run.current} with {visible(str(overlap))}")
    return ExitCode.DONE


part = queue_list
