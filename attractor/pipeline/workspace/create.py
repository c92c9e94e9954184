"""Creates the workspace of a run, or opens it again on resume."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.environments.selection import Choice
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.pipeline.workspace.sandbox import environments_of
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.workspaces.create.from_folder import make_copied, make_in_place
from attractor.workspaces.create.isolated import make_isolated, open_again
from attractor.workspaces.dimension import Dimension, OnSnapshot
from attractor.workspaces.git.commits import Author
from attractor.workspaces.git.git import find_git_dir
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.git.uncommitted import WorkTree, has_uncommitted

HEAD = "HEAD"


async def choose_workspace_kind(request: RunRequest, host: RunHost) -> RunRequest:
    """Return what a run is asked to be; outside git it works on a copy of the folder as it is.

    Where a repository seems to be and git finds none, it is for a person to mend that.
    """
    if request.workspace is not WorkspaceKind.ISOLATED or _seems_kept(host.project):
        return request
    if await find_git_dir(host.project, search_path=host.search_path):
        return request
    return replace(request, workspace=WorkspaceKind.COPY)


def _seems_kept(project: Path) -> bool:
    folder = project.absolute()
    return any(os.path.lexists(one / ".git") for one in (folder, *folder.parents))


async def create_workspace(
    request: RunRequest,
    host: RunHost,
    run_id: str,
    place: Choice,
    *,
    on_snapshot: OnSnapshot = do_nothing,
) -> Workspace:
    """Make the workspace of a new run."""
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: place.make(host.project))
    if request.workspace is WorkspaceKind.IN_PLACE:
        return await make_in_place(
            host.project,
            state=host.state_dir,
            run_id=run_id,
            search_path=host.search_path,
            environment=environments_of(place, host),
            on_snapshot=on_snapshot,
        )
    if request.workspace is WorkspaceKind.COPY:
        host.tell(f"The run works on a copy of {host.project} as it is now.")
        return await make_copied(
            host.project,
            state=host.state_dir,
            run_id=run_id,
            search_path=host.search_path,
            author=Author(NAME, EMAIL, host.clock.now()),
            environment=environments_of(place, host),
            on_snapshot=on_snapshot,
            kept_out=kept_out(host),
            tell=host.tell,
        )
    taken_along = WorkTree(host.project, host.environ) if request.include_dirty else None
    if taken_along is None:
        await _tell_of_changes(host)
    return await make_isolated(
        await open_repository(host.project, search_path=host.search_path),
        state=host.state_dir,
        run_id=run_id,
        commit=HEAD,
        author=Author(NAME, EMAIL, host.clock.now()),
        environment=environments_of(place, host),
        on_snapshot=on_snapshot,
        uncommitted=taken_along,
        tell=host.tell,
    )


def kept_out(host: RunHost) -> Sequence[str]:
    """Return where our own records lie in the project, in the words of a `.gitignore`."""
    project = host.project.resolve()
    ours = (host.runs_dir.resolve(), host.state_dir.resolve())
    inside = [one.relative_to(project) for one in ours if one.is_relative_to(project)]
    return [f"/{_plain(str(one))}/" for one in inside if one.parts]


def _plain(path: str) -> str:
    """Return a path so that no letter in it stands for others."""
    return "".join(f"\\{letter}" if letter in "\\*?[ " else letter for letter in path)


async def _tell_of_changes(host: RunHost) -> None:
    """Say that what is not committed is not part of the run, when there is such a thing."""
    if await has_uncommitted(host.project, environ=host.environ):
        host.tell(
            "What is not committed in the project is not part of this run (--include-dirty takes "
            "it along)."
        )


def redact_set_aside(workspace: Workspace, host: RunHost) -> None:
    """Keep secrets out of what a workspace sets aside, which comes into the run directory."""
    if isinstance(workspace, Dimension):
        workspace.leave_out(host.redactor)


async def open_workspace(
    request: RunRequest,
    host: RunHost,
    run_id: str,
    place: Choice,
    *,
    on_snapshot: OnSnapshot = do_nothing,
) -> Workspace:
    """Open the workspace of a run that goes on."""
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: place.make(host.project))
    return await open_again(
        state=host.state_dir,
        run_id=run_id,
        search_path=host.search_path,
        environment=environments_of(place, host),
        on_snapshot=on_snapshot,
        borrow_from=await objects_of(request, host),
    )


async def objects_of(request: RunRequest, host: RunHost) -> Path | None:
    """Return where the objects of the project are now; nothing when the run borrows none."""
    if request.workspace is not WorkspaceKind.ISOLATED:
        return None
    return (await open_repository(host.project, search_path=host.search_path)).objects
