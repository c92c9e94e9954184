"""Judge a run: go or no-go, with reasons."""

import asyncio

import click

from attractor.base.errors import ExitCode, VerificationError
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.results import show_changes
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.verdicts import (
    judges_line,
    operator_option,
    rules_text,
    terminal_width,
    verdict_text,
)
from attractor.engine.state.run_state import StatusWord
from attractor.factory.decisions.review import evidence_of
from attractor.factory.evaluation.failed_scenarios import verdict_record
from attractor.factory.evaluation.gate import gate as judge, unverifiable
from attractor.factory.operations.evaluate import ask_gate
from attractor.language.source.text import visible
from attractor.pipeline.workspace.diffstat import read_diffstat


@click.command()
@run_argument(StatusWord.AWAITING_HUMAN)
@operator_option("Also list the failed hidden scenarios.")
@click.option("--all", "shows_all", is_flag=True, help="Also list the rules that passed.")
@json_option
@click.pass_obj
def gate(
    invocation: Invocation, reference: str, to_operator: bool, shows_all: bool, as_json: bool
) -> ExitCode:
    """Judge a run: go or no-go, with reasons.

    Without RUN, judge the one run that waits for a decision, if there is one, without those that a
    later run improves or rebases.

    The verdict is computed from the recorded trials at each call. The output lists the rules that
    failed, or passed on a condition, each with its figure, its threshold and what would change a
    failure, and names the other rules; hidden scenarios are not shown. A live run can also be
    judged. Exit with 5 if the verdict is 'no-go', or if the run has no suite, and
    with 6 if records of the run were changed.
    """
    opened = opened_of(invocation)
    try:
        facts, judged = ask_gate(opened.find(reference), opened)
    except VerificationError as error:
        if not as_json:
            raise
        show_json(unverifiable(error).to_record())
        return ExitCode.BROKEN
    changes = asyncio.run(read_diffstat(opened.project, facts.run_id, facts.tree))
    evidence = evidence_of(facts, changes)
    if as_json:
        record = verdict_record(judged, to_operator=to_operator)
        pins = {"suite": facts.manifest.suite, "profile": facts.manifest.profile}
        shown = changes.to_record() if changes else None
        receipts = {"receipts": evidence.to_record()} if evidence else {}
        show_json({**record, **pins, "changes": shown, **receipts})
    else:
        show(verdict_text(facts, judged, to_operator=to_operator))
        if judged.suite:
            show(rules_text(judge(judged), terminal_width(), shows_all=shows_all))
        show_changes(changes)
        for line in evidence.lines():
            show(visible(f"  {line}"))
        show(f"  {judges_line(facts)}")
    return ExitCode.DONE if judge(judged).go else ExitCode.NO_GO


part = gate
