"""Chooses the tree a run works on, and gives what became of it to the project."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.canonical import parse_json
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.engine.events import CheckpointSaved
from attractor.engine.fields import Fields
from attractor.engine.no_workspace import NoWorkspace
from attractor.engine.progress_records import step_from_record
from attractor.engine.seams import Workspace
from attractor.environments.choose import Choice
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.world import World
from attractor.workspaces.commits import Author
from attractor.workspaces.dimension import Dimension, OnSnapshot
from attractor.workspaces.in_place import make_in_place
from attractor.workspaces.isolated import make_isolated
from attractor.workspaces.opening import open_again, unheard
from attractor.workspaces.repository import open_repository
from attractor.workspaces.run_branch import RunBranch, StageTree, write_run_branch
from attractor.workspaces.uncommitted import has_uncommitted

NAME, EMAIL = "Attractor", "attractor@localhost"
HEAD = "HEAD"
SAVED = CheckpointSaved.__name__


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
        return NoWorkspace(place.make(world.project))
    if options.workspace is WorkspaceKind.IN_PLACE:
        return await make_in_place(
            world.project,
            state=world.state_dir,
            run_id=run_id,
            search_path=world.search_path,
            environment=place.make,
            on_snapshot=on_snapshot,
        )
    await _tell_of_changes(world)
    return await make_isolated(
        await open_repository(world.project, search_path=world.search_path),
        state=world.state_dir,
        run_id=run_id,
        commit=HEAD,
        author=Author(NAME, EMAIL, world.clock.now()),
        environment=place.make,
        on_snapshot=on_snapshot,
    )


async def _tell_of_changes(world: World) -> None:
    """Say that what is not committed is not part of the run, when there is such a thing."""
    if await has_uncommitted(world.project, environ=world.environ):
        world.tell("What is not committed in the project is not part of this run.")


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
        return NoWorkspace(place.make(world.project))
    return await open_again(
        state=world.state_dir,
        run_id=run_id,
        search_path=world.search_path,
        environment=place.make,
        on_snapshot=on_snapshot,
        borrow_from=await _objects(options, world),
    )


async def _objects(options: RunOptions, world: World) -> Path | None:
    """Return where the objects of the project are now; nothing when the run borrows none."""
    if options.workspace is not WorkspaceKind.ISOLATED:
        return None
    return (await open_repository(world.project, search_path=world.search_path)).objects


async def give_branch(
    options: RunOptions, world: World, run_id: str, workspace: Workspace, journal: Path
) -> RunBranch | None:
    """Make the stages that changed files commits on a branch of the run; the same when repeated."""
    if options.workspace is not WorkspaceKind.ISOLATED or not isinstance(workspace, Dimension):
        return None
    return await write_run_branch(
        await open_repository(world.project, search_path=world.search_path),
        workspace.store,
        run_id=run_id,
        base=workspace.base,
        stages=list(_stages(journal)),
        left_out=workspace.left_out,
    )


def _stages(journal: Path) -> Iterator[StageTree]:
    for line in read_lines(journal):
        record = parse_json(line.content)
        if not isinstance(record, dict) or record.get("type") != SAVED:
            continue
        event = Event.from_record(record)
        if event.data.get("step"):
            visit = step_from_record(Fields(event.data, "step").inner("step")).visit
            yield StageTree(f"Stage {visit.node}", visit.tree, Author(NAME, EMAIL, event.time))
