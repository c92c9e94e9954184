"""Promote the runs of a queue, one after the other."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.base.records import write_fields
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.setup import opened_of
from attractor.factory.operations.queue import MoveKind, process_queue
from attractor.language.source.text import visible


@click.command()
@click.option("--branch", default="main", show_default=True, help="Promote to this branch.")
@json_lines_option
@click.pass_obj
def queue_run(invocation: Invocation, branch: str, as_json: bool) -> ExitCode:
    """Promote the runs of a queue, one after the other, until it is empty or a person is needed.

    Each run is rebased onto the results that landed before it. If its files changed, it is
    evaluated again, and waits for a new decision. A run in conflict leaves the queue, and the next
    run gets the conflict with --feedback. One process at a time promotes the runs of a branch;
    'attractor serve' starts it too. If a person is needed, the exit status is 3.
    """
    opened = opened_of(invocation)

    async def process() -> bool:
        is_waiting = False
        async for move in process_queue(opened, branch):
            is_waiting = move.kind is MoveKind.WAITS
            words = f"{move.run_id}: {move.kind}: {visible(move.words)}"
            show_result(write_fields(move), words, as_json=as_json, is_line=True)
        return is_waiting

    is_waiting = asyncio.run(process())
    if as_json:
        show_json({"branch": branch, "waits": is_waiting}, is_line=True)
    elif not is_waiting:
        show(f"no runs wait to land on {branch}")
    return ExitCode.UNFINISHED if is_waiting else ExitCode.DONE


part = queue_run
