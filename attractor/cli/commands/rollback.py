"""Revert the promotion of a run."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.factory.factory import Factory


@click.command()
@run_argument("")
@click.option("--from", "branch", default="main", show_default=True, help="Change this branch.")
@reason_option("Give the reason in one sentence.", required=True)
@json_option
@click.pass_obj
def rollback(
    invocation: Invocation, reference: str, branch: str, reason: str, as_json: bool
) -> ExitCode:
    """Revert the promotion of a run.

    A new commit on the branch takes out the changes of the run, and the ledger gets a new record;
    no history is rewritten. Later changes of the branch stay. Refused with exit status 4 if they
    concern the same lines.
    """
    factory, by = Factory(opened_of(invocation)), operator_name(invocation)
    done = asyncio.run(factory.roll_back(reference, reason, by=by, branch=branch))
    record = {"branch": done.branch, "commit": done.commit, "was_done": done.was_done}
    words = f"rolled back: {done.branch} is now {done.commit[:12]}"
    return show_result(record, words, as_json=as_json)


part = rollback
