"""Creates a run that continues from another run, as that was before a visit of a node."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.ids import new_run_id
from attractor.base.json import Json
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.context import put_aside
from attractor.engine.errors import GraphChanged
from attractor.engine.journal.events import PipelineStarted, RunForked
from attractor.engine.run_folder.fence import is_held
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    create_run_directory,
    require_free,
)
from attractor.engine.state.progress import Progress, begin, progress_to_record
from attractor.engine.storage.blobs import Blobs
from attractor.environments.selection import require_promised
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference_text import NO_CHANGE, difference_text
from attractor.language.reading import decode, parse
from attractor.pipeline.children.folders import whole_of
from attractor.pipeline.fork.linked_run import (
    begin_journal,
    make_forked_tree,
    require_trees,
    share_artifacts,
)
from attractor.pipeline.fork.points import ForkPoint, find_fork_point
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.requirements import require_inside, require_runnable
from attractor.pipeline.preflight.secrets import find_told_secrets
from attractor.pipeline.request import (
    NOTHING_GIVEN,
    GivenSecrets,
    RunRequest,
    WorkspaceKind,
    kept_record,
    request_from_record,
    require_withheld,
    restored,
    secrets_of,
)
from attractor.pipeline.runs.lookup import run_root
from attractor.pipeline.runs.record import RunRecord, read_run
from attractor.pipeline.source.read import (
    PipelineSource,
    hash_of_file,
    open_pipeline,
    project_of,
)
from attractor.pipeline.source.saved import read_saved_pipeline
from attractor.pipeline.workspace.boot import end_left_running_of
from attractor.pipeline.workspace.sandbox import choose_sandbox

CHILDREN = "children"


@dataclass(frozen=True, kw_only=True)
class ForkOptions:
    """Which run is to be forked and where, and what is to be different from there on.

    With `ends_other` the other run is over by the time the new one begins. What the other run was
    given and its directory does not keep is given again.
    """

    root: Path
    at: str
    graph: Path | None = None
    interviewer: str = ""
    budgets: Budgets = NO_BUDGETS
    new_root: Path | None = None
    ends_other: bool = False
    given: GivenSecrets = NOTHING_GIVEN

    def host_of(self, host: RunHost) -> RunHost:
        """Return the world in which what is given is secret."""
        return host.keeping(secrets_of(self.given, host.redactor))


@dataclass(frozen=True)
class Fork:
    """A run that can be made; `change` tells how its pipeline differs from that of the other."""

    wish: ForkOptions
    run: RunRecord
    point: ForkPoint
    pipeline: PipelineSource
    request: RunRequest
    change: str = ""


async def plan_fork(wish: ForkOptions, host: RunHost) -> Fork:
    """Find all that a fork needs, or refuse before anything is made."""
    host = wish.host_of(host)
    run = read_run(wish.root)
    if wish.root.parent.name == CHILDREN:
        raise UsageError(
            f"{run.run_id} is part of run {whole_of(wish.root)}",
            hint="fork that one, at the node that runs this pipeline",
        )
    if wish.new_root is not None:
        require_free(wish.new_root)
    point = find_fork_point(run, wish.at)
    request = _request(run, wish, host)
    _require_place(run, request, wish)
    require_trees(request, host, run.run_id)
    before = read_saved_pipeline(
        run.directory,
        run.manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=host.custom_parts,
        environ=host.environ,
    )
    fork = Fork(wish, run, point, before, request)
    fork = _changed(fork, wish.graph, host) if wish.graph else _unchanged(fork)
    secrets = fork.pipeline.secrets
    request = replace(fork.request, inputs={**fork.request.inputs, **secrets})
    fork = replace(fork, request=request)
    await _require_runnable(fork, host.keeping(secrets.values()))
    return fork


async def _require_runnable(fork: Fork, host: RunHost) -> None:
    """Refuse what could not go on, as a run is refused: here, and where its tools will run."""
    graph, request = fork.pipeline.graph, fork.request
    told = find_told_secrets(fork.pipeline, host.redactor, host.environ)
    needs = await require_runnable(graph, request, host.environ, known=project_of(host), more=told)
    if needs:
        place = await choose_sandbox(request, host)
        require_promised(fork.run.manifest.promises, place)
        await require_inside(needs, place, host, what=graph.name)


async def make_fork(fork: Fork, host: RunHost) -> Path:
    """Make the directory and the workspace of a planned run; return where it lies."""
    host = fork.wish.host_of(host).keeping(fork.pipeline.secrets.values())
    run_id = new_run_id(host.clock.now(), host.randomness)
    old = fork.run.manifest
    if fork.request.workspace is WorkspaceKind.NONE:
        host.tell(f"Run {old.run_id} kept no trees: the files stay as they are now.")
        await end_left_running_of(fork.wish.root, host)
    tree = fork.point.progress.tree
    base = await make_forked_tree(fork.request, host, run_id, old.run_id, tree)
    root = fork.wish.new_root or run_root(run_id, host)
    pipeline = fork.pipeline
    manifest = replace(
        old,
        run_id=run_id,
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=host.clock.now(),
        content_hash=pipeline.content_hash,
        base=base,
        parent=old.run_id,
        forked_at=str(fork.point),
        restart=0,
        options=kept_record(fork.request, host.redactor),
        versions={"attractor": host.version},
    )
    begin_with = partial(_begin_journal, fork, manifest, host)
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=begin_with,
        redactor=host.redactor,
    )
    host.tell(f"run {run_id} in {root}, forked from {old.run_id} before {fork.point}")
    return root


def _request(run: RunRecord, wish: ForkOptions, host: RunHost) -> RunRequest:
    manifest = run.manifest
    request = request_from_record(manifest.options, suite=manifest.suite, profile=manifest.profile)
    require_withheld(request, wish.given)
    request = restored(request, wish.given, host.environ)
    return replace(
        request,
        file=wish.graph.absolute() if wish.graph else request.file,
        interviewer=wish.interviewer or request.interviewer,
        budgets=wish.budgets.over(request.budgets),
    )


def _require_place(run: RunRecord, request: RunRequest, wish: ForkOptions) -> None:
    """Refuse to let two runs work in one folder; what has no tree of its own is not forked."""
    if request.workspace.is_apart or wish.ends_other:
        return
    if request.workspace is WorkspaceKind.IN_PLACE:
        raise Refused(
            f"run {run.run_id} works in the project's own folder, which two runs cannot share",
            hint="go back in it with attractor rewind: that ends it and puts the folder back",
        )
    if is_held(run.directory.lock):
        raise Refused(
            f"run {run.run_id} is at work in the project's own folder",
            hint="wait until it ends, or end it and go back with attractor rewind",
        )


def _unchanged(fork: Fork) -> Fork:
    file = fork.request.file
    if file.is_file() and hash_of_file(file) != fork.pipeline.content_hash:
        raise GraphChanged(
            f"{file} was changed since run {fork.run.run_id} began",
            hint=f"go on with it as it is now: --graph {file}; or put it back as it was",
        )
    return fork


def _changed(fork: Fork, graph: Path, host: RunHost) -> Fork:
    """Take another pipeline from here on; it must have the node that is forked at."""
    request, file = fork.request, fork.run.directory.graph
    known = project_of(host)
    inputs = None if request.withheld else request.inputs
    pipeline = open_pipeline(str(graph), goal=request.goal, inputs=inputs, known=known)
    node = fork.point.node
    if node not in pipeline.graph.nodes:
        raise UnknownName(f"node of {graph}", node, pipeline.graph.nodes)
    if request.suite and pipeline.graph.name != fork.run.manifest.pipeline:
        raise UsageError(
            f"run {fork.run.run_id} is judged by {request.suite}, which is for the pipeline "
            f"{fork.run.manifest.pipeline!r}, not for {pipeline.graph.name!r}",
            hint="keep the name of the pipeline, or start a new run: attractor run",
        )
    before = parse(decode(file.read_bytes(), file=str(file)))
    change = difference_text(diff(before, parse(pipeline.text))) or NO_CHANGE
    return replace(fork, pipeline=pipeline, change=change)


def _begin_journal(fork: Fork, manifest: Manifest, host: RunHost, directory: RunDirectory) -> None:
    """Write where the run comes from, and how far its walk has come there."""
    share_artifacts(fork.run.directory, directory)
    point, pipeline = fork.point, fork.pipeline
    begun: dict[str, Json] = dict(point.begun)
    progress = _progress(fork, host, directory)
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
        clock=host.clock,
        redactor=host.redactor,
    )


def _progress(fork: Fork, host: RunHost, directory: RunDirectory) -> Progress:
    """Return the progress as it was, but for what the graph says of itself."""
    progress = fork.point.progress
    if not fork.wish.graph:
        return progress
    kept = {key: one for key, one in progress.context.items() if not key.startswith("graph.")}
    begun = begin(fork.pipeline.graph, progress.tree, {}).context
    clean = host.redactor.members(begun)
    mirrored = put_aside(clean, Blobs(directory.root))
    return replace(progress, context={**kept, **mirrored})
