"""Go back to an earlier stage of a run: a new run goes on from there, and the old one ends."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.budget_options import budgets_of
from attractor.cli.forks import Ending, fork_and_walk, fork_options, interviewer_of
from attractor.cli.invocation import Invocation
from attractor.pipeline.forking import Wish
from attractor.pipeline.runs import find_run


@click.command()
@fork_options
@click.option("--why", default="", help="Why, for the record.")
@click.pass_obj
def rewind(
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
    why: str,
) -> ExitCode:
    """Go back to an earlier stage of a run: a new run goes on from there, and the old one ends.

    As 'attractor fork', but the old run is canceled first, unless it is over for good. Its record
    stays as it is. A run that works in the project's own folder has that put back to how it was;
    what differed is kept in the new run's directory, under incidents.
    """
    wish = Wish(
        root=find_run(reference, invocation.configuration.settings.runs_dir),
        at=at,
        graph=graph,
        interviewer=interviewer_of(invocation, interviewer),
        budgets=budgets_of(max_cost_usd, max_tokens, max_duration),
        new_root=run_dir.absolute() if run_dir else None,
        ends_other=True,
    )
    return fork_and_walk(
        invocation,
        wish,
        evaluate=not no_evaluate,
        as_json=as_json,
        ending=Ending(reference, why),
    )


part = rewind
