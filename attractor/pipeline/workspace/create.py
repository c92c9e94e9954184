"""Creates the workspace of a run, its state folder and its sandbox."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError, Refused, UsageError
from attractor.base.files import make_private, make_private_folder, make_tree_private
from attractor.config.projects import PROJECT_FILE
from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.attempts import TreeId
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.orphan_processes import UNGUARDED, Guardian
from attractor.environments.read_only import ReadOnlyExecutionEnvironment
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.selection import (
    EnvironmentChoice,
    choose_environment,
    with_cache,
    with_read_only,
)
from attractor.environments.wrappers import EnvironmentWrapper
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.ports import ports_of
from attractor.records.request import RunRequest
from attractor.workspaces.caches import cache_folder, make_cache_folder
from attractor.workspaces.create.isolated import reopen_workspace
from attractor.workspaces.create.registry import (
    COPY,
    NewWorkspace,
    WorkspaceKind,
    workspace_registry,
)
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.folders import (
    NAME as folders_NAME,
    borrowed_folder,
    prepare_workspaces_folder,
    remove_abandoned_folders,
    require_folder,
)
from attractor.workspaces.git.gitignore import escape_pattern
from attractor.workspaces.git.object_store import Author
from attractor.workspaces.git.repository import Repository, find_git_dir, open_repository
from attractor.workspaces.placed_environment import PlacedEnvironment
from attractor.workspaces.preparation import Preparation
from attractor.workspaces.result_tree import EXCLUDED
from attractor.workspaces.run_store import STORES, SUBMISSIONS, read_record, recorded_folders
from attractor.workspaces.setup.cache import SETUPS, is_plain_entry
from attractor.workspaces.tracked_folder import EnvironmentFactory, OnSnapshot, TrackedFolder


def prepare_state_folder(project: Project) -> Path:
    """Make the state folder ready for a run, and return the folder of the workspaces.

    Leftovers of killed runs are removed, except for folders that a process uses.
    """
    machine = project.machine
    make_private_folder(machine.state_dir)
    state = machine.state_dir.resolve()
    try:
        closed = [*chain.from_iterable(_close(state))]
        # Below a private folder, nobody could open what has other permissions.
        if closed and closed[0] == state:
            first, more = closed[0], len(closed) - 1
            words = f"{first} and {number_of(more, 'path')} more" if more else first
            project.console.tell(f"Made private, because other users had access: {words}.")
    except AttractorError as error:
        project.console.tell(f"Other users can read {state}: {error.message}.")
    place = prepare_workspaces_folder(
        machine.state_dir, shared=project.workspaces_dir, tell=project.console.tell
    )
    try:
        remove_abandoned_folders(place, lambda: recorded_folders(machine.state_dir))
    except AttractorError as error:
        project.console.tell(
            f"Leftovers of killed runs in {place} were not removed: {error.message}."
        )
    return place


_FLEET = "fleet"
"""The folder of a fleet of this machine, whose store is large."""


def _close(state: Path) -> Iterator[list[Path]]:
    yield make_private(state)
    for one in state.iterdir():
        if one.name == folders_NAME:  # its content belongs to agents
            yield make_private(one)
        elif one.name in (STORES, SUBMISSIONS, SETUPS, _FLEET):
            yield make_private(one)
            yield from map(_close_store, one.iterdir())
        else:
            yield make_tree_private(one)


def _close_store(store: Path) -> list[Path]:
    """Make a store private.

    If the store folder was already private, its content is private too and is not checked.
    """
    closed = make_private(store)
    return closed + make_tree_private(store) if closed else []


def work_folder(request: RunRequest, project: Project) -> Path:
    """Return the folder of the dimension of a run; without a dimension, that of the project."""
    return Path(request.folder) if request.folder else project.root


_ELSEWHERE = WorkspaceKind(is_apart=True, sets_back=False, hides_scenarios=True)


def kind_here(request: RunRequest) -> WorkspaceKind:
    """Return the kind of the workspace of a run; a dimension of another machine has no files here.

    Its folder is known only there.
    """
    kind = workspace_registry()[request.workspace]
    return _ELSEWHERE if kind.needs_folder and not request.folder else kind


def require_here(request: RunRequest) -> None:
    """Refuse to work on the files of a dimension of another machine."""
    if kind_here(request) is _ELSEWHERE:
        raise Refused(
            f"the files of the run are in the dimension {request.dimension} of another machine",
            hint="begin a new run there: attractor run FILE --on POOL --label LABEL "
            f"--workspace {request.dimension}",
        )


async def choose_sandbox(
    request: RunRequest, scope: RunScope, *, run_id: str = "", read: Sequence[Path] = ()
) -> EnvironmentChoice:
    """Choose the sandbox of a run, which shows the paths in `read`, and test it."""
    project, machine = scope.project, scope.project.machine
    workspaces = prepare_state_folder(project)
    home = machine.environ.get("HOME", "")
    hidden = [project.root, machine.state_dir, project.runs_dir, *([Path(home)] if home else [])]
    kind, at, covers = kind_here(request), None, list[str]()
    # The folder of the repository above a project may be readable, but its objects contain the
    # holdouts. A copy of a folder needs no repository.
    with suppress(NotARepository):
        repository = await open_repository(project.root, search_path=machine.search_path)
        hidden.append(repository.common_dir)
        hidden += await _excluded_in_worktrees(repository, project.root)
    if not kind.is_apart:
        # The folder of a person is the workspace. Only folders at its top can be covered, and
        # holdouts may be visible; the gate takes this into account.
        at = work_folder(request, project)
        require_folder(at)
        hidden = [one for one in hidden if not one.resolve().is_relative_to(at.resolve())]
        records = [one for one in (project.runs_dir, machine.state_dir) if one.parent == at]
        covers = [folder.name for folder in records]
        if kind.hides_scenarios:
            covers = [*{*covers, *(one.strip("/") for one in EXCLUDED)}]
    # The test uses a folder beside the workspaces: it sees as little of them as they of each other.
    with borrowed_folder(workspaces) as scratch:
        choice = await choose_environment(
            request.sandbox,
            environ=scope.variables_of_tools,
            hide=[folder for folder in [*hidden, workspaces.resolve()] if folder.exists()],
            read=[*scope.readable, *read],
            pass_env=scope.passed_variables,
            env={name: machine.with_home(value) for name, value in scope.sandbox_env.items()},
            downloads=project.downloads,
            scratch=scratch,
            bounds=project.bounds,
            run_id=run_id,
            project=at,
            covers=covers,
            # They name commands that Attractor starts without a sandbox.
            keeps=[PROJECT_FILE],
            guardian=Guardian(lock=machine.state_dir / UNGUARDED, adopts=machine.adopts_orphans),
        )
    if at and choice.settings and choice.settings.bubblewrap:
        _require_coverable(at, covers, makes=bool(request.folder) and (at / ".git").is_file())
    elif request.folder and choice.settings:
        _require_absent(at, covers)
    return with_read_only(choice) if kind.only_reads else choice


def _require_coverable(folder: Path, names: Sequence[str], *, makes: bool) -> None:
    """Refuse links in place of hidden folders; `makes` those that a merge may bring later."""
    for name in names:
        if (folder / name).is_symlink():
            raise Refused(
                f"{folder / name} is a link, which a sandbox cannot hide",
                hint=f"remove it: rm {shlex.quote(str(folder / name))}",
            )
        if makes:
            (folder / name).mkdir(exist_ok=True)


def _require_absent(folder: Path | None, names: Sequence[str]) -> None:
    """Refuse a folder with hidden files: Landlock hides nothing inside of a readable folder."""
    found = [folder / name for name in names if (folder / name).exists()] if folder else []
    if found:
        raise Refused(
            f"this machine's sandbox (Landlock) cannot hide {found[0]}",
            hint=(
                "install bubblewrap; or remove these files, in a worktree with "
                "'git sparse-checkout reapply'"
            ),
        )


async def _excluded_in_worktrees(repository: Repository, project: Path) -> Sequence[Path]:
    """Return the folders in other work trees that no workspace contains, such as `scenarios/`."""
    tops = [Path(), Path(repository.prefix)]
    names = {at / one.strip("/") for at in tops for one in EXCLUDED}
    folders = [tree / name for tree in await repository.worktrees() for name in sorted(names)]
    return [one for one in folders if not one.is_relative_to(project)]


def environments_of(
    place: EnvironmentChoice, scope: RunScope, work_folder: Path
) -> EnvironmentFactory:
    """Return the function that makes the environments of a run's folders.

    In the folder of a person, an environment sees all files.
    """
    paths = [
        one for one in scope.preparation.shown_paths if is_plain_entry(scope.project.root, one)
    ]
    make_showing = place.make_showing
    if make_showing is None or not paths:
        return place.make
    root, own = scope.project.root.resolve(), work_folder.resolve()
    shown = [BindMount(root, path) for path in paths]

    def make(folder: Path) -> ExecutionEnvironment:
        return place.make(folder) if folder.resolve() == own else make_showing(folder, shown)

    return make


def preparation_of(place: EnvironmentChoice, scope: RunScope) -> Preparation:
    """Return the preparation of a workspace, which copies paths that cannot be shown read-only."""
    wanted = scope.preparation
    return wanted.copying if place.make_showing is None else wanted


HEAD = "HEAD"


async def choose_workspace_kind(request: RunRequest, project: Project) -> RunRequest:
    """Return the request; outside of a git repository, the run works on a copy of the folder.

    A corrupt repository is an error; it is not replaced by a copy.
    """
    kind = workspace_registry()[request.workspace]
    if kind.needs_folder and not (request.folder or request.dimension):
        raise UsageError(f"{request.workspace} is the kind of a dimension, not a workspace")
    if kind.how_delivered != "branch" or _has_git_entry(project.root):
        return request
    if await find_git_dir(project.root, search_path=project.machine.search_path):
        return request
    return replace(request, workspace=COPY)


def _has_git_entry(project: Path) -> bool:
    folder = project.absolute()
    return any(os.path.lexists(one / ".git") for one in (folder, *folder.parents))


async def create_workspace(
    request: RunRequest,
    scope: RunScope,
    run_id: str,
    sandbox: EnvironmentChoice,
    *,
    on_snapshot: OnSnapshot,
    commit: str = HEAD,
) -> Workspace:
    """Create the workspace of a new run, in a repository from a commit."""
    project, machine = scope.project, scope.project.machine
    kind, folder = kind_here(request), work_folder(request, project)
    make = _make_environments(sandbox, scope, request, run_id)
    if kind.create is None:
        return NoWorkspace(another=lambda: make(folder))
    new = NewWorkspace(
        folder=folder,
        state=machine.state_dir,
        run_id=run_id,
        search_path=machine.search_path,
        environ=machine.environ,
        author=Author.attractor(machine.clock.now()),
        environment=make,
        on_snapshot=on_snapshot,
        records=excluded_paths(project, folder),
        leave_out=project.leave_out,
        tell=project.console.tell,
        commit=commit,
        include_dirty=request.include_dirty,
    )
    return _complete(await kind.create(new), sandbox, scope, run_id)


def _make_environments(
    sandbox: EnvironmentChoice, scope: RunScope, request: RunRequest, run_id: str
) -> EnvironmentFactory:
    """Return the function that makes the environments of the stages of a run.

    They can write the run's cache folder, and know the ports of the workspace. All that judges the
    run uses the sandbox without both.
    """
    project, folder, make = scope.project, work_folder(request, scope.project), sandbox.make
    kind = kind_here(request)
    if kind.create:
        cache = cache_folder(project.machine.state_dir, run_id)
        caching = with_cache(sandbox, cache, project.cache_variables)
        make = environments_of(caching, scope, folder)
    owner = folder if request.folder else project.runs_dir / run_id
    ports = ports_of(owner, project)
    if kind.only_reads:
        return lambda at: ReadOnlyExecutionEnvironment(make(at), variables=ports)
    return partial(_make_with, make, ports) if ports else make


def _make_with(
    make: EnvironmentFactory, variables: Mapping[str, str], folder: Path
) -> ExecutionEnvironment:
    made = make(folder)
    if isinstance(made, PlacedEnvironment):
        made.add_variables(variables)
        return made
    return EnvironmentWrapper(made, variables=variables)


def _complete(
    workspace: TrackedFolder, sandbox: EnvironmentChoice, scope: RunScope, run_id: str
) -> TrackedFolder:
    # After the record of the run, because a cleanup removes folders of unknown runs.
    project = scope.project
    if sandbox.settings:
        make_cache_folder(project.machine.state_dir, run_id)
    workspace.redact_patches(scope.redactor)
    workspace.report_to(project.console.tell)
    return workspace


def excluded_paths(project: Project, folder: Path) -> Sequence[str]:
    """Return the paths of Attractor's records in a folder, as patterns of a `.gitignore`."""
    root = folder.resolve()
    ours = (project.runs_dir.resolve(), project.machine.state_dir.resolve())
    inside = [one.relative_to(root) for one in ours if one.is_relative_to(root)]
    return [f"/{escape_pattern(str(one))}/" for one in inside if one.parts]


async def open_workspace(
    request: RunRequest,
    scope: RunScope,
    run_id: str,
    sandbox: EnvironmentChoice,
    *,
    on_snapshot: OnSnapshot,
    tree: TreeId = "",
) -> Workspace:
    """Open the workspace of a resumed run; a lost folder gets the files of `tree`.

    A run that began on another machine than that of its dimension gets its workspace here.
    """
    project = scope.project
    kind, folder = kind_here(request), work_folder(request, project)
    make = _make_environments(sandbox, scope, request, run_id)
    if kind.create is None:
        return NoWorkspace(another=lambda: make(folder))
    if kind.needs_folder and not tree and not _has_store(project, run_id):
        return await create_workspace(request, scope, run_id, sandbox, on_snapshot=on_snapshot)
    workspace = await reopen_workspace(
        state=project.machine.state_dir,
        run_id=run_id,
        search_path=project.machine.search_path,
        environment=make,
        on_snapshot=on_snapshot,
        borrow_from=await objects_of(request, project),
        sets_back=kind.sets_back,
        tree=tree,
    )
    return _complete(workspace, sandbox, scope, run_id)


async def objects_of(request: RunRequest, project: Project) -> Path | None:
    """Return the current path of the project's Git objects, or None if the run borrows none."""
    if workspace_registry()[request.workspace].how_delivered != "branch":
        return None
    return (await open_repository(project.root, search_path=project.machine.search_path)).objects


def require_trees(request: RunRequest, project: Project, run_id: str) -> None:
    """Refuse to continue a run whose trees were removed, or are on another machine."""
    require_here(request)
    if workspace_registry()[request.workspace].create is None:
        return
    if not _has_store(project, run_id):
        raise Refused(
            f"the trees of run {run_id} were removed",
            hint=(
                "they may be in another state folder; otherwise start a new run: attractor run FILE"
            ),
        )


def _has_store(project: Project, run_id: str) -> bool:
    return read_record(project.machine.state_dir / STORES / run_id) is not None
