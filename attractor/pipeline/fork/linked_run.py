"""Creates the workspace, artifacts and first events of a run that continues another run."""

from collections.abc import Iterable
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.errors import Refused
from attractor.engine.journal.events import (
    EngineEvent,
    EventLog,
    data_of,
    kind_of,
)
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.seams import Base
from attractor.engine.stage.no_workspace import NoEnvironment, NoWorkspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.storage.artifacts import ARTIFACTS, share_blobs
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, WorkspaceKind
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.workspaces.create.from_folder import create_in_place, create_like
from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.git.object_store import Author, ObjectStore, share_objects
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.run_store import STORES, open_store, read_record


def require_trees(request: RunRequest, host: RunHost, run_id: str) -> None:
    """Refuse to continue a run whose trees were freed."""
    if request.workspace is WorkspaceKind.NONE:
        return
    if read_record(host.state_dir / STORES / run_id) is None:
        raise Refused(
            f"the trees of run {run_id} are not kept any more",
            hint="they were freed, or lie in another state folder; start anew: attractor run FILE",
        )


async def make_forked_tree(
    request: RunRequest, host: RunHost, run_id: str, parent: str, tree: TreeId
) -> Base:
    """Create a workspace from a tree of another run, and return its base."""
    if request.workspace is WorkspaceKind.NONE:
        return NoWorkspace().base
    if request.workspace is WorkspaceKind.IN_PLACE:
        return await _in_place(host, run_id, parent, tree)
    if request.workspace is WorkspaceKind.COPY:
        return await _copied(host, run_id, parent, tree)
    return await _isolated(host, run_id, parent, tree)


async def _copied(host: RunHost, run_id: str, parent: str, tree: TreeId) -> Base:
    """Start from the copy of the other run, without later changes of the project."""
    theirs, record = open_store(host.state_dir, parent, search_path=host.search_path)
    workspace = await create_like(
        theirs,
        record,
        state=host.state_dir,
        run_id=run_id,
        author=Author(NAME, EMAIL, host.clock.now()),
        environment=_nowhere,
    )
    return await _go_on_from(theirs, workspace, tree)


async def _isolated(host: RunHost, run_id: str, parent: str, tree: TreeId) -> Base:
    repository = await open_repository(host.project, search_path=host.search_path)
    theirs, record = open_store(
        host.state_dir, parent, search_path=host.search_path, borrow_from=repository.objects
    )
    workspace = await create_isolated(
        repository,
        state=host.state_dir,
        run_id=run_id,
        commit=record.base.commit,
        author=Author(NAME, EMAIL, host.clock.now()),
        environment=_nowhere,
        excluded=record.excluded,
        tell=host.tell,
    )
    return await _go_on_from(theirs, workspace, tree)


async def _go_on_from(theirs: ObjectStore, workspace: Dimension, tree: TreeId) -> Base:
    await share_objects(theirs, workspace.store, tree=tree)
    await workspace.restore(tree)
    await workspace.close()
    return workspace.base


async def _in_place(host: RunHost, run_id: str, parent: str, tree: TreeId) -> Base:
    """Record the folder as a tree; the walk restores it later and sets differences aside."""
    theirs, _ = open_store(host.state_dir, parent, search_path=host.search_path)
    workspace = await create_in_place(
        host.project,
        state=host.state_dir,
        run_id=run_id,
        search_path=host.search_path,
        environment=_nowhere,
    )
    await share_objects(theirs, workspace.store, tree=tree)
    await workspace.close()
    return workspace.base


def _nowhere(folder: Path) -> ExecutionEnvironment:
    """Return no environment: no tool runs while a workspace is created."""
    return NoEnvironment()


def begin_journal(
    directory: RunDirectory,
    happenings: Iterable[EngineEvent],
    *,
    run_id: str,
    clock: Clock,
    redactor: Redactor,
) -> None:
    """Write the first events of a run: its origin, and its progress there."""
    log = EventLog(directory.events, run_id=run_id, clock=clock, redactor=redactor)
    try:
        for one in happenings:
            log.append(kind_of(one), data_of(one))
        log.sync()
    finally:
        log.close()


def share_artifacts(parent: RunDirectory, directory: RunDirectory) -> None:
    """Share the artifacts of a run with another one; artifacts never change."""
    share_blobs(parent.root / ARTIFACTS, directory.root / ARTIFACTS)
