"""Go on from an earlier stage of a run, in a new run beside it."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.budget_options import budgets_of
from attractor.cli.forks import fork_and_walk, fork_options, interviewer_of
from attractor.cli.invocation import Invocation
from attractor.pipeline.forking import Wish
from attractor.pipeline.runs import find_run


@click.command()
@fork_options
@click.pass_obj
def fork(
    invocation: Invocation,
    reference: str,
    at: str,
    graph: Path | None,
    interviewer: str,
    max_cost_usd: float | None,
    max_tokens: int | None,
    max_duration: str,
    no_evaluate: bool,
    run_dir: Path | None,
    as_json: bool,
) -> ExitCode:
    """Go on from an earlier stage of a run, in a new run beside it.

    RUN is an id, the beginning of one, a run directory, or 'latest'. The new run begins as the old
    one was right before that visit of the node, or before its last visit: context, files, retries
    and visits. The old run is not touched. --graph goes on with a changed pipeline, and tells how
    it differs.
    """
    wish = Wish(
        root=find_run(reference, invocation.configuration.settings.runs_dir),
        at=at,
        graph=graph,
        interviewer=interviewer_of(invocation, interviewer),
        budgets=budgets_of(max_cost_usd, max_tokens, max_duration),
        new_root=run_dir.absolute() if run_dir else None,
    )
    return fork_and_walk(invocation, wish, evaluate=not no_evaluate, as_json=as_json)


part = fork
