"""Names of runs and projects, of this project or of another one of the state folder."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from attractor.base.errors import UnknownName, UsageError
from attractor.base.events import Event
from attractor.base.ids import is_run_id
from attractor.base.names import find_named, match_names
from attractor.cli.invocation import C, Invocation
from attractor.cli.output.streams import show
from attractor.cli.shell_completion import complete_runs
from attractor.engine.errors import NoRun
from attractor.engine.run_folder.layout import RunDirectory
from attractor.records.lookup import find_run, run_names

if TYPE_CHECKING:
    from attractor.factory.project import ProjectFolder

_SHORTEST = 4
_FILL = "0" * 26


def run_argument(**more: Any) -> Callable[[C], C]:
    """Add the argument RUN; an id that only another project has makes that one the project."""
    return click.argument(
        "reference", metavar="RUN", shell_complete=complete_runs, callback=_enter_project, **more
    )


def _enter_project(ctx: click.Context, param: click.Parameter, reference: str) -> str:
    """Make the project of the run the project of this command, if the run is not in this one.

    The copy of a run of the fleet is brought to its last committed head.
    """
    invocation = ctx.ensure_object(Invocation)
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
