"""Judge a run afresh: go or no-go, and why."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.questions import operator_option, verdict_record, verdict_text
from attractor.cli.runs.setup import world_of
from attractor.factory.gate import gate as judge
from attractor.factory.launch import ask_gate
from attractor.pipeline.run_lookup import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@operator_option
@json_option
@click.pass_obj
def gate(invocation: Invocation, reference: str, to_operator: bool, as_json: bool) -> ExitCode:
    """Judge a run afresh: go or no-go, and why.

    The answer is computed from the sealed trials; a stored verdict is never trusted. It tells rules
    and counts, which give no hidden scenario away. Ends with 5 when it is no-go. A run that is at
    work may be asked about too.
    """
    world = world_of(invocation)
    facts, judged = ask_gate(find_run(reference, world.runs_dir), world)
    if as_json:
        show_json(verdict_record(judged, to_operator=to_operator))
    else:
        show(verdict_text(facts, judged, to_operator=to_operator))
    return ExitCode.DONE if judge(judged).go else ExitCode.NO_GO


part = gate
