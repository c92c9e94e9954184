"""Show how often the holdouts of a suite passed."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.resources import version_line
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.verdicts import operator_option
from attractor.cli.shell_completion import complete_suites
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.evaluation.suite_history import ScenarioHistory, suite_history


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]", shell_complete=complete_suites)
@operator_option("Give the hidden scenarios their names.")
@json_option
@click.pass_obj
def history(invocation: Invocation, reference: str, to_operator: bool, as_json: bool) -> ExitCode:
    """Show how often each holdout of a suite passed, over the runs of the project.

    Holdouts have opaque names unless --operator is given.
    """
    evaluator = Evaluator(opened_of(invocation))
    version = evaluator.opened.suites.versions.find(reference)
    found = suite_history(version, evaluator, to_operator=to_operator)
    record = {**version.to_record(), "scenarios": [one.to_record() for one in found]}
    lines = [version_line(version), *table([_row(one) for one in found])]
    return show_result(record, *lines, as_json=as_json)


def _row(one: ScenarioHistory) -> tuple[str, str, str, str]:
    flaky = f"flaky in {one.flaky_runs}" if one.flaky_runs else ""
    marks = "".join(_mark(tally.satisfied, tally.played) for _, tally in one.runs)
    return one.scenario, f"{one.satisfied} of {one.played} trials", marks or "no runs", flaky


def _mark(satisfied: int, played: int) -> str:
    """Return the mark of a run: all, some or none of its trials were satisfied."""
    return "+" if satisfied == played else "~" if satisfied else "-"


part = history
