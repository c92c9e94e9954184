"""Run a pipeline, and evaluate what came of it."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.setup import INPUT_FORMS, budget_options, budgets_of, world_of
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.simulation.walk import open_outcomes
from attractor.factory.launch import launch
from attractor.interviewers.registry import INTERVIEWERS, placed_name
from attractor.pipeline.options import RunOptions, WorkspaceKind, given_inputs


@click.command()
@click.argument("pipeline", type=click.Path(path_type=Path), metavar="PIPELINE.dot")
@click.option("--goal", default="", help="Another goal than the one the pipeline has.")
@click.option(
    "--input",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help=f"What the run is given: {INPUT_FORMS}; a secret had better not be on a command line.",
)
@click.option(
    "--inputs",
    "inputs_file",
    type=click.Path(path_type=Path),
    help="A JSON or TOML file of inputs; --input counts more.",
)
@click.option("--backend", default="agent", show_default=True, help="What does the stages.")
@click.option("--model", default="", help="The model of nodes that name none.")
@click.option("--provider", default="", help="The provider of nodes that name none.")
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path),
    help="A JSON or TOML file of outcomes by node, for the backend simulate.",
)
@click.option(
    "--workspace",
    type=click.Choice([kind.value for kind in WorkspaceKind]),
    default=WorkspaceKind.ISOLATED.value,
    show_default=True,
    help="The tree to work on: the last commit (outside git: a copy), a copy of the files as they "
    "are, the project itself, or no snapshots.",
)
@click.option(
    "--include-dirty",
    is_flag=True,
    help="Take along what is not committed; the project stays as it is.",
)
@click.option(
    "--sandbox",
    default="auto",
    show_default=True,
    help="Where tools run: auto, bubblewrap or none.",
)
@click.option(
    "--interviewer",
    default="",
    help=f"Who answers human gates: {INTERVIEWERS}.",
)
@click.option("--auto-approve", is_flag=True, help="Short for --interviewer auto_approve.")
@click.option("--answer", "answers", multiple=True, help="An answer for the interviewer queue.")
@budget_options
@click.option("--suite", default="", metavar="S[@V]", help="The suite that judges the run.")
@click.option("--profile", default="", metavar="P[@R]", help="The policy it is judged by.")
@click.option("--no-evaluate", is_flag=True, help="Stop before the evaluation.")
@click.option("--run-dir", type=click.Path(path_type=Path), help="Where to keep the run.")
@json_option
@click.pass_obj
def run(
    invocation: Invocation,
    pipeline: Path,
    goal: str,
    pairs: tuple[str, ...],
    inputs_file: Path | None,
    backend: str,
    model: str,
    provider: str,
    outcomes: Path | None,
    workspace: str,
    include_dirty: bool,
    sandbox: str,
    interviewer: str,
    auto_approve: bool,
    answers: tuple[str, ...],
    max_cost_usd: float | None,
    max_tokens: int | None,
    max_duration: str,
    suite: str,
    profile: str,
    no_evaluate: bool,
    run_dir: Path | None,
    as_json: bool,
) -> ExitCode:
    """Run a pipeline, and evaluate what came of it.

    Every stage is kept in a run directory; a run that died goes on with 'attractor resume'. What
    happens is told on standard error. Ends with 0 when the pipeline ended well, 1 when it failed,
    and 3 when it waits for a person or a budget is used up.
    """
    options = RunOptions(
        file=pipeline.absolute(),
        goal=goal,
        inputs=given_inputs(pairs, inputs_file, environ=invocation.environ),
        backend=backend,
        model=model,
        provider=provider,
        workspace=WorkspaceKind(workspace),
        include_dirty=include_dirty,
        sandbox=sandbox,
        interviewer=_interviewer(invocation, interviewer, auto_approve),
        answers=answers,
        outcomes=open_outcomes(outcomes) if outcomes else None,
        budgets=budgets_of(max_cost_usd, max_tokens, max_duration),
        suite=suite,
        profile=profile,
    )
    runs_dir = invocation.configuration.settings.runs_dir
    root = run_dir.absolute() if run_dir else None
    watcher = Watcher(invocation, root, as_json=as_json)
    world = world_of(invocation, watch=watcher, output=watcher.output, quiet=watcher.quiet)
    result = walk(launch(options, world, root=root, evaluate=not no_evaluate), watcher)
    return show_end(result, runs_dir, as_json=as_json)


def _interviewer(invocation: Invocation, named: str, auto_approve: bool) -> str:
    if auto_approve:
        return "auto_approve"
    # Where nobody sits, a question is left for whoever comes.
    named = named or ("console" if invocation.has_terminal else "park")
    return placed_name(named, invocation.folder)


part = run
