"""Names of runs and projects, of this project or of another one of the state folder."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attractor.base.errors import AttractorError, UnknownName, UsageError
from attractor.base.events import Event
from attractor.base.ids import is_run_id
from attractor.base.names import find_named, match_names
from attractor.cli.invocation import C, Invocation
from attractor.cli.output.streams import show
from attractor.cli.shell_completion import complete_runs
from attractor.engine.errors import NoRun
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.state.run_state import Phase, StatusWord
from attractor.engine.truncation import shorten
from attractor.language.source.text import visible
from attractor.records.lookup import LATEST, SHOWN, find_run, run_names
from attractor.records.request import improved_run
from attractor.records.summary import RunOverview, summarize_any

if TYPE_CHECKING:
    from attractor.factory.project import ProjectFolder

_LONGEST_GOAL = 60
_SHORTEST = 4
_FILL = "0" * 26


def run_argument(
    waiting: str | None = None, *, prefers_newest: bool = False, **more: Any
) -> Callable[[C], C]:
    """Add the argument RUN; an id that only another project has makes that one the project.

    With `waiting`, RUN may be missing: it is the run that waits with this status, if there is one.
    With `prefers_newest`, it is the newest run, unless that one and others wait.
    """

    def enter(ctx: click.Context, param: click.Parameter, reference: str | None) -> str:
        invocation = ctx.ensure_object(Invocation)
        if reference is None:
            command = ctx.command_path
            reference = _default_run(invocation, waiting or "", command, prefers_newest)
        return _enter_project(invocation, reference)

    is_required = waiting is None and "default" not in more
    return click.argument(
        "reference",
        metavar="RUN",
        shell_complete=complete_runs,
        callback=enter,
        required=is_required,
        **more,
    )


def _default_run(invocation: Invocation, waiting: str, command: str, prefers_newest: bool) -> str:
    """Return the run that waits for a command, or the newest run that is not of an actor.

    Several that wait are an error with a list.
    """
    runs_dir = invocation.configuration.settings.runs_dir
    roots = (runs_dir / name for name in run_names(runs_dir))
    newest = next((root for root in roots if _is_of_no_actor(RunDirectory(root))), None)
    if prefers_newest and newest and not _waits(summarize_any(newest), waiting):
        return newest.name
    found = _waiting_runs(invocation, waiting) if waiting else []
    if len(found) > 1:
        goals = [shorten(run.subject, _LONGEST_GOAL) for run in found]
        lines = [
            f"{command} {run.directory.name}  # {visible(goal)}"
            for run, goal in zip(found[:SHOWN], goals, strict=False)
        ]
        more = [f"{len(found) - SHOWN} more: attractor runs"] if len(found) > SHOWN else []
        raise UsageError(f"{len(found)} runs wait for this", hint="\n".join([*lines, *more]))
    if found:
        return found[0].directory.name
    return newest.name if newest else LATEST


def _waiting_runs(invocation: Invocation, waiting: str) -> list[RunOverview]:
    """Return the runs that wait with a status.

    A run does not wait if a later one improves or rebases it, or did the same and was promoted; nor
    if its result was merged by hand, or rolled back.
    """
    # Imported here, because most commands name their run.
    from attractor.cli.runs.listings import landed
    from attractor.factory.history.index import RunIndex, RunQuery

    settings = invocation.configuration.settings
    with RunIndex(settings.state_dir).opened() as index:
        runs = [
            run
            for status in (StatusWord.AWAITING_HUMAN, StatusWord.APPROVED)
            for run in index.runs(settings.runs_dir, RunQuery(status=status))
        ]
    manifests = {run.run_id: read_manifest(RunDirectory(run.directory)) for run in runs}
    earlier = {one.rebased_from for one in manifests.values()}
    earlier |= {improved_run(one) for one in manifests.values()}
    tasks = {
        run: (one.pipeline, one.goal, str(one.options.get("inputs")))
        for run, one in manifests.items()
    }
    # The newest promoted run of each task, because the index lists the newest first.
    promoted = {tasks[run.run_id]: run.run_id for run in reversed(runs) if run.promoted_to}
    earlier |= {run for run, task in tasks.items() if run < promoted.get(task, "")}
    found = [
        run
        for run in runs
        if _waits(run, waiting)
        and not (run.promoted_to or run.rolled_back_from)
        and run.run_id not in earlier
    ]
    return [run for run in landed(invocation, found, {}) if not run.landed_on]


def _waits(run: RunOverview, waiting: str) -> bool:
    return run.status == waiting and run.phase != Phase.STAGE


def _is_of_no_actor(run: RunDirectory) -> bool:
    try:
        return run.manifest.exists() and not read_manifest(run).options.get("task")
    except AttractorError:  # reported where the command reads it
        return True


def _enter_project(invocation: Invocation, reference: str) -> str:
    """Make the project of the run the project of this command, if the run is not in this one.

    The copy of a run of the fleet is brought to its last committed head.
    """
    reference = _enter(invocation, reference)
    with suppress(NoRun, UnknownName, UsageError):
        root = find_run(reference, invocation.configuration.settings.runs_dir)
        if away := update_copy(invocation, root):
            show(f"This is what was known last: {away}.", err=True)
    return reference


def update_copy(invocation: Invocation, root: Path) -> str:
    """Bring the copy of a run of the fleet to its last committed head; return why it cannot."""
    if not RunDirectory(root).elsewhere.exists():
        return ""
    # Imported here, because most runs are executed on this machine.
    from attractor.cli.runs.dispatch import bring_copy

    return bring_copy(invocation, root)


def follow_copy(invocation: Invocation, root: Path) -> Sequence[Event]:
    """Do the same, and return the events that a worker has not committed yet."""
    if not RunDirectory(root).elsewhere.exists():
        return ()
    # Imported here, as above.
    from attractor.cli.runs import dispatch

    return dispatch.follow_copy(invocation, root)


def _enter(invocation: Invocation, reference: str) -> str:
    name = reference.partition(":")[0].upper()
    if len(name) < _SHORTEST or not is_run_id((name + _FILL)[: len(_FILL)]):
        return reference
    settings = invocation.configuration.settings
    with suppress(NoRun, UnknownName, UsageError):
        find_run(reference, settings.runs_dir)
        return reference
    # Imported here, because most runs are in this project.
    from attractor.factory.project import list_project_folders

    found = [
        project
        for project in list_project_folders(settings.state_dir)
        if project.runs_dir.is_dir() and match_names(name, run_names(project.runs_dir))
    ]
    if len(found) > 1:
        places = ", ".join(str(project.root) for project in found)
        raise UsageError(
            f"{reference} is the beginning of runs of several projects",
            hint=f"write more of the id, or go to the project: {places}",
        )
    for project in found:
        invocation.enter(project.root)
        show(f"project: {project.root}", err=True)
    return reference


def find_project(invocation: Invocation, name: str) -> "ProjectFolder":
    """Return a project by the name or path of its folder (default: that of this command)."""
    # Imported here, because most commands name no project.
    from attractor.factory.project import list_project_folders

    projects = list_project_folders(invocation.configuration.settings.state_dir)
    wanted = Path(name).absolute() if name else invocation.configuration.root
    for project in projects:
        if project.root == wanted:
            return project
    word = name or str(wanted)
    return find_named("project", word, projects, lambda one: (one.root.name, str(one.root)))
