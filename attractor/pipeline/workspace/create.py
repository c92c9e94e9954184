"""Creates the workspace of a run, its state folder and its sandbox."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.errors import AttractorError, Refused
from attractor.base.files import make_private, make_private_folder, make_tree_private
from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.orphan_processes import UNGUARDED, Guardian
from attractor.environments.sandbox.bubblewrap import BindMount
from attractor.environments.selection import EnvironmentChoice, choose_environment, with_cache
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.records.request import RunRequest, WorkspaceKind
from attractor.workspaces.caches import cache_folder, make_cache_folder
from attractor.workspaces.create.from_folder import (
    EXCLUDED_IN_PLACE,
    create_from_copy,
    create_in_place,
)
from attractor.workspaces.create.isolated import create_isolated, reopen_workspace
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.folders import (
    NAME as folders_NAME,
    borrowed_folder,
    prepare_workspaces_folder,
    remove_abandoned_folders,
)
from attractor.workspaces.git.gitignore import escape_pattern
from attractor.workspaces.git.object_store import Author
from attractor.workspaces.git.repository import Repository, find_git_dir, open_repository
from attractor.workspaces.preparation import Preparation
from attractor.workspaces.result_tree import EXCLUDED, excluded_in
from attractor.workspaces.run_store import STORES, read_record, recorded_folders
from attractor.workspaces.setup.cache import SETUPS, is_plain_entry
from attractor.workspaces.tracked_folder import EnvironmentFactory, OnSnapshot, TrackedFolder
from attractor.workspaces.uncommitted import WorkTree, has_uncommitted

_OTHER_WORKSPACES = (
    ", or start a new run on a copy (--workspace copy) or in place (--workspace in-place)"
)


def prepare_state_folder(project: Project) -> Path:
    """Make the state folder ready for a run, and return the folder of the workspaces.

    Leftovers of killed runs are removed, except for folders that a process uses.
    """
    machine = project.machine
    make_private_folder(machine.state_dir)
    state = machine.state_dir.resolve()
    try:
        closed = [*chain.from_iterable(_close(state))]
        if closed:
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


def _close(state: Path) -> Iterator[list[Path]]:
    yield make_private(state)
    for one in state.iterdir():
        if one.name == folders_NAME:  # its content belongs to agents
            yield make_private(one)
        elif one.name in (STORES, SETUPS):
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


async def choose_sandbox(
    request: RunRequest, scope: RunScope, *, run_id: str = "", read: Sequence[Path] = ()
) -> EnvironmentChoice:
    """Choose the sandbox of a run, which shows the paths in `read`, and test it."""
    project, machine = scope.project, scope.project.machine
    workspaces = prepare_state_folder(project)
    home = machine.environ.get("HOME", "")
    hidden = [project.root, machine.state_dir, project.runs_dir, *([Path(home)] if home else [])]
    at, covers = None, list[str]()
    if not request.workspace.is_apart:
        # The project itself is the workspace. Only folders at its top can be covered, and holdouts
        # are visible; the gate takes this into account.
        hidden = [folder for folder in hidden if not folder.is_relative_to(project.root)]
        at = project.root
        records = [one for one in (project.runs_dir, machine.state_dir) if one.parent == at]
        covers = [folder.name for folder in records]
        if request.workspace is WorkspaceKind.IN_PLACE:
            covers = [*{*covers, *(one.strip("/") for one in EXCLUDED)}]
    else:
        # The folder of the repository above a project may be readable, but its objects contain
        # the holdouts. A copy of a folder needs no repository.
        with suppress(NotARepository):
            repository = await open_repository(project.root, search_path=machine.search_path)
            hidden.append(repository.common_dir)
            hidden += await _excluded_in_worktrees(repository, project.root)
    # The test uses a folder beside the workspaces: it sees as little of them as they of each other.
    with borrowed_folder(workspaces) as scratch:
        return await choose_environment(
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
            guardian=Guardian(lock=machine.state_dir / UNGUARDED, adopts=machine.adopts_orphans),
        )


async def _excluded_in_worktrees(repository: Repository, project: Path) -> Sequence[Path]:
    """Return the folders in other work trees that no workspace contains, such as `scenarios/`."""
    tops = [Path(), Path(repository.prefix)]
    names = {at / one.strip("/") for at in tops for one in EXCLUDED}
    folders = [tree / name for tree in await repository.worktrees() for name in sorted(names)]
    return [one for one in folders if not one.is_relative_to(project)]


def environments_of(place: EnvironmentChoice, scope: RunScope) -> EnvironmentFactory:
    """Return the function that makes the environments of a run's folders.

    In the folder of the project, an environment sees all files.
    """
    paths = [
        one for one in scope.preparation.shown_paths if is_plain_entry(scope.project.root, one)
    ]
    make_showing = place.make_showing
    if make_showing is None or not paths:
        return place.make
    root = scope.project.root.resolve()
    shown = [BindMount(root, path) for path in paths]

    def make(folder: Path) -> ExecutionEnvironment:
        return place.make(folder) if folder.resolve() == root else make_showing(folder, shown)

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
    if request.workspace is not WorkspaceKind.ISOLATED or _has_git_entry(project.root):
        return request
    if await find_git_dir(project.root, search_path=project.machine.search_path):
        return request
    return replace(request, workspace=WorkspaceKind.COPY)


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
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: sandbox.make(project.root))
    environment = environments_of(_caching(sandbox, project, run_id), scope)
    if request.workspace is WorkspaceKind.IN_PLACE:
        workspace = await create_in_place(
            project.root,
            state=machine.state_dir,
            run_id=run_id,
            search_path=machine.search_path,
            environment=environment,
            on_snapshot=on_snapshot,
            also_excluded=(*EXCLUDED_IN_PLACE, *excluded_paths(project)),
            leave_out=project.leave_out,
        )
    elif request.workspace is WorkspaceKind.COPY:
        project.console.tell(f"The run works on a copy of the current files in {project.root}.")
        workspace = await create_from_copy(
            project.root,
            state=machine.state_dir,
            run_id=run_id,
            search_path=machine.search_path,
            author=Author(NAME, EMAIL, machine.clock.now()),
            environment=environment,
            on_snapshot=on_snapshot,
            also_excluded=excluded_paths(project),
            leave_out=project.leave_out,
            tell=project.console.tell,
        )
    else:
        if not request.include_dirty:
            await _report_uncommitted(project)
        try:
            repository = await open_repository(project.root, search_path=machine.search_path)
        except NotARepository as fault:
            raise NotARepository(fault.message, hint=f"{fault.hint}{_OTHER_WORKSPACES}") from fault
        workspace = await create_isolated(
            repository,
            state=machine.state_dir,
            run_id=run_id,
            commit=commit,
            author=Author(NAME, EMAIL, machine.clock.now()),
            environment=environment,
            on_snapshot=on_snapshot,
            excluded=excluded_in(repository.prefix),
            leave_out=project.leave_out,
            uncommitted=WorkTree(project.root, machine.environ) if request.include_dirty else None,
            tell=project.console.tell,
        )
    return _complete(workspace, sandbox, scope, run_id)


def _caching(sandbox: EnvironmentChoice, project: Project, run_id: str) -> EnvironmentChoice:
    """Return the sandbox of the stages of a run, which can write the run's cache folder.

    All that judges the run uses the sandbox without it.
    """
    return with_cache(
        sandbox, cache_folder(project.machine.state_dir, run_id), project.cache_variables
    )


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


def excluded_paths(project: Project) -> Sequence[str]:
    """Return the paths of Attractor's records in the project, as patterns of a `.gitignore`."""
    root = project.root.resolve()
    ours = (project.runs_dir.resolve(), project.machine.state_dir.resolve())
    inside = [one.relative_to(root) for one in ours if one.is_relative_to(root)]
    return [f"/{escape_pattern(str(one))}/" for one in inside if one.parts]


async def _report_uncommitted(project: Project) -> None:
    """Report uncommitted changes of the project, which are not part of the run."""
    if await has_uncommitted(project.root, environ=project.machine.environ):
        project.console.tell(
            "Uncommitted changes of the project are not part of this run (include them with "
            "--include-dirty)."
        )


async def open_workspace(
    request: RunRequest,
    scope: RunScope,
    run_id: str,
    sandbox: EnvironmentChoice,
    *,
    on_snapshot: OnSnapshot,
) -> Workspace:
    """Open the workspace of a resumed run."""
    project = scope.project
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: sandbox.make(project.root))
    workspace = await reopen_workspace(
        state=project.machine.state_dir,
        run_id=run_id,
        search_path=project.machine.search_path,
        environment=environments_of(_caching(sandbox, project, run_id), scope),
        on_snapshot=on_snapshot,
        borrow_from=await objects_of(request, project),
    )
    return _complete(workspace, sandbox, scope, run_id)


async def objects_of(request: RunRequest, project: Project) -> Path | None:
    """Return the current path of the project's Git objects, or None if the run borrows none."""
    if request.workspace is not WorkspaceKind.ISOLATED:
        return None
    return (await open_repository(project.root, search_path=project.machine.search_path)).objects


def require_trees(request: RunRequest, project: Project, run_id: str) -> None:
    """Refuse to continue a run whose trees were removed."""
    if request.workspace is WorkspaceKind.NONE:
        return
    if read_record(project.machine.state_dir / STORES / run_id) is None:
        raise Refused(
            f"the trees of run {run_id} were removed",
            hint=(
                "they may be in another state folder; otherwise start a new run: attractor run FILE"
            ),
        )
