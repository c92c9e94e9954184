"""The folder of a dimension: its files, its set-up and its teardown."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from attractor.base.errors import AttractorError, UsageError
from attractor.environments.orphan_processes import MARK, new_mark
from attractor.environments.wrappers import EnvironmentWrapper
from attractor.factory.dimensions import Dimension, DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.create import choose_sandbox, excluded_paths
from attractor.pipeline.workspace.ports import ports_of
from attractor.records.request import RunRequest
from attractor.workspaces.directories import PlainDirectory
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.folders import require_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import Author
from attractor.workspaces.git.repository import Repository, open_repository
from attractor.workspaces.setup.cache import carry, require_success, run_setup
from attractor.workspaces.worktrees import LinkedWorktree, included_paths

_TEARDOWN_TIME = timedelta(minutes=1)


def folder_of(dimension: Dimension) -> Path:
    """Return the folder of a dimension, or refuse one without a folder."""
    if not dimension.folder:
        raise UsageError(
            f"the dimension {dimension.name} has no folder: each run has a workspace of its own",
            hint="its last run is in the list: attractor dimension list",
        )
    require_folder(Path(dimension.folder))
    return Path(dimension.folder)


async def try_repository(opened: OpenProject) -> Repository | None:
    """Open the repository of the project; None outside of Git."""
    project = opened.project
    try:
        return await open_repository(project.root, search_path=project.machine.search_path)
    except NotARepository:
        return None


def mark_of(opened: OpenProject) -> str:
    """Return the mark of commands that change dimensions of the project.

    They work on after a kill of the command that started them; the next one ends them.
    """
    return f"dimensions of {opened.identity.project_id()}"


def place_of(
    opened: OpenProject, repository: Repository | None, dimension: Dimension
) -> LinkedWorktree | PlainDirectory:
    """Return the files of a dimension, whose folder need not exist."""
    project, machine, folder = opened.project, opened.project.machine, Path(dimension.folder)
    if dimension.top and repository:
        return LinkedWorktree(
            repository=repository,
            top=Path(dimension.top),
            branch=dimension.branch,
            base=dimension.base,
            base_branch=dimension.base_branch,
            environ={**machine.environ, MARK: new_mark(mark_of(opened))},
            author=Author.attractor(machine.clock.now()),
            scratch=machine.state_dir,
        )
    return PlainDirectory(
        folder=folder,
        records=DimensionRecords.of(opened).folder,
        name=dimension.name,
        search_path=machine.search_path,
        excluded=excluded_paths(project, folder),
    )


async def fill(
    opened: OpenProject,
    repository: Repository | None,
    dimension: Dimension,
    like: Dimension | None = None,
) -> None:
    """Make the folder with its files, or those of another, and prepare it as workspaces are."""
    project = opened.project
    place = place_of(opened, repository, dimension)
    theirs = place_of(opened, repository, like) if like else None
    if isinstance(place, LinkedWorktree):
        await place.make(project.root, project.console.tell)
        if isinstance(theirs, LinkedWorktree):
            await theirs.copy_to(place)
    else:
        base = theirs if isinstance(theirs, PlainDirectory) else None
        files = base.folder if base else project.root
        await place.make(files, excluded_paths(project, files), base)
    wanted = project.preparation.copying
    included = await included_paths(project.root, project.machine.environ)
    if paths := list(dict.fromkeys([*wanted.copied_paths, *included])):
        await in_thread(partial(carry, project.root, paths, Path(dimension.folder)))
    if wanted.setup:
        await _run(opened, dimension, wanted.setup, wanted.setup_timeout)


async def tear_down(opened: OpenProject, dimension: Dimension) -> None:
    """Run the command of the settings before a folder is removed; report a failure."""
    try:
        if opened.project.teardown:
            await _run(opened, dimension, opened.project.teardown, _TEARDOWN_TIME)
    except AttractorError as fault:
        opened.project.console.tell(f"The teardown of {dimension.name} failed: {fault.message}")


async def _run(
    opened: OpenProject, dimension: Dimension, command: str, time_limit: timedelta
) -> None:
    """Run a command that must succeed, in a sandbox if possible."""
    project, folder = opened.project, dimension.folder
    request = RunRequest(file=project.root, workspace=dimension.kind, folder=folder)
    sandbox = await choose_sandbox(request, RunScope.of(project), run_id=mark_of(opened))
    ports = ports_of(Path(folder), project)
    environment = EnvironmentWrapper(sandbox.make(Path(folder)), variables=ports)
    result = await run_setup(environment, command, time_limit)
    require_success(result, command, time_limit)
