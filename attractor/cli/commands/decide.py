"""Record a decision on a run."""

import asyncio

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.orders import prove_operator
from attractor.cli.runs.questions import operator_option, shortcomings_record, verdict_text
from attractor.cli.runs.results import show_changes
from attractor.cli.runs.setup import host_of
from attractor.cli.shell_completion import complete_runs
from attractor.factory.decide import (
    Decision,
    DecisionKind,
    decide as record_decision,
    require_decidable,
)
from attractor.factory.launch import evaluator_of, hold
from attractor.factory.run_facts import facts_of
from attractor.pipeline.request import WorkspaceKind
from attractor.pipeline.runs.lookup import find_run, reference_of
from attractor.pipeline.workspace.diffstat import read_diffstat


@click.command()
@click.argument("reference", metavar="RUN", default="latest", shell_complete=complete_runs)
@click.option(
    "--approve",
    is_flag=True,
    help="Approve the run. Refused unless the verdict of the gate is 'go'.",
)
@click.option("--reject", is_flag=True, help="Reject the run, whatever the verdict of the gate.")
@click.option("--rationale", required=True, help="Give the reason in one sentence.")
@operator_option
@json_option
@click.pass_obj
def decide(
    invocation: Invocation,
    reference: str,
    approve: bool,
    reject: bool,
    rationale: str,
    to_operator: bool,
    as_json: bool,
) -> ExitCode:
    """Record a decision on a run.

    The first decision on a run is final. To identify yourself, set ATTRACTOR_TOKEN to a token, or
    run the command at a terminal. If the verdict of the gate is 'no-go', an approval is refused
    with exit status 5.
    """
    if approve == reject:
        raise UsageError("missing decision", hint="pass either --approve or --reject")
    host = host_of(invocation)
    verdict = DecisionKind.APPROVED if approve else DecisionKind.REJECTED
    evaluator = evaluator_of(host)
    with hold(find_run(reference, host.runs_dir), host) as run:
        facts = facts_of(run)
        judged = evaluator.judged(facts) if to_operator else None
        if judged and not as_json:
            # Printed first: it explains a refusal by the gate.
            show(verdict_text(facts, judged, to_operator=True))
        # First, so that nobody creates a token for a decision that is refused.
        require_decidable(run, evaluator, verdict, rationale)
        sandboxed = run.manifest.promises.guards_holdouts
        operator = prove_operator(invocation, sandboxed=sandboxed)
        decision = Decision(verdict, operator.name, operator.proof, rationale)
        entry = record_decision(run, evaluator, decision)
    changes = asyncio.run(read_diffstat(host, facts.run_id, facts.tree))
    if as_json:
        more = shortcomings_record(judged, to_operator=True) if judged else {}
        more["changes"] = changes.to_record() if changes else None
        show_json({"run_id": entry.run_id, "hash": entry.head.hash, **entry.data, **more})
    else:
        show(f"run {entry.run_id}: {verdict} by {operator.name} ({operator.proof})")
        show_changes(changes)
        if approve and run.manifest.options.get("workspace") == WorkspaceKind.ISOLATED:
            name = reference_of(run.directory.root, host.runs_dir)
            show(f"  promote:  attractor promote {name}")
    return ExitCode.DONE


part = decide
