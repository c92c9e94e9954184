"""Add words to the decision on a run."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.orders import prove_operator
from attractor.cli.runs.setup import project_of
from attractor.cli.shell_completion import complete_runs
from attractor.factory.decisions.decide import amend as record_amendment
from attractor.factory.evaluation.evaluate import evaluator_of
from attractor.factory.operations.lock import lock_run
from attractor.factory.register import register_of


@click.command()
@click.argument("reference", metavar="RUN", default="latest", shell_complete=complete_runs)
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
    project = project_of(invocation)
    with lock_run(register_of(project).find(reference), project) as run:
        by = prove_operator(invocation, sandboxed=run.manifest.promises.guards_holdouts)
        entry = record_amendment(run, evaluator_of(project), by=by, rationale=rationale, note=note)
    if as_json:
        show_json({"run_id": entry.run_id, "hash": entry.head.hash, **entry.data})
    else:
        show(f"run {entry.run_id}: decision amended by {by.name} ({by.proof})")
    return ExitCode.DONE


part = amend
