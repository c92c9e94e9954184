"""Add words to the decision on a run."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.orders import prove_operator
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import opened_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.decisions.decide import Amendment
from attractor.factory.operations.decide import amend_decision


@click.command()
@run_argument("")
@reason_option("Replace the reason of the decision.")
@click.option("--note", default="", help="Add a note.")
@click.option("--defect", default="", metavar="TEXT", help="Say what went wrong after an approval.")
@click.option(
    "--commit", "repaired_by", default="", help="With --defect: the commit that repaired it."
)
@click.option("--no-defect", default="", metavar="WHY", help="Withdraw a mark of --defect.")
@json_option
@click.pass_obj
def amend(
    invocation: Invocation, reference: str, reason: str, as_json: bool, **words: str
) -> ExitCode:
    """Add words to the decision on a run, or mark an approval as wrong.

    The verdict and the first words stay on record. Amendments are listed by 'attractor history'.
    Approvals marked by --defect are counted by 'attractor report --decisions', and the profile's
    [window] can limit them.
    """
    opened = opened_of(invocation)
    root = opened.find(reference)
    guarded = read_manifest(RunDirectory(root)).promises.guards_holdouts
    by = prove_operator(invocation, sandboxed=guarded)
    entry = amend_decision(root, opened, Amendment(reason, **words), by=by)
    record = {"run_id": entry.run_id, "hash": entry.head.hash, **entry.data}
    text = f"run {entry.run_id}: decision amended by {by.name} ({by.proof})"
    return show_result(record, text, as_json=as_json)


part = amend
