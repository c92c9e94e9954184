"""Chooses where the tools of a run execute, and binds read-only files of the project there."""

from pathlib import Path

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.selection import EnvironmentChoice, choose_environment
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest
from attractor.pipeline.workspace.state_folder import prepare_state_folder
from attractor.workspaces.dimension import EnvironmentFactory
from attractor.workspaces.folders import borrowed_folder
from attractor.workspaces.setup.ignored_files import is_plain_entry
from attractor.workspaces.setup.preparation import Preparation


async def choose_sandbox(
    request: RunRequest, host: RunHost, *, run_id: str = ""
) -> EnvironmentChoice:
    """Choose where tools of a run run, and try out what that guards."""
    workspaces = prepare_state_folder(host)
    home = host.environ.get("HOME", "")
    hidden = [host.project, host.state_dir, host.runs_dir, *([Path(home)] if home else [])]
    if not request.workspace.is_apart:
        # The project itself is worked on, so nothing of it can be hidden; the gate knows that.
        hidden = [folder for folder in hidden if not folder.is_relative_to(host.project)]
    # What is tried lies where workspaces do, and sees no more of them than they see of each other.
    with borrowed_folder(workspaces) as scratch:
        return await choose_environment(
            request.sandbox,
            environ=host.variables_of_tools,
            hide=[folder for folder in [*hidden, workspaces.resolve()] if folder.exists()],
            scratch=scratch,
            run_id=run_id,
        )


def environments_of(place: EnvironmentChoice, host: RunHost) -> EnvironmentFactory:
    """Return what makes the environments of a run's folders; the project's own has all there is."""
    paths = [one for one in host.preparation.shown_paths if is_plain_entry(host.project, one)]
    make_showing = place.make_showing
    if make_showing is None or not paths:
        return place.make
    project = host.project.resolve()
    shown = [BindMount(project, path) for path in paths]

    def make(folder: Path) -> ExecutionEnvironment:
        return place.make(folder) if folder.resolve() == project else make_showing(folder, shown)

    return make


def preparation_of(place: EnvironmentChoice, host: RunHost) -> Preparation:
    """Return what is done to make a workspace fit, where what cannot be shown is copied."""
    wanted = host.preparation
    return wanted.copying if place.make_showing is None else wanted
