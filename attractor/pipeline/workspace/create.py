"""Creates the workspace of a run, or opens it again on resume."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.environments.selection import EnvironmentChoice
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.pipeline.workspace.sandbox import environments_of
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.workspaces.create.from_folder import create_from_copy, create_in_place
from attractor.workspaces.create.isolated import create_isolated, reopen_workspace
from attractor.workspaces.dimension import OnSnapshot
from attractor.workspaces.git.commits import Author
from attractor.workspaces.git.git import find_git_dir
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.git.uncommitted import WorkTree, has_uncommitted

HEAD = "HEAD"


async def choose_workspace_kind(request: RunRequest, host: RunHost) -> RunRequest:
    """Return the request; outside a git repository the run works on a copy of the folder.

    A broken repository is not replaced by a copy: a person has to fix it.
    """
    if request.workspace is not WorkspaceKind.ISOLATED or _has_git_entry(host.project):
        return request
    if await find_git_dir(host.project, search_path=host.search_path):
        return request
    return replace(request, workspace=WorkspaceKind.COPY)


def _has_git_entry(project: Path) -> bool:
    folder = project.absolute()
    return any(os.path.lexists(one / ".git") for one in (folder, *folder.parents))


async def create_workspace(
    request: RunRequest,
    host: RunHost,
    run_id: str,
    sandbox: EnvironmentChoice,
    *,
    on_snapshot: OnSnapshot,
) -> Workspace:
    """Create the workspace of a new run."""
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: sandbox.make(host.project))
    environment = environments_of(sandbox, host)
    if request.workspace is WorkspaceKind.IN_PLACE:
        workspace = await create_in_place(
            host.project,
            state=host.state_dir,
            run_id=run_id,
            search_path=host.search_path,
            environment=environment,
            on_snapshot=on_snapshot,
        )
    elif request.workspace is WorkspaceKind.COPY:
        host.tell(f"The run works on a copy of {host.project} as it is now.")
        workspace = await create_from_copy(
            host.project,
            state=host.state_dir,
            run_id=run_id,
            search_path=host.search_path,
            author=Author(NAME, EMAIL, host.clock.now()),
            environment=environment,
            on_snapshot=on_snapshot,
            also_excluded=kept_out(host),
            tell=host.tell,
        )
    else:
        uncommitted = WorkTree(host.project, host.environ) if request.include_dirty else None
        if uncommitted is None:
            await _report_uncommitted(host)
        workspace = await create_isolated(
            await open_repository(host.project, search_path=host.search_path),
            state=host.state_dir,
            run_id=run_id,
            commit=HEAD,
            author=Author(NAME, EMAIL, host.clock.now()),
            environment=environment,
            on_snapshot=on_snapshot,
            uncommitted=uncommitted,
            tell=host.tell,
        )
    # Patches of the workspace come into the run directory.
    workspace.redact_patches(host.redactor)
    return workspace


def kept_out(host: RunHost) -> Sequence[str]:
    """Return where our own records lie in the project, in the words of a `.gitignore`."""
    project = host.project.resolve()
    ours = (host.runs_dir.resolve(), host.state_dir.resolve())
    inside = [one.relative_to(project) for one in ours if one.is_relative_to(project)]
    return [f"/{_plain(str(one))}/" for one in inside if one.parts]


def _plain(path: str) -> str:
    """Return a path so that no letter in it stands for others."""
    return "".join(f"\\{letter}" if letter in "\\*?[ " else letter for letter in path)


async def _report_uncommitted(host: RunHost) -> None:
    """Report uncommitted changes of the project, which the run does not see."""
    if await has_uncommitted(host.project, environ=host.environ):
        host.tell(
            "What is not committed in the project is not part of this run (--include-dirty takes "
            "it along)."
        )


async def open_workspace(
    request: RunRequest,
    host: RunHost,
    run_id: str,
    sandbox: EnvironmentChoice,
    *,
    on_snapshot: OnSnapshot,
) -> Workspace:
    """Open the workspace of a resumed run."""
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: sandbox.make(host.project))
    workspace = await reopen_workspace(
        state=host.state_dir,
        run_id=run_id,
        search_path=host.search_path,
        environment=environments_of(sandbox, host),
        on_snapshot=on_snapshot,
        borrow_from=await objects_of(request, host),
    )
    workspace.redact_patches(host.redactor)
    return workspace


async def objects_of(request: RunRequest, host: RunHost) -> Path | None:
    """Return where the objects of the project are now; nothing when the run borrows none."""
    if request.workspace is not WorkspaceKind.ISOLATED:
        return None
    return (await open_repository(host.project, search_path=host.search_path)).objects
