"""Evaluate a run, again or for the first time."""

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_option, reason_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.references import run_argument
from attractor.cli.runs.setup import budgets_of, max_duration_option, opened_of
from attractor.cli.runs.verdicts import operator_option, verdict_text
from attractor.cli.runs.walk import Watcher, walk
from attractor.factory.evaluation.failed_scenarios import verdict_record
from attractor.factory.evaluation.gate import gate as judge
from attractor.factory.operations.evaluate import (
    ask_gate,
    judge_again,
    replay_cut as order_replay,
    request_evaluation,
)
from attractor.factory.operations.resume import resume_run
from attractor.factory.operator_process import Scope
from attractor.records.request import Overrides


@click.command()
@run_argument("")
@click.option(
    "--judge",
    "asks_judge",
    is_flag=True,
    help="Do not begin another evaluation: ask the judge of unjudged trials again.",
)
@click.option(
    "--replay-cut",
    is_flag=True,
    help="Do not begin another evaluation: play the cut trials of the last one again, each once.",
)
@reason_option("Say why cut trials are played again.")
@max_duration_option
@operator_option("Also list the failed hidden scenarios.")
@json_option
@click.pass_obj
def evaluate(
    invocation: Invocation,
    reference: str,
    asks_judge: bool,
    replay_cut: bool,
    reason: str,
    max_duration: str,
    to_operator: bool,
    as_json: bool,
) -> ExitCode:
    """Evaluate a run, again or for the first time.

    The verdict is based on the trials of all evaluations of the run. Trials of another run also
    count if that run produced the same files and was evaluated with the same suite. Exit with 5 if
    the verdict is 'no-go'.

    A trial that was running when its process died is cut, and a trial whose judge failed is
    unjudged: they have no result, and without all results the verdict is 'no-go'. --judge asks only
    the judge again. --replay-cut plays cut trials again; the ledger records who ordered it and why.

    --max-duration limits the working time of all stages and evaluations of the run together. At the
    limit no further trial starts, and the exit status is 3.
    """
    if replay_cut != bool(reason):
        raise UsageError("--replay-cut and --reason need each other")
    if asks_judge and replay_cut:
        raise UsageError(
            "--judge and --replay-cut exclude each other",
            hint="cut trials first: after them the judge is asked again, too",
        )
    budgets = budgets_of(None, None, max_duration)
    root = opened_of(invocation).find(reference)
    watcher = Watcher(invocation, root)
    opened = opened_of(invocation, observer=watcher, output=watcher.output)
    by = operator_name(invocation, Scope.OPERATE)
    if replay_cut:
        order_replay(root, opened, by=by, rationale=reason)
    elif asks_judge:
        judge_again(root, opened, by=by)
    else:
        request_evaluation(root, opened, by=by)
    result = walk(resume_run(root, opened, Overrides(evaluate=True, budgets=budgets)), watcher)
    if result.exit_code == ExitCode.UNFINISHED:
        return show_end(result, opened.project, as_json=as_json)
    facts, judged = ask_gate(root, opened)
    words = verdict_text(facts, judged, to_operator=to_operator)
    show_result(verdict_record(judged, to_operator=to_operator), words, as_json=as_json)
    return ExitCode.DONE if judge(judged).go else ExitCode.NO_GO


part = evaluate
