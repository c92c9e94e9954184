"""List the runs of the project, newest first."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from attractor.base.amounts import format_number, number_of
from attractor.base.clock import SystemClock
from attractor.base.durations import format_age
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json, table
from attractor.cli.runs.listings import landed, read_since, show_indexing
from attractor.cli.runs.setup import opened_of
from attractor.cli.runs.status import describe_plain
from attractor.engine.outcome import Usage, format_usage_cost
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.truncation import shorten
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.language.source.text import visible
from attractor.pipeline.status import plain_status, require_known_status
from attractor.records.summary import RunOverview
from attractor.records.workers import read_worker

_HEADING = ("run", "age", "status", "outcome", "pipeline", "cost", "goal")
_LONGEST_NAME = 24
_LONGEST_GOAL = 48

Projects = Mapping[Path, ProjectFolder]
"""Projects by their runs folders."""


@click.command()
@click.option(
    "--status", metavar="WORD", help="List only runs with this status or outcome, such as failed."
)
@click.option("--pipeline", metavar="NAME", help="List only runs of this pipeline.")
@click.option(
    "--since",
    metavar="WHEN",
    help="List only runs that started after this time, such as 2026-01-31T09:30, or not longer ago "
    "than this duration, such as 10m.",
)
@click.option("--suite", metavar="NAME[@VERSION]", help="List only runs that this suite judges.")
@click.option("--goal", metavar="TEXT", help="List only runs with this text in their goal.")
@click.option("--live", is_flag=True, help="List the processes that execute runs now.")
@click.option(
    "--everywhere", is_flag=True, help="List the runs of all projects of the state folder."
)
@click.option("--limit", type=click.IntRange(min=1), help="List at most this many runs.")
@json_option
@click.pass_obj
def runs(
    invocation: Invocation,
    status: str | None,
    pipeline: str | None,
    since: str | None,
    suite: str | None,
    goal: str | None,
    live: bool,
    everywhere: bool,
    limit: int | None,
    as_json: bool,
) -> ExitCode:
    """List the runs of the project, newest first.

    A run is running, needs you (with the reason), or has ended: succeeded, failed, canceled,
    approved or rejected. A run without a suite ends as "succeeded, not judged: no suite", and needs
    no decision. --json has the status of its journal; --status takes both.

    Of the runs of an actor, only the newest is listed, with their number; --json lists all. With
    --live, list the process, start and stages of each run that a process executes. With
    --everywhere, each run has the folder of its project.
    """
    settings = invocation.configuration.settings
    index = RunIndex(settings.state_dir, on_progress=show_indexing)
    query = RunQuery(
        status=status or "",
        pipeline=pipeline or "",
        since=read_since(since).astimezone(UTC).isoformat() if since else "",
        suite=suite or "",
        goal=goal or "",
        is_live=live,
        limit=limit or -1,
    )
    projects: Projects = _projects(settings.state_dir) if everywhere else {}
    if everywhere:
        found = index.everywhere(projects, query)
    else:
        found = index.runs(settings.runs_dir, query)
    if status and not found:
        require_known_status(status)
    if not found and not as_json:
        show(_nothing(invocation, index, is_live=live, everywhere=everywhere))
    elif live:
        _show_workers(found, projects, as_json=as_json)
    else:
        found = landed(invocation, found, projects)
        if as_json:
            show_json([{**run.to_record(), **_project_of(run, projects)} for run in found])
        else:
            shown = [*_newest_of_actors(found)]
            show("\n".join(_table(shown, SystemClock().now(), projects)))
    return ExitCode.DONE


def _show_workers(found: Sequence[RunOverview], projects: Projects, *, as_json: bool) -> None:
    """Print the processes that execute runs."""
    workers = [read_worker(run) for run in found]
    if as_json:
        records = [one.to_record() | _project_of(one.summary, projects) for one in workers]
        show_json(records)
        return
    rows = [
        (
            visible(worker.summary.run_id),
            *_names(worker.summary, projects),
            f"process {worker.pid}" if worker.pid else "unknown process",
            f"since {worker.since.astimezone():%Y-%m-%d %H:%M:%S}" if worker.since else "",
            describe_plain(plain_status(worker.summary)),
            visible(", ".join(stage.name for stage in worker.stages)),
        )
        for worker in workers
    ]
    show("\n".join(table(rows)))


def _projects(state_dir: Path) -> Projects:
    """Return the projects of the state folder; report those whose runs folder cannot be used."""
    found: dict[Path, ProjectFolder] = {}
    for folder in list_project_folders(state_dir):
        try:
            trouble = "" if folder.has_runs else "they are gone"
        except AttractorError as fault:
            trouble = fault.message
        if trouble:
            show(
                f"The runs of {folder.root} in {folder.runs_dir} are not listed: {trouble}.",
                err=True,
            )
        else:
            found[folder.runs_dir] = folder
    return found


def _project_of(run: RunOverview, projects: Projects) -> dict[str, Json]:
    """Return the project of a run for its record, in a list of all projects."""
    folder = projects.get(run.directory.parent)
    return {"project": {"id": folder.project_id, "folder": str(folder.root)}} if folder else {}


def _names(run: RunOverview, projects: Projects) -> list[str]:
    """Return the name of the project of a run, in a list of all projects."""
    folder = projects.get(run.directory.parent)
    return [visible(folder.root.name)] if folder else []


def _nothing(invocation: Invocation, index: RunIndex, *, is_live: bool, everywhere: bool) -> str:
    """Return why nothing is listed: the runs of --run-dir are not in the folder of runs."""
    if everywhere:
        return "No process executes a run." if is_live else "No run of a project matches."
    runs_dir = invocation.configuration.settings.runs_dir
    if not is_live and index.runs(runs_dir, RunQuery(limit=1)):
        return "No run matches. All runs: attractor runs"
    # This prints a message if the runs were removed.
    opened = opened_of(invocation)
    outside = opened.find_outside()
    if is_live:
        outside = [one for one in outside if is_held(RunDirectory(one).lock)]
    if outside:
        what = "A process executes a run" if is_live else "The newest run is stored"
        place = str(outside[-1])
        return visible(f"{what} in {place}: attractor status {shlex.quote(place)}")
    if is_live:
        return "No process executes a run."
    return "There are no runs yet. Start one: attractor run FILE"


def _table(found: Sequence[RunOverview], now: datetime, projects: Projects) -> list[str]:
    run, *others = _HEADING
    rows = [
        (run, *(["project"] if projects else []), *others),
        *(
            (
                visible(run.run_id),
                *_names(run, projects),
                format_age(now - run.started),
                describe_plain(plain_status(run)),
                visible(run.outcome) or "-",
                visible(shorten(run.drawn_in, _LONGEST_NAME)) or "-",
                _cost(run.usage),
                visible(shorten(run.subject if run.about else run.goal, _LONGEST_GOAL)),
            )
            for run in found
        ),
    ]
    lines = table(rows)
    for at in range(len(found), 0, -1):
        if trouble := found[at - 1].trouble:
            lines.insert(at + 1, f"  {visible(f'trouble: {trouble}')}")
    return lines


def _newest_of_actors(found: Sequence[RunOverview]) -> Iterator[RunOverview]:
    """Yield runs, and of each actor only its newest; its goal says whose it is."""
    counts = Counter((run.directory.parent, run.actor) for run in found if run.actor)
    for run in found:
        if not run.actor:
            yield run
        elif count := counts.pop((run.directory.parent, run.actor), 0):
            whose = f"actor {run.actor}, {number_of(count, 'run')}"
            yield replace(run, goal=f"{whose}: {run.goal}", about="")


def _cost(usage: Usage) -> str:
    """Return the cost; of models without a price, the tokens."""
    if usage.cost_usd or not usage.tokens:
        return format_usage_cost(usage)
    return f"{format_number(usage.tokens)} tokens"


part = runs
