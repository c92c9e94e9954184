"""Let a command work, and judge its files by hidden scenarios."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.files import write_whole
from attractor.cli.invocation import Invocation, json_lines_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.observers import read_outlook
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.results import as_record, as_text
from attractor.cli.runs.setup import F, budget_options, judge_options, opened_of, sandbox_option
from attractor.cli.runs.verdicts import junit_text, markdown_text, verdict_text
from attractor.cli.runs.walk import Watcher, walk
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import describe_usage, usage_figures
from attractor.engine.run_folder.result import RunResult
from attractor.factory.evaluation.failed_scenarios import verdict_record
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.factory.operations.submission import FILE as SUBMITTED
from attractor.factory.operator_process import Scope
from attractor.records.lookup import reference_of
from attractor.records.request import RunRequest, TypedCommand
from attractor.worlds.changes import find_change, submit_change
from attractor.worlds.judging import (
    STAGE,
    JudgedWork,
    describe_access,
    next_try,
    pipeline_text,
    read_verdict,
    request_of,
)


def _file_option(name: str, words: str) -> Callable[[F], F]:
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option(name, type=kind, metavar="FILE", help=words)


@click.command()
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND...")
@judge_options(
    "Judge the files with this suite. A new name is registered by its committed lock.",
    "Judge them by this profile.",
)
@click.option(
    "--diff",
    is_flag=False,
    flag_value="HEAD",
    default="",
    metavar="[BASE]",
    help="Judge your files as they are, as changes since BASE (default: the last commit).",
)
@click.option("--branch", default="", metavar="NAME", help="Judge a branch or a commit.")
@click.option("--pr", "pull", type=click.IntRange(1), metavar="N", help="Judge a pull request.")
@click.option("--base", default="", metavar="REF", help="Judge the changes since this commit.")
@click.option("--goal", default="", help="Name the work in lists (default: the command).")
@click.option(
    "--again",
    type=click.IntRange(0, 100),
    default=0,
    metavar="N",
    help="After a no-go, let the command go on at most N times: with its files, and the verdict on "
    "its input. Each time counts as an attempt on the suite.",
)
@click.option(
    "--attempts",
    type=click.IntRange(2, 100),
    metavar="N",
    help="Let the command work N times from the same commit, and rank the results: a race.",
)
@click.option("--network", "opens_network", is_flag=True, help="Let the command use your network.")
@click.option("--include-dirty", is_flag=True, help="Begin with your uncommitted changes.")
@sandbox_option("Run the command")
@_file_option("--junit", "Write the rules of the gate to this file, as JUnit.")
@_file_option("--markdown", "Write the verdict to this file, as Markdown.")
@budget_options
@json_lines_option
@click.pass_obj
def judge(
    invocation: Invocation,
    command: tuple[str, ...],
    suite: str,
    profile: str,
    goal: str,
    sandbox: str,
    budgets: Budgets,
    as_json: bool,
    **options: Any,
) -> ExitCode:
    """Let COMMAND work in a copy of the last commit, and judge its files by hidden scenarios.

    Example: attractor judge -- claude -p "fix the parser". COMMAND works in a sandbox, as a run of
    one stage. Model calls of claude, codex, gemini and opencode go through Attractor, which adds
    your key and counts them; others have no network. --diff, --branch and --pr judge work that is
    there already, by suite and settings of its base. Exit with 0 for a go, with 5 for a no-go or no
    verdict, with 1 if COMMAND fails, and with 3 if a budget is spent.
    """
    asked = RunRequest(
        file=invocation.folder / SUBMITTED,
        goal=goal,
        sandbox=sandbox,
        budgets=budgets,
        suite=suite,
        profile=profile,
        include_dirty=options["include_dirty"],
    )
    if options["diff"] or options["branch"] or options["pull"]:
        own = ("attempts", "again", "opens_network", "include_dirty")
        if command or any(map(options.get, own)):
            message = "a change that is there needs no command, and no option of one"
            raise UsageError(message, hint="remove one of the two")
        work, opened = _submit(asked, invocation, options, as_json=as_json)
        return _show(work, opened, options, as_json=as_json)
    _require_allowed(options)
    typed = TypedCommand(command, options["opens_network"])
    request = request_of(typed, invocation.folder, asked)
    show(describe_access(request, typed), err=True)
    if options["attempts"]:
        return _race(request, options["attempts"], invocation, as_json=as_json)
    work, opened = _work(request, options["again"], invocation, as_json=as_json)
    return _show(work, opened, options, as_json=as_json)


def _require_allowed(options: Mapping[str, Any]) -> None:
    """Refuse options that have no meaning for a command."""
    if options["attempts"] and options["again"]:
        raise UsageError("--attempts and --again exclude each other")
    if options["attempts"] and (options["junit"] or options["markdown"]):
        hint = "each attempt has a verdict of its own: attractor race show"
        raise UsageError("--junit, --markdown: a race writes no such file", hint=hint)
    if options["base"]:
        hint = "add --diff, --branch or --pr"
        raise UsageError("--base alone names no change", hint=hint)


def _submit(
    asked: RunRequest, invocation: Invocation, options: Mapping[str, Any], *, as_json: bool
) -> tuple[JudgedWork, OpenProject]:
    """Judge a change that is there already."""
    watcher = Watcher(invocation, as_json=as_json)
    opened = opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet)
    named = {name: options[name] for name in ("diff", "branch", "pull", "base")}

    async def work() -> RunResult:
        return await submit_change(await find_change(opened, **named), opened, asked)

    return read_verdict(walk(work(), watcher), opened), opened


def _ready(opened: OpenProject, request: RunRequest) -> OpenProject:
    texts = {str(request.file): pipeline_text()}
    return replace(opened, project=opened.project.with_texts(texts))


def _work(
    request: RunRequest, again: int, invocation: Invocation, *, as_json: bool
) -> tuple[JudgedWork, OpenProject]:
    """Let the command work, again after a no-go."""
    before: Path | None = None
    while True:
        watcher = Watcher(invocation, as_json=as_json, stage=STAGE)
        opened = _ready(
            opened_of(invocation, observer=watcher, output=watcher.output, quiet=watcher.quiet),
            request,
        )
        began = time.monotonic()
        result = walk(start_run(request, opened, feedback=before), watcher)
        work, before = read_verdict(result, opened), result.directory
        following = next_try(work, request, time.monotonic() - began) if again else None
        if following is None:
            return work, opened
        again -= 1
        show(f"no-go: the command goes on (tries left after this one: {again})", err=True)
        request = following


def _show(
    work: JudgedWork, opened: OpenProject, files: Mapping[str, Any], *, as_json: bool
) -> ExitCode:
    """Print the verdict, the changes, the cost, and the next commands; write the files."""
    result, report, words = work.result, work.report, work.words
    outlook = read_outlook(result, opened.project)
    lines = [as_text(result, outlook), f"  used:     {describe_usage(result.usage)}"]
    if work.facts and work.judged:
        lines.insert(0, verdict_text(work.facts, work.judged, to_operator=False))
    elif result.exit_code is ExitCode.DONE:
        lines.append(f"  judge:    {_how_to_be_judged(opened)}")
    if report and report.go:
        run = reference_of(result.directory, opened.project.runs_dir)
        lines += [f"  then:     attractor promote {run}   (--to pr: a pull request)"]
    text = "\n".join(lines)
    if files["junit"]:
        write_whole(files["junit"], junit_text(report, words), sync=False)
    if files["markdown"]:
        write_whole(files["markdown"], markdown_text(words, text), sync=False)
    if as_json:
        record = {**as_record(result, outlook), "verdict": words, **usage_figures(result.usage)}
        gate = verdict_record(work.judged, to_operator=False) if work.judged else None
        show_json({**record, "gate": gate}, is_line=True)
    else:
        show(text)
    if result.exit_code is not ExitCode.DONE:
        return result.exit_code
    return ExitCode.DONE if report and report.go else ExitCode.NO_GO


def _how_to_be_judged(opened: OpenProject) -> str:
    known = [f"--suite {name}" for name in opened.suites.versions.names()]
    return " or ".join(known) or "attractor suite init scenarios/NAME   (then: --suite NAME)"


def _race(request: RunRequest, attempts: int, invocation: Invocation, *, as_json: bool) -> ExitCode:
    # Imported here, because most commands are no races.
    from attractor.cli.commands.race import execute_race
    from attractor.factory.operations.race import begin_race

    opened = _ready(opened_of(invocation), request)
    by = operator_name(invocation, Scope.OPERATE)
    shared = request.budgets
    cost = None if shared.cost_usd is None else shared.cost_usd / attempts
    tokens = None if shared.tokens is None else max(1, shared.tokens // attempts)
    entrant = replace(request, budgets=replace(shared, cost_usd=cost, tokens=tokens))
    begun = asyncio.run(begin_race([entrant], opened, attempts=attempts, at_once=attempts, by=by))
    show(f"race {begun.race_id}: {attempts} attempts, {begun.counted} count", err=True)
    return execute_race(begun, invocation, opened, as_json=as_json)


part = judge
