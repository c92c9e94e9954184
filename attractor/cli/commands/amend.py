"""Add words to the decision on a run."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.orders import prove_operator
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.operations.decide import amend_decision


@click.command()
@run_argument(default="latest")
@click.option("--rationale", default="", help="Replace the reason of the decision.")
@click.option("--note", default="", help="Add a note.")
@json_option
@click.pass_obj
def amend(
    invocation: Invocation, reference: str, rationale: str, note: str, as_json: bool
) -> ExitCode:
    """Add words to the decision on a run.

    The verdict and the first words stay on record. Amendments are listed by 'attractor history'.
    """
    opened = opened_of(invocation)
    root = opened.find(reference)
    guarded = read_manifest(RunDirectory(root)).promises.guards_holdouts
    by = prove_operator(invocation, sandboxed=guarded)
    entry = amend_decision(root, opened, by=by, rationale=rationale, note=note)
    if as_json:
        show_json({"run_id": entry.run_id, "hash": entry.head.hash, **entry.data})
    else:
        show(f"run {entry.run_id}: decision amended by {by.name} ({by.proof})")
    return ExitCode.DONE


part = amend
