"""Show a registered suite."""

import click

from attractor.base.amounts import number_of
from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.resources import version_line
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.verdicts import operator_option
from attractor.cli.shell_completion import complete_suites
from attractor.factory.resources.suites import suite_record
from attractor.scenarios.satisfaction import failures_allowed
from attractor.scenarios.suite import Scenario, SuiteSettings


@click.command("show")
@click.argument("reference", metavar="NAME[@VERSION]", shell_complete=complete_suites)
@operator_option("Also show the hidden scenarios.")
@json_option
@click.pass_obj
def show_suite(
    invocation: Invocation, reference: str, to_operator: bool, as_json: bool
) -> ExitCode:
    """Show a version of a suite: thresholds, train scenarios and the number of holdouts."""
    store = opened_of(invocation).suites
    version = store.versions.find(reference)
    suite = store.open(version).suite
    settings, holdouts = suite.settings, len(suite.of_split("holdout"))
    shown = suite.scenarios if to_operator else suite.of_split("train")
    gate, trials = settings.gate, number_of(settings.trials.n, "trial")
    allowed = f"{number_of(failures_allowed(suite), 'failure')} allowed"
    return show_result(
        suite_record(version, suite, to_operator=to_operator),
        version_line(version),
        f"  for {_pipelines(settings)}, {trials} of each scenario",
        f"  satisfaction at least {float(gate.min_satisfaction):.3f}, lower bound at least "
        f"{gate.min_lower_bound:.3f}, {allowed}",
        f"  {number_of(holdouts, 'held-out scenario')}"
        f"{'' if to_operator else ' (shown with --operator)'}",
        *(f"  {line}" for line in table([_row(one) for one in shown])),
        as_json=as_json,
    )


def _pipelines(settings: SuiteSettings) -> str:
    if settings.judges_all:
        return "all pipelines"
    return f"the pipeline{'s' * (len(settings.pipeline) > 1)} {', '.join(settings.pipeline)}"


def _row(scenario: Scenario) -> tuple[str, str, str, str]:
    tags = f" [{', '.join(scenario.tags)}]" if scenario.tags else ""
    return scenario.id, scenario.split, f"weight {scenario.weight}", f"{scenario.title}{tags}"


part = show_suite
