"""Start missions, and see what they did: work on an aim with a plan, without a person."""

import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.names import name_after
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.fleet import require_extra
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import (
    Amount,
    chosen_model_options,
    judge_options,
    opened_of,
    sandbox_option,
)
from attractor.config.user_folders import TOKEN_VARIABLE
from attractor.factory.open_project import OpenProject
from attractor.factory.operator_process import Scope
from attractor.language.source.text import visible
from attractor.missions.people import accept_plan, edit_plan, relative_spec, say, start_mission
from attractor.missions.plan import plan_text
from attractor.missions.records import Mission, Said, find_mission, missions_of_project
from attractor.missions.report import MissionReport, lines_of, report_of

_POLL_S = 0.2


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def mission(ctx: click.Context, as_json: bool) -> ExitCode:
    """Start missions, and see what they did: work on an aim with a plan, without a person.

    A planner cuts the aim into tasks, workers carry them out, each in a run of its own, and what
    holds lands on the branch attractor/mission/NAME. Holdouts judge the branch at milestones and at
    the end. A person promotes the result, as that of any run. Without a command, list the missions.
    """
    if ctx.invoked_subcommand is None:
        return _list(opened_of(ctx.ensure_object(Invocation)), as_json=as_json)
    return ExitCode.DONE


@mission.command()
@click.argument("words", nargs=-1, metavar="[INTENT]")
@chosen_model_options
@click.option(
    "--from",
    "spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Build what this committed file describes.",
)
@judge_options("Judge the branch with this suite.", "Judge by this profile.")
@click.option("--name", default="", help="Name the mission (default: after its intent).")
@click.option("--hours", type=Amount(), default=8.0, show_default=True, help="End it after this.")
@click.option(
    "--max-cost-usd", type=Amount(min=0, min_open=True), help="Limit the cost of all its runs."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 50),
    default=3,
    show_default=True,
    help="Let at most this many tasks be in work at once.",
)
@click.option(
    "--hands-off", is_flag=True, help="Carry out plans without faults without asking a person."
)
@click.option(
    "--with",
    "backend",
    default="agent",
    show_default=True,
    metavar="NAME",
    help="Plan and work with this backend, such as codex or claude.",
)
@click.option(
    "--pipeline",
    default="",
    metavar="FILE",
    help="Run this pipeline of the project for each task, with the task as its goal and the "
    "command that shows it as the input `check`.",
)
@click.option(
    "--on",
    "pool",
    default="",
    metavar="POOL",
    help="Let workers of this pool of the fleet carry out the tasks; this machine does the rest.",
)
@sandbox_option()
@json_option
@click.pass_obj
def start(
    invocation: Invocation,
    words: tuple[str, ...],
    spec: Path | None,
    name: str,
    as_json: bool,
    **flags: Any,
) -> ExitCode:
    """Start a mission with an INTENT, or from a specification; it works in the background.

    It works from the last commit. With --hands-off it asks for nothing but a decision at the end.
    """
    by, opened = operator_name(invocation, Scope.OPERATE), opened_of(invocation)
    if flags["hands_off"] and invocation.environ.get(TOKEN_VARIABLE):
        hint = "remove it; or type the command yourself, without ATTRACTOR_TOKEN"
        raise UsageError("--hands-off is the word of a person, and not of a token", hint=hint)
    if flags["pool"]:
        require_extra()
    intent, flags["suite"] = " ".join(words), flags["suite"] or opened.project.suite
    asked = Mission(
        name=name or name_after(intent or (spec.stem if spec else ""), []),
        intent=intent,
        by=by,
        created=opened.now(),
        base="",
        spec=relative_spec(spec, opened) if spec else "",
        **flags,
    )
    folder = start_mission(asked, opened, is_named=bool(name))
    if as_json:
        show_json(report_of(folder, opened).to_record())
        return ExitCode.DONE
    quoted = shlex.quote(folder.name)
    show(f"The mission {folder.name} works on the branch {asked.branch}.")
    if not asked.suite:
        show("No suite judges its result; write one: attractor suite draft SPEC.md", err=True)
    show(f"  what it does:  attractor mission show {quoted}")
    show(f"  its plan:      attractor mission plan {quoted}")
    show(f"  stop it:       attractor mission stop {quoted}")
    return ExitCode.DONE


@mission.command("list")
@json_option
@click.pass_obj
def list_(invocation: Invocation, as_json: bool) -> ExitCode:
    """List the missions of this project."""
    return _list(opened_of(invocation), as_json=as_json)


def _list(opened: OpenProject, *, as_json: bool) -> ExitCode:
    found = [report_of(folder, opened) for folder in missions_of_project(opened)]
    if as_json:
        show_json([one.to_record() for one in found])
    elif not found:
        show('There are no missions. Start one: attractor mission start "INTENT"')
    for one in () if as_json else found:
        landed = sum(task.status == "landed" for task in one.tasks)
        why = f": {one.waits_for}" if one.waits_for else ""
        show(visible(f"{one.name}  {one.status}{why}  {landed} of {len(one.tasks)} tasks landed"))
    return ExitCode.DONE


@mission.command("show")
@click.argument("name")
@click.option("--wait", is_flag=True, help="Wait until it has ended, or needs a person.")
@json_option
@click.pass_obj
def show_(invocation: Invocation, name: str, wait: bool, as_json: bool) -> ExitCode:
    """Show a mission: its tasks, its verdict, and what it waits for with the command.

    Exit with 0 if it works, if its verdict is go, or if all tasks are landed and no suite judges;
    with 1 if it ended otherwise, and with 3 if it waits for a person.
    """
    opened = opened_of(invocation)
    folder = find_mission(name, opened)
    while (found := report_of(folder, opened)).status == "working" and wait:
        time.sleep(_POLL_S)
    return _show(found, as_json=as_json)


@mission.command()
@click.argument("name")
@json_option
@click.pass_obj
def report(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Report on a mission: asked, landed, given up, spent, and what waits for a person."""
    opened = opened_of(invocation)
    found = report_of(find_mission(name, opened), opened)
    if as_json:
        show_json(found.to_record())
        return ExitCode.DONE
    show("\n".join(map(visible, _morning_lines(found))))
    return ExitCode.DONE


def _morning_lines(found: MissionReport) -> list[str]:
    lines = lines_of(found)
    for task in found.tasks:
        if task.returned:
            lines.append(f"  in vain, {task.id}:")
            lines += [f"    {words.splitlines()[0]}" for words in task.returned]
    lines += [f"  spent as {role}: ${cost:.2f}" for role, cost in found.cost_by_role.items()]
    lines += [f"  judged: {words}" for words in found.evaluations]
    return lines


@mission.command()
@click.argument("name")
@click.option("--accept", is_flag=True, help="Let the mission carry the plan out.")
@click.option(
    "--edit",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Replace the plan by this file, whose form is that of the output.",
)
@json_option
@click.pass_obj
def plan(
    invocation: Invocation, name: str, accept: bool, edit: Path | None, as_json: bool
) -> ExitCode:
    """Print the plan of a mission as TOML, replace it, or accept it.

    Without --json, the output is the file that --edit takes; what is wrong with the plan is written
    to standard error.
    """
    opened = opened_of(invocation)
    folder = find_mission(name, opened)
    if edit or accept:
        by = operator_name(invocation, Scope.OPERATE)
        opened.refuse_in_run("'attractor mission plan'")
        if edit:
            edit_plan(folder, edit.read_text("utf-8"), opened, by)
        if accept:
            accept_plan(folder, opened, by)
        return _show(report_of(folder, opened), as_json=as_json)
    found = folder.read().plan
    if found is None:
        raise UsageError(
            f"the mission {folder.name} has no plan yet",
            hint=f"see: attractor mission show {folder.name}",
        )
    if as_json:
        faults = list(found.faults)
        show_json({"plan": plan_text(found.tasks, found.requirements), "faults": faults})
        return ExitCode.DONE
    show(plan_text(found.tasks, found.requirements))
    for fault in found.faults:
        show(visible(fault), err=True)
    return ExitCode.DONE


@mission.command()
@click.argument("name")
@click.option("--now", is_flag=True, help="Cancel the runs that work; a resume does them anew.")
@json_option
@click.pass_obj
def pause(invocation: Invocation, name: str, now: bool, as_json: bool) -> ExitCode:
    """Let no more runs of a mission begin; those that work end."""
    return _say(Said.PAUSED, name, invocation, as_json=as_json, now=now)


@mission.command()
@click.argument("name")
@json_option
@click.pass_obj
def stop(invocation: Invocation, name: str, as_json: bool) -> ExitCode:
    """Stop a mission for good, after the runs that work have ended; its branch stays."""
    return _say(Said.STOPPED, name, invocation, as_json=as_json)


@mission.command()
@click.argument("name")
@click.option("--max-cost-usd", metavar="USD", help="Set another budget, or `none`.")
@click.option("--hours", type=Amount(min=0, min_open=True), help="Set another time in all.")
@json_option
@click.pass_obj
def resume(
    invocation: Invocation,
    name: str,
    max_cost_usd: str | None,
    hours: float | None,
    as_json: bool,
) -> ExitCode:
    """Let a mission go on: after a pause, a spent budget, a kill, or with a task left to you."""
    changes: dict[str, float | None] = {"hours": hours} if hours else {}
    if max_cost_usd:
        is_none = max_cost_usd == "none"
        amount = Amount(min=0, min_open=True)
        changes["max_cost_usd"] = None if is_none else amount.convert(max_cost_usd, None, None)
    return _say(Said.RESUMED, name, invocation, changes, as_json=as_json)


def _say(
    said: Said,
    name: str,
    invocation: Invocation,
    changes: Mapping[str, float | None] | None = None,
    *,
    as_json: bool,
    now: bool = False,
) -> ExitCode:
    by, opened = operator_name(invocation, Scope.OPERATE), opened_of(invocation)
    opened.refuse_in_run(f"'attractor mission {said}'")
    folder = find_mission(name, opened)
    say(said, folder, opened, by, changes, now=now)
    return _show(report_of(folder, opened), as_json=as_json)


def _show(found: MissionReport, *, as_json: bool) -> ExitCode:
    if as_json:
        show_json(found.to_record())
    else:
        show("\n".join(map(visible, lines_of(found))))
    if found.status == "waiting":
        return ExitCode.UNFINISHED
    return ExitCode.FAILED if found.ended and not found.is_good else ExitCode.DONE


part = mission
