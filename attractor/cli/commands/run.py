"""Run a pipeline and evaluate the result."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from attractor.base.errors import AttractorError, ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_result
from attractor.cli.runs.fleet import OnPool, pool_options
from attractor.cli.runs.gallery import with_test_command
from attractor.cli.runs.observers import show_end
from attractor.cli.runs.pipelines import find_pipeline
from attractor.cli.runs.setup import (
    INPUT_FORMS,
    budget_options,
    input_option,
    interviewer_option,
    judge_options,
    node_model_options,
    opened_of,
    permission_options,
    place_option,
    read_inputs,
    refuse_on_pool,
    sandbox_option,
    turn_of,
)
from attractor.cli.runs.walk import Watcher, walk
from attractor.cli.shell_completion import complete_runs, complete_workspaces
from attractor.engine.budgets import Budgets
from attractor.engine.run_folder.result import RunResult
from attractor.engine.simulation.outcomes import open_outcomes
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import check_run, start_run
from attractor.interviewers.queue import NAME as QUEUE
from attractor.interviewers.registry import placed_name, read_name
from attractor.language.source.text import visible
from attractor.pipeline.preflight.toolchain import compare_called_programs
from attractor.records.lookup import find_run
from attractor.records.request import RunRequest


@click.command()
@click.argument(
    "pipeline",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="PIPELINE.dot",
)
@click.option("--goal", default="", help="Replace the goal of the pipeline.")
@input_option(f"Set an input: {INPUT_FORMS}. Do not write secrets on the command line.")
@click.option(
    "--inputs",
    "inputs_file",
    type=click.Path(path_type=Path),
    help="Read inputs from a JSON or TOML file (--input overrides it).",
)
@click.option(
    "--backend",
    default="",
    help="Execute stages with this backend (default: backends.default, or agent).",
)
@node_model_options
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path),
    help="Read the outcome of each node from a JSON or TOML file. Requires --backend simulate.",
)
@click.option(
    "--workspace",
    default=RunRequest.workspace,
    show_default=True,
    metavar="KIND|NAME",
    shell_complete=complete_workspaces,
    help="Choose the workspace. isolated: a checkout of the last commit, or a copy if "
    "the project is not in Git; copy: a copy of the current files; in-place: the project folder; "
    "none: the project folder without snapshots; NAME: the folder of a dimension.",
)
@click.option(
    "--include-dirty",
    is_flag=True,
    help="Include uncommitted changes in the workspace.",
)
@sandbox_option()
@place_option
@permission_options
@interviewer_option
@click.option("--auto-approve", is_flag=True, help="Short for --interviewer auto_approve.")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    help="Answer the next human gate with this choice. May be repeated. "
    "Implies --interviewer queue.",
)
@budget_options
@judge_options(
    "Judge the run with this suite. A new name is registered by its committed lock.",
    "Judge the run by this profile.",
)
@click.option(
    "--feedback",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Put the verdict on this earlier run into the context: rules, tags and counts.",
)
@click.option("--no-evaluate", is_flag=True, help="Skip the evaluation.")
@click.option(
    "--no-wait-for-limits",
    is_flag=True,
    help="Stop the run, resumably, if the account of a model has reached a limit, instead of "
    "waiting for its reset. The limit of an outside program fails its stage.",
)
@click.option("--run-dir", type=click.Path(path_type=Path), help="Store the run in this folder.")
@pool_options
@click.option(
    "--preflight",
    "only_checks",
    is_flag=True,
    help="Only check whether the pipeline can run, and compare the versions of compilers and the "
    "like in the sandbox with those outside; execute no stage.",
)
@json_lines_option
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
    interviewer: str,
    answers: tuple[str, ...],
    budgets: Budgets,
    suite: str,
    profile: str,
    run_dir: Path | None,
    on: OnPool | None,
    as_json: bool,
    **flags: Any,
) -> ExitCode:
    """Run a pipeline and evaluate the result.

    All stages are recorded in a run directory, so that 'attractor resume' can continue an
    interrupted run. PIPELINE.dot can also be a registered version (plan@3), one of the gallery
    (gallery:bug_fix), or '-' for standard input. Progress is printed to standard error. Exit with 0
    if the pipeline succeeds, 1 if it fails, and 3 if it waits for a person or its budget is spent.
    """
    watcher = Watcher(invocation, root := run_dir and run_dir.absolute(), as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    pipeline, opened, gallery = find_pipeline(pipeline, opened)
    request = RunRequest(
        file=pipeline.absolute(),
        goal=goal,
        inputs=read_inputs(pairs, inputs_file, environ=invocation.environ),
        backend=backend or invocation.configuration.settings.backends.default,
        model=model,
        provider=provider,
        workspace=workspace,
        include_dirty=flags["include_dirty"],
        sandbox=flags["sandbox"],
        interviewer=_interviewer(invocation, interviewer, flags["auto_approve"], answers),
        answers=answers,
        outcomes=open_outcomes(outcomes) if outcomes else None,
        budgets=budgets,
        suite=suite,
        profile=profile,
        evaluate=not flags["no_evaluate"],
        waits_for_limits=not flags["no_wait_for_limits"],
        permissions=flags["permissions"],
    )
    request = replace(request, gallery=gallery, place=flags["place"])
    request = with_test_command(request, opened.project)
    earlier = find_run(name, opened.project.runs_dir) if (name := flags["feedback"]) else None
    if flags["only_checks"]:
        return _check(request, opened, earlier, as_json=as_json)
    if on:
        return _run_on(on, request, opened, earlier, as_json=as_json)
    work = start_run(request, opened, root=root, feedback=earlier, await_turn=turn_of(opened))
    return show_end(_walk(work, request.file, opened, watcher), opened.project, as_json=as_json)


def _run_on(
    on: OnPool,
    request: RunRequest,
    opened: OpenProject,
    feedback: Path | None,
    *,
    as_json: bool,
) -> ExitCode:
    """Let a worker of the fleet execute a run."""
    refuse_on_pool(request.place)
    # Imported here, because only the fleet needs a database.
    from attractor.cli.runs.dispatch import run_on

    return run_on(on, request, opened, feedback=feedback, as_json=as_json)


def _walk(
    work: Coroutine[Any, Any, RunResult], file: Path, opened: OpenProject, watcher: Watcher
) -> RunResult:
    """Execute a run; warn if task runs of its pipeline are held, and let them begin if it succeeds.

    A run by hand begins nevertheless.
    """
    # Imported here, because most projects have no actors.
    from attractor.worlds.holds import hold_of_pipeline
    from attractor.worlds.touches import touches_of_file, warn_of_overlap

    hold = None
    # A warning fails no run.
    with suppress(AttractorError):
        hold = hold_of_pipeline(str(file), opened)
        warn_of_overlap(opened, touches_of_file(file, opened))
    if hold:
        show(visible(f"warning: {hold.words}; messages wait: attractor attention"), err=True)
    result = walk(work, watcher)
    if hold and result.outcome and result.outcome.is_success:
        from attractor.worlds.slots import start_waiting

        start_waiting(opened, is_hold_over=True)
    return result


def _check(
    request: RunRequest, opened: OpenProject, feedback: Path | None, *, as_json: bool
) -> ExitCode:
    """Print that a run can begin, or raise an error with all reasons why not."""
    plan = asyncio.run(check_run(request, opened, feedback=feedback))
    sandbox, request = plan.sandbox, plan.request
    programs = asyncio.run(compare_called_programs(plan.pipeline, request, sandbox, plan.scope))
    differences = [one.difference for one in programs if one.difference]
    missing = "" if any(one.is_silent for one in programs) else ": nothing is missing"
    end = f"{plan.report.pipeline} can run{missing}."
    record = {"sandbox": sandbox.kind, "model": request.model, "provider": request.provider}
    more = {"programs": [one.to_json() for one in programs]}
    lines = [sandbox.sentence, *plan.report.notices, *differences, end]
    return show_result(record | more, *lines, as_json=as_json)


def _interviewer(
    invocation: Invocation, named: str, auto_approve: bool, answers: Sequence[str]
) -> str:
    """Return the interviewer that the options name; if none, each process chooses one."""
    named = "auto_approve" if auto_approve else named or (QUEUE if answers else "")
    name = read_name(named)
    if answers and QUEUE not in (name.name, name.inner):
        raise UsageError(
            f"--answer cannot be combined with the interviewer {named}",
            hint=f"remove --answer, or pass --interviewer {QUEUE}",
        )
    return placed_name(named, invocation.folder)


part = run
