"""Has the sandboxes of a run show what its project wants brought along read-only."""

from pathlib import Path

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.selection import Choice
from attractor.pipeline.world import World
from attractor.workspaces.dimension import MakeEnvironment
from attractor.workspaces.setup.ignored_files import is_showable
from attractor.workspaces.setup.preparation import Preparation


def environments_of(place: Choice, world: World) -> MakeEnvironment:
    """Return what makes the environments of a run's folders; the project's own has all there is."""
    paths = [one for one in world.preparation.shown_paths if is_showable(world.project, one)]
    make_showing = place.make_showing
    if make_showing is None or not paths:
        return place.make
    project = world.project.resolve()
    shown = [BindMount(project, path) for path in paths]

    def make(folder: Path) -> ExecutionEnvironment:
        return place.make(folder) if folder.resolve() == project else make_showing(folder, shown)

    return make


def preparation_of(place: Choice, world: World) -> Preparation:
    """Return what is done to make a workspace fit, where what cannot be shown is copied."""
    wanted = world.preparation
    return wanted.copying if place.make_showing is None else wanted
