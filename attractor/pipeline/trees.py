"""Chooses the tree a run works on, and gives what became of it to the project."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.engine.interfaces import Workspace
from attractor.engine.no_workspace import NoWorkspace
from attractor.environments.selection import Choice
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.read_only import environments_of
from attractor.pipeline.stage_commits import EMAIL, NAME
from attractor.pipeline.world import World
from attractor.workspaces.create.isolated import make_isolated, open_again, unheard
from attractor.workspaces.create.plain import make_copied, make_in_place
from attractor.workspaces.dimension import Dimension, OnSnapshot
from attractor.workspaces.git.commits import Author
from attractor.workspaces.git.git import find_git_dir
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.git.uncommitted import WorkTree, has_uncommitted

HEAD = "HEAD"


async def place_of_work(options: RunOptions, world: World) -> RunOptions:
    """Return what a run is asked to be; outside git it works on a copy of the folder as it is.

    Where a repository seems to be and git finds none, it is for a person to mend that.
    """
    if options.workspace is not WorkspaceKind.ISOLATED or _seems_kept(world.project):
        return options
    if await find_git_dir(world.project, search_path=world.search_path):
        return options
    return replace(options, workspace=WorkspaceKind.COPY)


def _seems_kept(project: Path) -> bool:
    folder = project.absolute()
    return any(os.path.lexists(one / ".git") for one in (folder, *folder.parents))


async def make_tree(
    options: RunOptions,
    world: World,
    run_id: str,
    place: Choice,
    *,
    on_snapshot: OnSnapshot = unheard,
) -> Workspace:
    """Make the workspace of a new run."""
    if options.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: place.make(world.project))
    if options.workspace is WorkspaceKind.IN_PLACE:
        return await make_in_place(
            world.project,
            state=world.state_dir,
            run_id=run_id,
            search_path=world.search_path,
            environment=environments_of(place, world),
            on_snapshot=on_snapshot,
        )
    if options.workspace is WorkspaceKind.COPY:
        world.tell(f"The run works on a copy of {world.project} as it is now.")
        return await make_copied(
            world.project,
            state=world.state_dir,
            run_id=run_id,
            search_path=world.search_path,
            author=Author(NAME, EMAIL, world.clock.now()),
            environment=environments_of(place, world),
            on_snapshot=on_snapshot,
            kept_out=kept_out(world),
            tell=world.tell,
        )
    taken_along = WorkTree(world.project, world.environ) if options.include_dirty else None
    if taken_along is None:
        await _tell_of_changes(world)
    return await make_isolated(
        await open_repository(world.project, search_path=world.search_path),
        state=world.state_dir,
        run_id=run_id,
        commit=HEAD,
        author=Author(NAME, EMAIL, world.clock.now()),
        environment=environments_of(place, world),
        on_snapshot=on_snapshot,
        uncommitted=taken_along,
        tell=world.tell,
    )


def kept_out(world: World) -> Sequence[str]:
    """Return where our own records lie in the project, in the words of a `.gitignore`."""
    project = world.project.resolve()
    ours = (world.runs_dir.resolve(), world.state_dir.resolve())
    inside = [one.relative_to(project) for one in ours if one.is_relative_to(project)]
    return [f"/{_plain(str(one))}/" for one in inside if one.parts]


def _plain(path: str) -> str:
    """Return a path so that no letter in it stands for others."""
    return "".join(f"\\{letter}" if letter in "\\*?[ " else letter for letter in path)


async def _tell_of_changes(world: World) -> None:
    """Say that what is not committed is not part of the run, when there is such a thing."""
    if await has_uncommitted(world.project, environ=world.environ):
        world.tell(
            "What is not committed in the project is not part of this run (--include-dirty takes "
            "it along)."
        )


def leave_out_secrets(workspace: Workspace, world: World) -> None:
    """Keep secrets out of what a workspace sets aside, which comes into the run directory."""
    if isinstance(workspace, Dimension):
        workspace.leave_out(world.redactor)


async def open_tree(
    options: RunOptions,
    world: World,
    run_id: str,
    place: Choice,
    *,
    on_snapshot: OnSnapshot = unheard,
) -> Workspace:
    """Open the workspace of a run that goes on."""
    if options.workspace is WorkspaceKind.NONE:
        return NoWorkspace(another=lambda: place.make(world.project))
    return await open_again(
        state=world.state_dir,
        run_id=run_id,
        search_path=world.search_path,
        environment=environments_of(place, world),
        on_snapshot=on_snapshot,
        borrow_from=await objects_of(options, world),
    )


async def objects_of(options: RunOptions, world: World) -> Path | None:
    """Return where the objects of the project are now; nothing when the run borrows none."""
    if options.workspace is not WorkspaceKind.ISOLATED:
        return None
    return (await open_repository(world.project, search_path=world.search_path)).objects
