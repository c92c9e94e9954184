"""Judge a run afresh: go or no-go, and why."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.cli.worlds import world_of
from attractor.factory.gate import BOUND_SENTENCE, GateReport
from attractor.factory.gate import gate as judge
from attractor.factory.launch import evaluator_of, hold
from attractor.pipeline.runs import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def gate(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Judge a run afresh: go or no-go, and why.

    The answer is computed from the sealed trials; a stored verdict is never trusted. Ends with 5
    when it is no-go.
    """
    world = world_of(invocation)
    with hold(find_run(reference, world.runs_dir), world) as run:
        report = judge(evaluator_of(world.state_dir).judged(run))
    if as_json:
        show_json(report.to_record())
    else:
        show(as_text(report))
    return ExitCode.DONE if report.go else ExitCode.NO_GO


def as_text(report: GateReport) -> str:
    """Return the gate's answer for a person."""
    lines = [
        "go" if report.go else "no-go",
        f"  {report.satisfied} of {report.played} trials satisfied, satisfaction "
        f"{float(report.satisfaction):.3f}, lower bound {report.bound:.3f}",
        f"  {BOUND_SENTENCE}",
    ]
    return "\n".join([*lines, *(f"  {one.rule}: {one.words}" for one in report.reasons)])


part = gate
