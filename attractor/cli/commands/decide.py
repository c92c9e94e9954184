"""Show a run before a decision, and record the decision."""

import asyncio
import shlex
from collections.abc import Mapping
from datetime import timedelta

import click

from attractor.base.durations import parse_duration
from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show, show_json, show_result
from attractor.cli.runs.orders import prove_operator, user_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.results import show_changes
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.verdicts import (
    carried_lines,
    judges_line,
    operator_option,
    review_text,
    verdict_text,
)
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.state.run_state import StatusWord
from attractor.engine.storage.json_files import Fields
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.decide import Decision, DecisionKind, answers_of
from attractor.factory.evaluation.failed_scenarios import shortcomings_record
from attractor.factory.factory import Factory
from attractor.factory.history.records import entry_record
from attractor.factory.ledger.ledger import LedgerEntry
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.decide import decide_run, require_decision, waive_scenario
from attractor.factory.operations.evaluate import ask_gate
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffstat import read_diffstat
from attractor.records.lookup import reference_of
from attractor.records.request import promoting_command, read_request
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.git.repository import open_repository


@click.command()
@run_argument(StatusWord.AWAITING_HUMAN)
@click.option(
    "--approve",
    is_flag=True,
    help="Approve the run. Refused unless the verdict of the gate is 'go'.",
)
@click.option("--reject", is_flag=True, help="Reject the run, whatever the verdict of the gate.")
@reason_option("Give the reason of the decision or waiver in one sentence.")
@click.option(
    "--waive",
    "scenario",
    default="",
    metavar="SCENARIO",
    help="Waive a failed scenario of this run, by its id, or the start of its opaque name.",
)
@click.option(
    "--expires",
    default="7d",
    show_default=True,
    metavar="DURATION",
    help="End the waiver after this time, at most 14d.",
)
@click.option(
    "--agree", multiple=True, type=int, metavar="N", help="Agree with finding N of the reader."
)
@click.option("--dismiss", multiple=True, type=int, metavar="N", help="Dismiss finding N.")
@operator_option("Also list the failed hidden scenarios.")
@click.option("--all", "shows_all", is_flag=True, help="Also list the rules that passed.")
@json_option
@click.pass_obj
def decide(
    invocation: Invocation,
    reference: str,
    approve: bool,
    reject: bool,
    scenario: str,
    reason: str,
    expires: str,
    agree: tuple[int, ...],
    dismiss: tuple[int, ...],
    to_operator: bool,
    shows_all: bool,
    as_json: bool,
) -> ExitCode:
    """Show a run before a decision, and record the decision.

    Without --approve, --reject and --waive, show the facts for a decision: the changed files, the
    rules of the gate that failed or passed on a condition, the trials of each hidden scenario over
    earlier runs, cost and time, assumptions, files that were left out, and the versions of suite,
    profile and pipeline.

    The first decision on a run is final. To identify yourself, set ATTRACTOR_TOKEN to a token, or
    run the command at a terminal. If the verdict of the gate is 'no-go', an approval is refused
    with exit status 5. A waiver of a failed scenario counts for this run only, until it expires; a
    scenario that must pass cannot be waived. Without RUN: the only run that waits for a decision.
    """
    opened = opened_of(invocation)
    if approve + reject + bool(scenario) > 1:
        raise UsageError("several decisions", hint="pass one of --approve, --reject and --waive")
    if (approve or reject or scenario) and not reason.strip():
        raise UsageError("missing reason", hint='say why: --reason "..."')
    if scenario:
        entry = _waive(invocation, opened, reference, scenario, reason, parse_duration(expires))
        return show_result(
            {**entry_record(entry), "ledger_head": entry.head.hash},
            f"run {entry.run_id}: scenario {entry.data['scenario']} waived until "
            f"{entry.data['expires']} by {entry.data['by']} ({entry.data['proof']})\n"
            f"  ledger head: {entry.head.hash}",
            as_json=as_json,
        )
    if approve or reject:
        verdict = DecisionKind.APPROVED if approve else DecisionKind.REJECTED
        return _decide(
            invocation,
            opened,
            reference,
            verdict,
            reason,
            answers=answers_of(agree, dismiss),
            to_operator=to_operator,
            as_json=as_json,
        )
    if reason:
        raise UsageError("missing decision", hint="pass --approve, --reject or --waive SCENARIO")
    review = asyncio.run(Factory(opened).review(reference))
    name = reference_of(review.facts.directory.root, opened.project.runs_dir)
    words = review_text(review, name, to_operator=to_operator, shows_all=shows_all)
    return show_result(review.to_record(to_operator=to_operator), words, as_json=as_json)


def _decide(
    invocation: Invocation,
    opened: OpenProject,
    reference: str,
    verdict: DecisionKind,
    rationale: str,
    *,
    answers: Mapping[int, bool],
    to_operator: bool,
    as_json: bool,
) -> ExitCode:
    root = opened.find(reference)
    facts, judged = ask_gate(root, opened) if to_operator else (read_candidate_run(root), None)
    if judged and not as_json:
        # Printed first: it explains a refusal by the gate.
        show(verdict_text(facts, judged, to_operator=True))
    try:
        operator = prove_operator(invocation, sandboxed=facts.manifest.promises.guards_holdouts)
    except UsageError:
        # Rather the reason why the decision is refused than advice to create a token for it.
        by = user_name(invocation)
        require_decision(root, opened, verdict, rationale, by=by, answers=answers)
        raise
    entry = decide_run(root, opened, Decision(verdict, operator, rationale, answers=answers))
    changes = asyncio.run(read_diffstat(opened.project, facts.run_id, facts.tree))
    if as_json:
        more = shortcomings_record(judged, to_operator=True) if judged else {}
        more["changes"] = changes.to_record() if changes else None
        show_json({**entry_record(entry), "ledger_head": entry.head.hash, **more})
    else:
        show(f"run {entry.run_id}: {verdict} by {operator.name} ({operator.proof})")
        for line in carried_lines(Fields(entry.data, "decision").inner("gate").texts("carried")):
            show(line)
        show_changes(changes)
        show(f"  {judges_line(facts)}")
        show(f"  ledger head: {entry.head.hash}")
        kind = workspace_registry()[read_request(facts.manifest).workspace]
        if verdict is DecisionKind.APPROVED and kind.how_delivered == "branch":
            name = reference_of(root, opened.project.runs_dir)
            branch = asyncio.run(_checked_out_branch(opened.project))
            target = f" --to {shlex.quote(branch)}" if branch not in ("", "main") else ""
            show(f"  promote:  {promoting_command(facts.manifest, name + target)}")
    return ExitCode.DONE


async def _checked_out_branch(project: Project) -> str:
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    return await repository.checked_out_branch()


def _waive(
    invocation: Invocation,
    opened: OpenProject,
    reference: str,
    scenario: str,
    reason: str,
    expires_in: timedelta,
) -> LedgerEntry:
    root = opened.find(reference)
    guarded = read_manifest(RunDirectory(root)).promises.guards_holdouts
    by = prove_operator(invocation, sandboxed=guarded)
    return waive_scenario(root, opened, scenario, by=by, reason=reason, expires_in=expires_in)


part = decide
