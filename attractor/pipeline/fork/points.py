"""Finds the moment before a visit of a node: where a run can be forked.

Makes the workspace of a run that goes on from another one, with the files of that moment.

What a run that goes on from another one has when it begins: that one's artifacts, a journal.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.events import Event
from attractor.engine.journal.checkpoint import verify_journal
from attractor.engine.journal.events import (
    EventLog,
    Happening,
    ParallelBranchStarted,
    StageStarted,
    data_of,
    kind_of,
)
from attractor.engine.journal.reducer import fold
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.seams import Base
from attractor.engine.stage.no_workspace import NoEnvironment, NoWorkspace
from attractor.engine.state.identifiers import TreeId
from attractor.engine.state.progress import Progress
from attractor.engine.state.run_state import RunState
from attractor.engine.storage.blobs import ARTIFACTS, share
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.pipeline.host import RunHost
from attractor.pipeline.options import RunOptions, WorkspaceKind
from attractor.pipeline.running_stages import RunRecord
from attractor.pipeline.workspace.stage_commits import EMAIL, NAME
from attractor.workspaces.create.isolated import make_isolated
from attractor.workspaces.create.plain import make_copied_again, make_in_place
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.dimension_index import STORES, open_store, read_record
from attractor.workspaces.git.commits import Author
from attractor.workspaces.git.object_store import Store, share_objects
from attractor.workspaces.git.repository import open_repository

SHOWN = 12
_WITH_VISIT = re.compile(r"(?P<node>.+)@(?P<visit>[0-9]{1,9})", re.DOTALL)
_STARTED, _BRANCHED = StageStarted.__name__, ParallelBranchStarted.__name__


@dataclass(frozen=True)
class Visited:
    """A visit that a run made: its number, the event it began with, and the branch it was in."""

    node: str
    visit: int
    seq: int
    branch: str = ""

    def __str__(self) -> str:
        return f"{self.node}@{self.visit}"


@dataclass(frozen=True)
class ForkPoint:
    """A run as it was right before a visit; `seq` and `hash` are those of the event before it."""

    node: str
    visit: int
    seq: int
    hash: str
    progress: Progress
    begun: Mapping[str, int]
    given: Mapping[str, int]

    def __str__(self) -> str:
        return f"{self.node}@{self.visit}"


@dataclass
class _Path:
    """The visits of a run in the order in which they began, and what its branches left."""

    visits: dict[tuple[str, int], Visited] = field(default_factory=dict[tuple[str, int], Visited])
    branches: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def add(self, event: Event) -> None:
        """Take note of an event."""
        if event.node is None or event.visit is None:
            return
        branch = event.branch or ""
        if event.type == _BRANCHED:
            parent = Fields(event.data, _BRANCHED).text("parent")
            self.branches[branch] = (f"{event.node}@{event.visit}", parent)
        elif event.type == _STARTED:
            visited = Visited(event.node, event.visit, event.seq, branch)
            # A stage that was interrupted begins again.
            self.visits.setdefault((event.node, event.visit), visited)

    def fork_of(self, branch: str) -> str:
        """Return the visit of the walk from the start that a branch, or its own parent, left."""
        place, parent = self.branches.get(branch, ("", ""))
        while parent:
            place, parent = self.branches.get(parent, ("", ""))
        return place


def find_fork_point(run: RunRecord, reference: str) -> ForkPoint:
    """Return the moment before a visit, `NODE@VISIT`, or before the last one of a NODE."""
    verify_journal(run.directory.events)
    path = _Path()
    for event in run.events():
        path.add(event)
    visited = _choose(run, list(path.visits.values()), reference)
    if visited.branch:
        raise UsageError(
            f"{visited} was in the branch {visited.branch}, and a run is forked as a whole",
            hint=f"fork it where its branches began: {path.fork_of(visited.branch)}",
        )
    return _before(run, visited)


def _choose(run: RunRecord, visits: Sequence[Visited], reference: str) -> Visited:
    node, number = _split(reference, {one.node for one in visits})
    of_node = [one for one in visits if one.node == node]
    if not of_node:
        raise _never_visited(run, visits, node)
    found = [one for one in of_node if number in (None, one.visit)]
    if not found:
        raise UsageError(
            f"{node} has no visit {number} in run {run.run_id}",
            hint=f"its visits: {_named([str(one) for one in of_node])}{_earlier(run)}",
        )
    return found[-1]


def _split(reference: str, nodes: set[str]) -> tuple[str, int | None]:
    """Return the node and the visit that are meant; an id may end as if a visit were named."""
    match = _WITH_VISIT.fullmatch(reference)
    if match is None or reference in nodes:
        return reference, None
    return match["node"], int(match["visit"])


def _never_visited(run: RunRecord, visits: Sequence[Visited], node: str) -> UsageError:
    if not visits:
        return UsageError(
            f"run {run.run_id} has visited nothing yet",
            hint=f"begin it with attractor resume{_earlier(run)}",
        )
    nodes = list(dict.fromkeys(one.node for one in visits))
    error = UnknownName("visited node", node, nodes)
    name, _, number = node.rpartition("@")
    if name in nodes:
        told = f"{number!r} is no number of a visit of {name}"
        return UsageError(told, hint=f"say {name}@1 for the first one")
    if len(nodes) > SHOWN and not error.hint.startswith("did you mean"):
        error.hint = f"visited: {_named(nodes)}"
    error.hint += _earlier(run)
    return error


def _earlier(run: RunRecord) -> str:
    """Say where the visits before those of a fork are."""
    if not run.manifest.forked_at:
        return ""
    return f"; it was forked at {run.manifest.forked_at} from {run.manifest.parent}, which has more"


def _named(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[-SHOWN:]) + more


def _before(run: RunRecord, visited: Visited) -> ForkPoint:
    state, seq, digest = RunState(), 0, ""
    for event in run.events():
        if event.seq == visited.seq:
            break
        state, seq, digest = fold(state, event), event.seq, event.hash
    if state.progress is None:
        raise UsageError(f"the walk of {run.run_id} had not begun before {visited}")
    return ForkPoint(
        visited.node, visited.visit, seq, digest, state.progress, state.begun, state.given
    )


def require_trees(options: RunOptions, world: RunHost, run_id: str) -> None:
    """Refuse a run whose trees were freed."""
    if options.workspace is WorkspaceKind.NONE:
        return
    if read_record(world.state_dir / STORES / run_id) is None:
        raise Refused(
            f"the trees of run {run_id} are not kept any more",
            hint="they were freed, or lie in another state folder; start anew: attractor run FILE",
        )


async def make_forked_tree(
    options: RunOptions, world: RunHost, run_id: str, parent: str, tree: TreeId
) -> Base:
    """Make a run's workspace from what another one kept; return what it is based on."""
    if options.workspace is WorkspaceKind.NONE:
        return NoWorkspace().base
    if options.workspace is WorkspaceKind.IN_PLACE:
        return await _in_place(world, run_id, parent, tree)
    if options.workspace is WorkspaceKind.COPY:
        return await _copied(world, run_id, parent, tree)
    return await _isolated(world, run_id, parent, tree)


async def _copied(world: RunHost, run_id: str, parent: str, tree: TreeId) -> Base:
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


async def _isolated(world: RunHost, run_id: str, parent: str, tree: TreeId) -> Base:
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


async def _in_place(world: RunHost, run_id: str, parent: str, tree: TreeId) -> Base:
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


def begin_journal(
    directory: RunDirectory,
    happenings: Iterable[Happening],
    *,
    run_id: str,
    clock: Clock,
    redactor: Redactor,
) -> None:
    """Write the first events of a run: where it comes from, and how far its walk has come there."""
    log = EventLog(directory.events, run_id=run_id, clock=clock, redactor=redactor)
    try:
        for one in happenings:
            log.append(kind_of(one), data_of(one))
        log.sync()
    finally:
        log.close()


def share_artifacts(parent: RunDirectory, directory: RunDirectory) -> None:
    """Give a run what values in its context stand for; no artifact ever changes."""
    share(parent.root / ARTIFACTS, directory.root / ARTIFACTS)
