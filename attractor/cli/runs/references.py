"""The argument that names a run, of this project or of another one of the state folder."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from attractor.base.errors import UnknownName, UsageError
from attractor.base.ids import is_run_id
from attractor.cli.invocation import C, Invocation
from attractor.cli.output.streams import show
from attractor.cli.shell_completion import complete_runs
from attractor.engine.errors import NoRun
from attractor.records.lookup import find_run, run_names

_SHORTEST = 4
_FILL = "0" * 26


def run_argument(**more: Any) -> Callable[[C], C]:
    """Add the argument RUN; an id that only another project has makes that one the project."""
    return click.argument(
        "reference", metavar="RUN", shell_complete=complete_runs, callback=_enter_project, **more
    )


def _enter_project(ctx: click.Context, param: click.Parameter, reference: str) -> str:
    """Make the project of the run the project of this command, if the run is not in this one."""
    invocation = ctx.ensure_object(Invocation)
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
        if project.runs_dir.is_dir()
        and any(one.startswith(name) for one in run_names(project.runs_dir))
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
