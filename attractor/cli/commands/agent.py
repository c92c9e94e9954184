"""Let one coding agent work in this folder, as a run with one stage."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.observers import read_outlook
from attractor.cli.runs.results import as_record, show_changes
from attractor.cli.runs.setup import (
    budget_options,
    chosen_model_options,
    opened_of,
    permission_options,
    place_option,
    sandbox_option,
)
from attractor.cli.runs.walk import Watcher, walk
from attractor.cli.shell_completion import complete_runs
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import describe_usage, usage_figures
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import LOST_SESSION
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.language.source.text import visible
from attractor.pipeline.project.project import Project
from attractor.records.diagnosis.failures import budget_option
from attractor.records.lookup import reference_of
from attractor.records.request import RunRequest
from attractor.records.summary import place_of
from attractor.records.transcript import TRANSCRIPT
from attractor.worlds.sessions import (
    FILE,
    STAGE,
    AgentSession,
    continue_session,
    find_session,
    keep_model,
    pipeline_text,
    read_answer,
)


@click.command()
@click.argument("task", nargs=-1, required=True, metavar="TASK")
@chosen_model_options
@click.option(
    "--agent",
    "agent_name",
    default="",
    metavar="NAME",
    help="Use the agent NAME (list: attractor agents).",
)
@click.option(
    "--backend",
    default="agent",
    show_default=True,
    help="Work with this backend, such as codex or claude.",
)
@sandbox_option()
@place_option
@permission_options
@click.option(
    "--in",
    "dimension",
    default="in-place",
    metavar="NAME",
    help="Work in this dimension (default: the project folder; list: attractor dimension list).",
)
@click.option(
    "--continue", "continues", is_flag=True, help="Continue the conversation of the last session."
)
@click.option(
    "--run",
    "reference",
    default="",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Continue the session of this run.",
)
@click.option(
    "--fresh",
    "is_fresh",
    is_flag=True,
    help="Continue in a new session of the agent, with what was said before as text.",
)
@budget_options
@json_lines_option
@click.pass_obj
def agent(
    invocation: Invocation,
    task: tuple[str, ...],
    model: str,
    provider: str,
    agent_name: str,
    backend: str,
    dimension: str,
    continues: bool,
    reference: str,
    is_fresh: bool,
    budgets: Budgets,
    as_json: bool,
    **flags: Any,
) -> ExitCode:
    """Let one coding agent work on TASK in the project folder.

    The agent's words and tool calls are printed to standard error, its last message to standard
    output. The session is a run: 'attractor steer latest TEXT' sends the agent a message, and
    'attractor logs --stage work' shows the session again. '-' reads TASK from standard input.
    """
    request = RunRequest(
        file=Path(FILE).absolute(),
        goal=_read_task(task),
        backend=backend,
        model=model,
        provider=provider,
        workspace=dimension,
        sandbox=flags["sandbox"],
        budgets=budgets,
        evaluate=False,
        permissions=flags["permissions"],
        place=flags["place"],
    )
    runs_dir = invocation.configuration.settings.runs_dir
    session = find_session(reference, runs_dir) if continues or reference else None
    if session is None and is_fresh:
        raise UsageError("--fresh needs a session to continue", hint="add --continue or --run RUN")
    work = partial(_work, invocation, pipeline_text(agent_name), as_json=as_json)
    if session is None:
        result, project = work(request)
    else:
        result, project = _continue(invocation, request, session, work, is_fresh=is_fresh)
    outlook = read_outlook(result, project)
    folder = RunDirectory(result.directory).stage(STAGE)
    answer = read_answer(folder)
    if as_json:
        more = {"answer": answer, "transcript": str(folder / TRANSCRIPT)}
        show_json(
            {**as_record(result, outlook), **more, **usage_figures(result.usage)}, is_line=True
        )
        return result.exit_code
    if answer:
        show(answer)
    show_changes(outlook.changes)
    show("\n".join(_summary(result, folder, project.runs_dir)), err=True)
    return result.exit_code


def _read_task(words: tuple[str, ...]) -> str:
    """Return the task of the command line, or of standard input."""
    task = " ".join(words)
    if words == ("-",):
        content = sys.stdin.buffer.read() if sys.stdin else b""
        task = content.decode("utf-8", "replace")
        if "\N{REPLACEMENT CHARACTER}" in task:
            show("Bytes of the task that are not UTF-8 were replaced.", err=True)
    if not task.strip():
        raise UsageError("the task is empty", hint='describe it: attractor agent "TASK"')
    return task


Work = Callable[[RunRequest], tuple[RunResult, Project]]
"""Type of a function that runs a session."""


def _work(
    invocation: Invocation, text: str, request: RunRequest, *, as_json: bool
) -> tuple[RunResult, Project]:
    watcher = Watcher(invocation, as_json=as_json, stage=STAGE)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    # Nothing judges a session, so the suite of the project does not matter.
    project = replace(opened.project.with_texts({str(request.file): text}), suite="")
    return walk(start_run(request, OpenProject(project)), watcher), project


def _continue(
    invocation: Invocation,
    request: RunRequest,
    session: AgentSession,
    work: Work,
    *,
    is_fresh: bool,
) -> tuple[RunResult, Project]:
    """Continue a session; if it is lost, ask at a terminal whether to begin afresh."""
    runs_dir = invocation.configuration.settings.runs_dir
    context = click.get_current_context()
    if context.get_parameter_source("backend") is ParameterSource.DEFAULT:
        request = replace(request, backend=session.request.backend)
    if context.get_parameter_source("dimension") is ParameterSource.DEFAULT:
        began = session.request
        place = {"folder": began.folder, "dimension": began.dimension}
        request = replace(request, workspace=began.workspace, **place)
    request = replace(request, place=request.place or session.request.place)
    request = keep_model(request, session)
    tell = partial(show, err=True)
    result, project = work(
        continue_session(request, session, runs_dir, tell=tell, is_fresh=is_fresh)
    )
    can_ask = invocation.has_terminal and not context.params["as_json"]
    if LOST_SESSION in result.reason and can_ask:
        show(result.reason, err=True)
        if click.confirm("Begin afresh, with what was said before as text?", err=True):
            return work(continue_session(request, session, runs_dir, tell=tell, is_fresh=True))
    return result, project


def _summary(result: RunResult, folder: Path, runs_dir: Path) -> list[str]:
    place = visible(place_of(read_manifest(RunDirectory(result.directory))))
    ended = result.outcome.value if result.outcome else "not ended"
    reason = f": {result.reason}" if result.reason else ""
    lines = [
        f"{ended}{reason}",
        *([f"place: {place}"] if place else []),
        f"used: {describe_usage(result.usage)}",
        f"transcript: {folder / TRANSCRIPT}",
    ]
    if result.exit_code is ExitCode.UNFINISHED:
        more = " ".join(["", *budget_option(result.reason)])
        run = reference_of(result.directory, runs_dir)
        return [*lines, f"resume: attractor resume {run}{more}"]
    return [*lines, "continue: attractor agent --continue TASK"]


part = agent
