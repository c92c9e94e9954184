"""Evaluate a run once more, or for the first time."""

import asyncio

import click

from attractor.base.errors import ExitCode
from attractor.cli.commands.gate import as_text
from attractor.cli.invocation import Invocation
from attractor.cli.operators import operator_name
from attractor.cli.options import json_option
from attractor.cli.output import show, show_json
from attractor.cli.progress import print_event
from attractor.cli.worlds import world_of
from attractor.engine.status import EVALUATING
from attractor.factory.gate import gate as judge
from attractor.factory.launch import evaluator_of, go_on, hold
from attractor.pipeline.runs import find_run


@click.command()
@click.argument("reference", metavar="RUN", default="latest")
@json_option
@click.pass_obj
def evaluate(invocation: Invocation, reference: str, as_json: bool) -> ExitCode:
    """Evaluate a run once more, or for the first time.

    The trials of a second evaluation count together with those of the first; they never replace
    them. Ends with 5 when the gate then says no-go.
    """
    world = world_of(invocation, watch=print_event)
    evaluator = evaluator_of(world.state_dir)
    root = find_run(reference, world.runs_dir)
    with hold(root, world) as run:
        if run.state.standing != EVALUATING:
            # Only a walk that ended well is evaluated; nothing is walked on here.
            evaluator.request_again(run, operator_name(invocation))
    asyncio.run(go_on(root, world))
    with hold(root, world) as run:
        report = judge(evaluator.judged(run))
    if as_json:
        show_json(report.to_record())
    else:
        show(as_text(report))
    return ExitCode.DONE if report.go else ExitCode.NO_GO


part = evaluate
