"""Chooses the tree a run works on, and gives what became of it to the project."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.canonical import parse_json
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.engine.events import CheckpointSaved, RunForked, RunRestarted
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
from attractor.workspaces.preparation import NO_PREPARATION, SetupWas
from attractor.workspaces.repository import open_repository
from attractor.workspaces.run_branch import RunBranch, StageTree, write_run_branch
from attractor.workspaces.uncommitted import WorkTree, has_uncommitted

NAME, EMAIL = "Attractor", "attractor@localhost"
HEAD = "HEAD"
SAVED, FORKED = CheckpointSaved.__name__, RunForked.__name__
RESTARTED = RunRestarted.__name__


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
            environment=place.make,
            on_snapshot=on_snapshot,
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
        environment=place.make,
        on_snapshot=on_snapshot,
        uncommitted=taken_along,
        tell=world.tell,
    )


async def _tell_of_changes(world: World) -> None:
    """Say that what is not committed is not part of the run, when there is such a thing."""
    if await has_uncommitted(world.project, environ=world.environ):
        world.tell(
            "What is not committed in the project is not part of this run (--include-dirty takes "
            "it along)."
        )


async def make_fit(workspace: Workspace, world: World) -> None:
    """Carry into a workspace what the project wants there, and run its setup, once."""
    if not isinstance(workspace, Dimension) or world.preparation == NO_PREPARATION:
        return
    prepared = await workspace.prepare(world.preparation, project=world.project)
    for path in prepared.lacking:
        world.tell(f"workspace.carry: there is no {path} in the project.")
    if prepared.setup is SetupWas.RUN:
        world.tell(f"The workspace is set up ({prepared.seconds:.0f} s).")


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
        if not isinstance(record, dict) or record.get("type") not in (SAVED, FORKED, RESTARTED):
            continue
        event = Event.from_record(record)
        author = Author(NAME, EMAIL, event.time)
        if event.type != SAVED:
            yield _before(event, author)
        # What a branch did is in the run's line of trees once a fan-in took it over.
        elif event.data.get("step") and not event.branch:
            visit = step_from_record(Fields(event.data, "step").inner("step")).visit
            trailers = {
                "Attractor-Stage": visit.node,
                "Attractor-Visit": str(visit.number),
                "Attractor-Outcome": visit.outcome.status.value,
            }
            yield StageTree(f"Stage {visit.node}", visit.tree, author, trailers)


def _before(event: Event, author: Author) -> StageTree:
    """Return what the run began with that another one had made."""
    told = Fields(event.data, event.type)
    parent, node = told.text("parent"), told.text("node")
    at = f"up to {node}@{told.number('visit')}" if event.type == FORKED else f"until {node}"
    return StageTree(f"Run {parent} {at}", told.text("tree"), author, {"Attractor-Parent": parent})
