"""Makes the workspace of a run that goes on from another one, with the files of that moment."""

from pathlib import Path

from attractor.base.errors import Refused
from attractor.engine.interfaces import Base, TreeId
from attractor.engine.no_workspace import NoEnvironment, NoWorkspace
from attractor.environments.environment import ExecutionEnvironment
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.stage_commits import EMAIL, NAME
from attractor.pipeline.world import World
from attractor.workspaces.create.isolated import make_isolated
from attractor.workspaces.create.plain import make_copied_again, make_in_place
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.dimension_index import STORES, open_store, read_record
from attractor.workspaces.git.commits import Author
from attractor.workspaces.git.object_store import Store, share_objects
from attractor.workspaces.git.repository import open_repository


def require_trees(options: RunOptions, world: World, run_id: str) -> None:
    """Refuse a run whose trees were freed."""
    if options.workspace is WorkspaceKind.NONE:
        return
    if read_record(world.state_dir / STORES / run_id) is None:
        raise Refused(
            f"the trees of run {run_id} are not kept any more",
            hint="they were freed, or lie in another state folder; start anew: attractor run FILE",
        )


async def make_forked_tree(
    options: RunOptions, world: World, run_id: str, parent: str, tree: TreeId
) -> Base:
    """Make a run's workspace from what another one kept; return what it is based on."""
    if options.workspace is WorkspaceKind.NONE:
        return NoWorkspace().base
    if options.workspace is WorkspaceKind.IN_PLACE:
        return await _in_place(world, run_id, parent, tree)
    if options.workspace is WorkspaceKind.COPY:
        return await _copied(world, run_id, parent, tree)
    return await _isolated(world, run_id, parent, tree)


async def _copied(world: World, run_id: str, parent: str, tree: TreeId) -> Base:
    """Begin as the other run did: what a person changed since is no part of it."""
    theirs, record = open_store(world.state_dir, parent, search_path=world.search_path)
    workspace = await make_copied_again(
        theirs,
        record,
        state=world.state_dir,
        run_id=run_id,
        author=Author(NAME, EMAIL, world.clock.now()),
        environment=_nowhere,
    )
    return await _go_on_from(theirs, workspace, tree)


async def _isolated(world: World, run_id: str, parent: str, tree: TreeId) -> Base:
    repository = await open_repository(world.project, search_path=world.search_path)
    theirs, record = open_store(
        world.state_dir, parent, search_path=world.search_path, borrow_from=repository.objects
    )
    workspace = await make_isolated(
        repository,
        state=world.state_dir,
        run_id=run_id,
        commit=record.base.commit,
        author=Author(NAME, EMAIL, world.clock.now()),
        environment=_nowhere,
        left_out=record.left_out,
        tell=world.tell,
    )
    return await _go_on_from(theirs, workspace, tree)


async def _go_on_from(theirs: Store, workspace: Dimension, tree: TreeId) -> Base:
    await share_objects(theirs, workspace.store, tree=tree)
    await workspace.restore(tree)
    await workspace.close()
    return workspace.base


async def _in_place(world: World, run_id: str, parent: str, tree: TreeId) -> Base:
    """Keep the folder as it is under a tree; whoever walks on puts it back, what differs aside."""
    theirs, _ = open_store(world.state_dir, parent, search_path=world.search_path)
    workspace = await make_in_place(
        world.project,
        state=world.state_dir,
        run_id=run_id,
        search_path=world.search_path,
        environment=_nowhere,
    )
    await share_objects(theirs, workspace.store, tree=tree)
    await workspace.close()
    return workspace.base


def _nowhere(folder: Path) -> ExecutionEnvironment:
    """Nothing is run while a workspace is made."""
    return NoEnvironment()
