"""Makes a run that goes on from another one, as that stood before a visit of a node.

The other run stays as it is. The new one has its own directory, journal and workspace, so that it
is resumed and verified like any other; its journal begins with where it came from.

Ends the run that another one stands in for.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, UsageError
from attractor.base.ids import new_run_id
from attractor.base.json import Json
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.context import put_aside
from attractor.engine.errors import GraphChanged
from attractor.engine.journal.checkpoint import open_journal
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
from attractor.language.comparison.output import NO_CHANGE, tell
from attractor.language.reading import decode, parse
from attractor.pipeline.accept_graph import read_again
from attractor.pipeline.children.folders import whole_of
from attractor.pipeline.components import choose_place
from attractor.pipeline.fork.points import (
    ForkPoint,
    begin_journal,
    find_fork_point,
    make_forked_tree,
    require_trees,
    share_artifacts,
)
from attractor.pipeline.host import RunHost, in_runs_folder
from attractor.pipeline.options import RunOptions, WorkspaceKind, options_from_record
from attractor.pipeline.orders import Orders, Receipt
from attractor.pipeline.preflight.requirements import require_inside, require_runnable
from attractor.pipeline.preflight.secrets import (
    NOTHING_GIVEN,
    GivenSecrets,
    find_told_secrets,
    kept_record,
    require_withheld,
    restored,
    secrets_of,
)
from attractor.pipeline.running_stages import RunRecord, read_run
from attractor.pipeline.source import PipelineSource, hash_of_file, known_in, open_pipeline
from attractor.pipeline.workspace.boot import end_left_running_of

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

    def world_of(self, world: RunHost) -> RunHost:
        """Return the world in which what is given is secret."""
        return world.keeping(secrets_of(self.given, world.redactor))


@dataclass(frozen=True)
class Fork:
    """A run that can be made; `change` tells how its pipeline differs from that of the other."""

    wish: ForkOptions
    run: RunRecord
    point: ForkPoint
    pipeline: PipelineSource
    options: RunOptions
    change: str = ""


async def plan_fork(wish: ForkOptions, world: RunHost) -> Fork:
    """Find all that a fork needs, or refuse before anything is made."""
    world = wish.world_of(world)
    run = read_run(wish.root)
    if wish.root.parent.name == CHILDREN:
        raise UsageError(
            f"{run.run_id} is part of run {whole_of(wish.root)}",
            hint="fork that one, at the node that runs this pipeline",
        )
    if wish.new_root is not None:
        require_free(wish.new_root)
    point = find_fork_point(run, wish.at)
    options = _options(run, wish, world)
    _require_place(run, options, wish)
    require_trees(options, world, run.run_id)
    before = read_again(
        run.directory,
        run.manifest,
        goal=options.goal,
        inputs=None if options.withheld else options.inputs,
        brought=world.brought,
        environ=world.environ,
    )
    fork = Fork(wish, run, point, before, options)
    fork = _changed(fork, wish.graph, world) if wish.graph else _unchanged(fork)
    secrets = fork.pipeline.secrets
    options = replace(fork.options, inputs={**fork.options.inputs, **secrets})
    fork = replace(fork, options=options)
    await _require_runnable(fork, world.keeping(secrets.values()))
    return fork


async def _require_runnable(fork: Fork, world: RunHost) -> None:
    """Refuse what could not go on, as a run is refused: here, and where its tools will run."""
    graph, options = fork.pipeline.graph, fork.options
    told = find_told_secrets(fork.pipeline, world.redactor, world.environ)
    needs = await require_runnable(graph, options, world.environ, known=known_in(world), more=told)
    if needs:
        place = await choose_place(options, world)
        require_promised(fork.run.manifest.promises, place)
        await require_inside(needs, place, world, what=graph.name)


async def make_fork(fork: Fork, world: RunHost) -> Path:
    """Make the directory and the workspace of a planned run; return where it lies."""
    world = fork.wish.world_of(world).keeping(fork.pipeline.secrets.values())
    run_id = new_run_id(world.clock.now(), world.randomness)
    old = fork.run.manifest
    if fork.options.workspace is WorkspaceKind.NONE:
        world.tell(f"Run {old.run_id} kept no trees: the files stay as they are now.")
        await end_left_running_of(fork.wish.root, world)
    tree = fork.point.progress.tree
    base = await make_forked_tree(fork.options, world, run_id, old.run_id, tree)
    root = fork.wish.new_root or in_runs_folder(run_id, world)
    pipeline = fork.pipeline
    manifest = replace(
        old,
        run_id=run_id,
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=world.clock.now(),
        content_hash=pipeline.content_hash,
        base=base,
        parent=old.run_id,
        forked_at=str(fork.point),
        restart=0,
        options=kept_record(fork.options, world.redactor),
        versions={"attractor": world.version},
    )
    begin_with = partial(_begin_journal, fork, manifest, world)
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=begin_with,
        redactor=world.redactor,
    )
    world.tell(f"run {run_id} in {root}, forked from {old.run_id} before {fork.point}")
    return root


def _options(run: RunRecord, wish: ForkOptions, world: RunHost) -> RunOptions:
    manifest = run.manifest
    options = options_from_record(manifest.options, suite=manifest.suite, profile=manifest.profile)
    require_withheld(options, wish.given)
    options = restored(options, wish.given, world.environ)
    return replace(
        options,
        file=wish.graph.absolute() if wish.graph else options.file,
        interviewer=wish.interviewer or options.interviewer,
        budgets=wish.budgets.over(options.budgets),
    )


def _require_place(run: RunRecord, options: RunOptions, wish: ForkOptions) -> None:
    """Refuse to let two runs work in one folder; what has no tree of its own is not forked."""
    if options.workspace.is_apart or wish.ends_other:
        return
    if options.workspace is WorkspaceKind.IN_PLACE:
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
    file = fork.options.file
    if file.is_file() and hash_of_file(file) != fork.pipeline.content_hash:
        raise GraphChanged(
            f"{file} was changed since run {fork.run.run_id} began",
            hint=f"go on with it as it is now: --graph {file}; or put it back as it was",
        )
    return fork


def _changed(fork: Fork, graph: Path, world: RunHost) -> Fork:
    """Take another pipeline from here on; it must have the node that is forked at."""
    options, file = fork.options, fork.run.directory.graph
    known = known_in(world)
    inputs = None if options.withheld else options.inputs
    pipeline = open_pipeline(str(graph), goal=options.goal, inputs=inputs, known=known)
    node = fork.point.node
    if node not in pipeline.graph.nodes:
        raise UnknownName(f"node of {graph}", node, pipeline.graph.nodes)
    if options.suite and pipeline.graph.name != fork.run.manifest.pipeline:
        raise UsageError(
            f"run {fork.run.run_id} is judged by {options.suite}, which is for the pipeline "
            f"{fork.run.manifest.pipeline!r}, not for {pipeline.graph.name!r}",
            hint="keep the name of the pipeline, or start a new run: attractor run",
        )
    before = parse(decode(file.read_bytes(), file=str(file)))
    change = tell(diff(before, parse(pipeline.text))) or NO_CHANGE
    return replace(fork, pipeline=pipeline, change=change)


def _begin_journal(fork: Fork, manifest: Manifest, world: RunHost, directory: RunDirectory) -> None:
    """Write where the run comes from, and how far its walk has come there."""
    share_artifacts(fork.run.directory, directory)
    point, pipeline = fork.point, fork.pipeline
    begun: dict[str, Json] = dict(point.begun)
    progress = _progress(fork, world, directory)
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
        clock=world.clock,
        redactor=world.redactor,
    )


def _progress(fork: Fork, world: RunHost, directory: RunDirectory) -> Progress:
    """Return the progress as it was, but for what the graph says of itself."""
    progress = fork.point.progress
    if not fork.wish.graph:
        return progress
    kept = {key: one for key, one in progress.context.items() if not key.startswith("graph.")}
    begun = begin(fork.pipeline.graph, progress.tree, {}).context
    clean = world.redactor.members(begun)
    mirrored = put_aside(clean, Blobs(directory.root))
    return replace(progress, context={**kept, **mirrored})


PATIENCE_S = 60.0
_POLL = timedelta(milliseconds=100)


async def end_other(orders: Orders, clock: Clock, *, why: str) -> Receipt | None:
    """End a run for good and wait until nobody is at work on it; None when it had ended before."""
    if _has_ended(orders):
        return None
    receipt = orders.cancel(why)
    until = clock.monotonic() + PATIENCE_S
    while is_held(RunDirectory(orders.root).lock):
        if clock.monotonic() > until:
            raise Refused(
                f"run {orders.root.name} was told to end, and is still at work",
                hint="see what it does with attractor status, then try again",
            )
        await clock.sleep(_POLL)
    if not _has_ended(orders):
        # Its runner let go of it without a look into the inbox.
        receipt = orders.cancel(why)
    return receipt


def _has_ended(orders: Orders) -> bool:
    directory = RunDirectory(orders.root)
    return open_journal(directory.events, directory.checkpoint).state.standing.is_final
