"""Creates a fork of a run at a point of its history."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.events import Event
from attractor.base.ids import new_run_id
from attractor.base.json import Json
from attractor.engine.context import store_large_values
from attractor.engine.errors import GraphChanged
from attractor.engine.journal.checkpoint import open_journal, verify_journal
from attractor.engine.journal.events import (
    ParallelBranchStarted,
    PipelineStarted,
    RunForked,
    StageStarted,
)
from attractor.engine.journal.reducer import fold
from attractor.engine.run_folder.layout import (
    CHILDREN,
    Manifest,
    RunDirectory,
    create_run_directory,
    is_held,
    require_free,
)
from attractor.engine.state.progress import Progress, begin, progress_to_record
from attractor.engine.state.run_state import RunState
from attractor.engine.storage.artifacts import Blobs
from attractor.engine.storage.json_files import Fields
from attractor.environments.selection import require_promised
from attractor.language.reading import parse
from attractor.pipeline.fork.linked_run import (
    begin_journal,
    make_forked_tree,
    require_trees,
    share_artifacts,
)
from attractor.pipeline.garbage import end_orphans_of
from attractor.pipeline.host.pinned_agents import pin_agents, with_pinned_agents
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.preflight import preflight
from attractor.pipeline.source.read import (
    PipelineSource,
    hash_of_file,
    open_pipeline,
    pipeline_name,
    project_of,
    read_saved_pipeline,
)
from attractor.records.lookup import RecordedRun, outermost_run_id, read_run, run_root
from attractor.records.request import (
    NO_OVERRIDES,
    Overrides,
    RunRequest,
    WorkspaceKind,
    current_request,
)

SHOWN = 12

_WITH_VISIT = re.compile(r"(?P<node>.+)@(?P<visit>[0-9]{1,9})", re.DOTALL)

_STARTED, _BRANCHED = StageStarted.__name__, ParallelBranchStarted.__name__


@dataclass(frozen=True)
class Visited:
    """A visit of a node: number, first event, and branch of the visit."""

    node: str
    visit: int
    seq: int
    branch: str = ""

    def __str__(self) -> str:
        return f"{self.node}@{self.visit}"


@dataclass(frozen=True)
class ForkPoint:
    """The state of a run right before a visit; `seq` and `hash` belong to the preceding event."""

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
    """The visits of a run in the order of their start, and the parallel nodes where
    branches began.
    """

    visits: dict[tuple[str, int], Visited] = field(default_factory=dict[tuple[str, int], Visited])
    branches: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def add(self, event: Event) -> None:
        """Add an event of the run."""
        if event.node is None or event.visit is None:
            return
        branch = event.branch or ""
        if event.type == _BRANCHED:
            parent = Fields(event.data, _BRANCHED).text("parent")
            self.branches[branch] = (f"{event.node}@{event.visit}", parent)
        elif event.type == _STARTED:
            visited = Visited(event.node, event.visit, event.seq, branch)
            # A stage that was interrupted starts a second time.
            self.visits.setdefault((event.node, event.visit), visited)

    def fork_of(self, branch: str) -> str:
        """Return the visit at which the outermost branch that contains a branch started."""
        place, parent = self.branches.get(branch, ("", ""))
        while parent:
            place, parent = self.branches.get(parent, ("", ""))
        return place


def find_fork_point(run: RecordedRun, reference: str) -> ForkPoint:
    """Return the point before a visit `NODE@VISIT`, or before the last visit of `NODE`."""
    verify_journal(run.directory.events)
    path = _Path()
    for event in run.events():
        path.add(event)
    visited = _choose(run, list(path.visits.values()), reference)
    if visited.branch:
        raise UsageError(
            (
                f"{visited} is in the branch {visited.branch}, and a fork can only start "
                "outside of branches"
            ),
            hint=f"fork it where the branches began: {path.fork_of(visited.branch)}",
        )
    return _before(run, visited)


def _choose(run: RecordedRun, visits: Sequence[Visited], reference: str) -> Visited:
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
    """Split a reference into node and visit; the node id can also contain `@`."""
    match = _WITH_VISIT.fullmatch(reference)
    if match is None or reference in nodes:
        return reference, None
    return match["node"], int(match["visit"])


def _never_visited(run: RecordedRun, visits: Sequence[Visited], node: str) -> UsageError:
    if not visits:
        return UsageError(
            f"run {run.run_id} has not visited any node yet",
            hint=f"begin it with attractor resume{_earlier(run)}",
        )
    nodes = list(dict.fromkeys(one.node for one in visits))
    error = UnknownName("visited node", node, nodes)
    name, _, number = node.rpartition("@")
    if name in nodes:
        message = f"invalid visit number {number!r} of {name}"
        return UsageError(message, hint=f"write {name}@1 for the first visit")
    if len(nodes) > SHOWN and not error.hint.startswith("did you mean"):
        error.hint = f"visited: {_named(nodes)}"
    error.hint += _earlier(run)
    return error


def _earlier(run: RecordedRun) -> str:
    """If the run is a fork, return a hint: visits before the fork are recorded in the
    parent run.
    """
    if not run.manifest.forked_at:
        return ""
    return (
        f"; the run was forked at {run.manifest.forked_at} from "
        f"{run.manifest.parent}, which has the earlier visits"
    )


def _named(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
    return ", ".join(words[-SHOWN:]) + more


def _before(run: RecordedRun, visited: Visited) -> ForkPoint:
    state, seq, digest = RunState(), 0, ""
    for event in run.events():
        if event.seq == visited.seq:
            break
        state, seq, digest = fold(state, event), event.seq, event.hash
    if state.progress is None:
        raise UsageError(f"the walk of {run.run_id} had not begun before {visited}")
    return ForkPoint(
        visited.node, visited.visit, seq, digest, state.progress, state.begun, state.answer_counts
    )


@dataclass(frozen=True, kw_only=True)
class Fork:
    """A fork that passed preflight: the old run, the fork point, and the request of the new run.

    `change` describes the difference if the fork has another pipeline; then it has the project's
    agents of now, otherwise those of the old run. `root` is the directory of
    the new run (default: in the runs folder).
    """

    run: RecordedRun
    point: ForkPoint
    pipeline: PipelineSource
    request: RunRequest
    host: RunHost
    agents: str
    root: Path | None = None
    change: str = ""


async def plan_fork(
    root: Path,
    at: str,
    host: RunHost,
    overrides: Overrides = NO_OVERRIDES,
    *,
    graph: Path | None = None,
    new_root: Path | None = None,
    ends_other: bool = False,
) -> Fork:
    """Check all that a fork needs, before anything is created.

    With `ends_other`, the old run ends before the new run starts.
    """
    host = host.with_secrets(overrides.secrets(host.redactor))
    run = _read_whole_run(root)
    if new_root is not None:
        require_free(new_root)
    point = find_fork_point(run, at)
    state = open_journal(run.directory.events, run.directory.checkpoint).state
    request = current_request(run.manifest, state)
    overrides.require_withheld(request)
    request = overrides.apply(request, host.environ)
    request = replace(request, file=graph.absolute()) if graph else request
    if not ends_other:
        _require_own_files(run, request)
    require_trees(request, host, run.run_id)
    pipeline = _read_pipeline(run, request, host)
    change = ""
    if graph:
        before, pipeline = pipeline, _read_changed(graph, point, request, host)
        # Few pipelines are changed during a run.
        from attractor.language.comparison.compare import diff
        from attractor.language.comparison.difference import NO_CHANGE, difference_text

        change = difference_text(diff(parse(before.text), parse(pipeline.text))) or NO_CHANGE
    else:
        _require_unchanged(run, pipeline, request)
    host = host.with_secrets(pipeline.secrets.values())
    agents = pin_agents(host) if graph else run.manifest.agents
    host = with_pinned_agents(host, agents)
    request = request.with_inputs(pipeline.secrets)
    suite_pipeline = run.manifest.pipeline if request.suite else ""
    report = await preflight(pipeline, request, host, suite_pipeline=suite_pipeline)
    require_promised(run.manifest.promises, report.require_ok())
    return Fork(
        run=run,
        point=point,
        pipeline=pipeline,
        request=report.request,
        host=host,
        agents=agents,
        root=new_root,
        change=change,
    )


async def create_fork(fork: Fork) -> Path:
    """Create the workspace and the run directory of a planned fork; return the run directory."""
    old, host, pipeline = fork.run.manifest, fork.host, fork.pipeline
    run_id = new_run_id(host.clock.now(), host.randomness)
    if fork.request.workspace is WorkspaceKind.NONE:
        host.tell(f"Run {old.run_id} took no snapshots: the fork begins with the current files.")
        await end_orphans_of(fork.run.directory.root, host)
    tree = fork.point.progress.tree
    base = await make_forked_tree(fork.request, host, run_id, old.run_id, tree)
    root = fork.root or run_root(run_id, host.runs_dir)
    manifest = replace(
        old,
        run_id=run_id,
        pipeline=pipeline_name(pipeline.graph, fork.request.file),
        goal=pipeline.graph.goal,
        started=host.clock.now(),
        content_hash=pipeline.content_hash,
        base=base,
        parent=old.run_id,
        forked_at=str(fork.point),
        restart=0,
        agents=fork.agents,
        options=fork.request.redacted_record(host.redactor),
        versions={"attractor": host.version},
    )
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=partial(_begin_journal, fork, manifest),
        redactor=host.redactor,
    )
    host.tell(f"run {run_id} in {root}, forked from {old.run_id} before {fork.point}")
    return root


def _read_whole_run(root: Path) -> RecordedRun:
    """Read a run, or refuse a child, because only its outermost parent can be forked."""
    run = read_run(root)
    if root.parent.name == CHILDREN:
        raise UsageError(
            f"{run.run_id} is part of run {outermost_run_id(root)}",
            hint="fork that run, at the node that runs this pipeline",
        )
    return run


def _require_own_files(run: RecordedRun, request: RunRequest) -> None:
    """Refuse a fork that would use the same folder as the old run."""
    if request.workspace.is_apart:
        return
    if request.workspace is WorkspaceKind.IN_PLACE:
        raise Refused(
            f"run {run.run_id} works in the folder of the project, which two runs cannot share",
            hint="use attractor rewind: it ends that run and restores the folder",
        )
    if is_held(run.directory.lock):
        raise Refused(
            f"run {run.run_id} is running in the folder of the project",
            hint="wait until it ends, or cancel it and use attractor rewind",
        )


def _read_pipeline(run: RecordedRun, request: RunRequest, host: RunHost) -> PipelineSource:
    return read_saved_pipeline(
        run.directory,
        run.manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=host.custom_parts,
        environ=host.environ,
    )


def _read_changed(
    graph: Path, point: ForkPoint, request: RunRequest, host: RunHost
) -> PipelineSource:
    """Read another pipeline for the fork, which must contain the node at which the fork starts."""
    inputs = None if request.withheld else request.inputs
    pipeline = open_pipeline(str(graph), goal=request.goal, inputs=inputs, project=project_of(host))
    if point.node not in pipeline.graph.nodes:
        raise UnknownName(f"node of {graph}", point.node, pipeline.graph.nodes)
    return pipeline


def _require_unchanged(run: RecordedRun, pipeline: PipelineSource, request: RunRequest) -> None:
    """Refuse a pipeline file that changed since the old run started."""
    file = request.file
    if file.is_file() and hash_of_file(file) != pipeline.content_hash:
        raise GraphChanged(
            f"{file} was changed since run {run.run_id} started",
            hint=f"fork with the changed file: --graph {file}; or restore the old content",
        )


def _begin_journal(fork: Fork, manifest: Manifest, directory: RunDirectory) -> None:
    """Write the first events of the fork: the origin, and the progress at the origin."""
    share_artifacts(fork.run.directory, directory)
    point, pipeline = fork.point, fork.pipeline
    begun: dict[str, Json] = dict(point.begun)
    progress = _progress(fork, directory)
    forked = RunForked(
        fork.run.run_id,
        point.node,
        point.visit,
        point.seq,
        point.hash,
        progress.tree,
        begun,
        dict(point.given),
    )
    started = PipelineStarted(
        pipeline.graph.name, manifest.run_id, manifest.content_hash, progress_to_record(progress)
    )
    begin_journal(
        directory,
        [forked, started],
        run_id=manifest.run_id,
        clock=fork.host.clock,
        redactor=fork.host.redactor,
    )


def _progress(fork: Fork, directory: RunDirectory) -> Progress:
    """Return the progress at the fork point, with the `graph.*` values of the new pipeline."""
    progress = fork.point.progress
    if not fork.change:
        return progress
    own_values = {key: one for key, one in progress.context.items() if not key.startswith("graph.")}
    begun = begin(fork.pipeline.graph, progress.tree, {}).context
    clean = fork.host.redactor.members(begun)
    mirrored = store_large_values(clean, Blobs(directory.root))
    return replace(progress, context={**own_values, **mirrored})
