"""Makes the run that goes on in place of one that came to an edge with `loop_restart` (ruling R7).

Its name stands in the journal of the other one before it is made, and the other one ends when it
is there: whoever resumes either after a crash finds the one round that is to go on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from attractor.base.ids import new_run_id
from attractor.engine.endings import end_run
from attractor.engine.events import PipelineStarted, RunRestarted, RunRestarting
from attractor.engine.manifest import Manifest
from attractor.engine.open_run import OpenRun, open_run
from attractor.engine.progress import Progress
from attractor.engine.progress_records import progress_to_record
from attractor.engine.restarts import begin_again
from attractor.engine.results import RunResult
from attractor.engine.run_directory import RunDirectory, create_run_directory, read_manifest
from attractor.engine.secrets import Redactor
from attractor.pipeline.forked_trees import make_forked_tree
from attractor.pipeline.linked_runs import begin_journal, share_artifacts
from attractor.pipeline.options import RunOptions
from attractor.pipeline.runs_folder import in_runs_folder
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.world import World


@dataclass(frozen=True)
class Round:
    """Where a run stands, and the directory of the run that goes on in its place, if one does."""

    result: RunResult
    next: Path | None = None


async def to_the_end(done: Round, go_on: Callable[[Path], Awaitable[Round]]) -> RunResult:
    """Go on with one run in place of the other until one rests or ends."""
    while done.next is not None:
        done = await go_on(done.next)
    return done.result


def round_of(result: RunResult, run: OpenRun, world: World) -> Round:
    """Return where a run stands, with the directory of the next one when it was made."""
    return Round(result, next_root(run, world) if result.is_restarting else None)


async def make_next(
    run: OpenRun, pipeline: PipelineSource, options: RunOptions, world: World
) -> None:
    """Make the run that goes on in place of one, unless it is there; then that one is over."""
    if not _is_made(run, world):
        await _make(run, pipeline, options, world)
    end_run(run)


def next_root(run: OpenRun, world: World) -> Path:
    """Return where the run is that goes on in place of one."""
    return in_runs_folder(run.state.restarted_as, world)


def settle_parent(manifest: Manifest, world: World) -> None:
    """End the run that another one goes on in place of, if its process died before it did."""
    root = in_runs_folder(manifest.parent, world)
    directory = RunDirectory(root)
    if not directory.manifest.exists() or read_manifest(directory).run_id != manifest.parent:
        return
    redactor = Redactor.of_environment(world.environ)
    with open_run(root, clock=world.clock, redactor=redactor) as parent:
        state = parent.state
        if state.restarted_as == manifest.run_id and not state.standing.is_final:
            end_run(parent)


def _is_made(run: OpenRun, world: World) -> bool:
    """Tell whether the next run was made: its manifest comes last."""
    named = run.state.restarted_as
    return bool(named) and RunDirectory(in_runs_folder(named, world)).manifest.exists()


async def _make(run: OpenRun, pipeline: PipelineSource, options: RunOptions, world: World) -> None:
    """Make it under a new name: of one that was half made before, nothing is used."""
    old, now = run.manifest, world.clock.now()
    run_id = new_run_id(now, world.randomness)
    progress = begin_again(run.progress)
    restart = progress.restarts
    run.record(RunRestarting(run_id, progress.next_node, restart), sync=True)
    base = await make_forked_tree(options, world, run_id, old.run_id, progress.tree)
    manifest = replace(
        old,
        run_id=run_id,
        started=now,
        base=base,
        parent=old.run_id,
        forked_at="",
        restart=restart,
        options=options.to_record(),
        versions={"attractor": world.version},
    )
    root = in_runs_folder(run_id, world)
    begin = _Beginning(run, manifest, progress).write
    create_run_directory(root, manifest, pipeline.text, files=pipeline.files, begin=begin)
    world.tell(f"run {run_id} in {root}, restart {restart} of {old.run_id}")


@dataclass(frozen=True)
class _Beginning:
    """How the next run begins."""

    run: OpenRun
    manifest: Manifest
    progress: Progress

    def write(self, directory: RunDirectory) -> None:
        """Write where it comes from, and how far its walk has come there."""
        run, manifest, progress = self.run, self.manifest, self.progress
        share_artifacts(run.directory, directory)
        restarted = RunRestarted(
            parent=run.manifest.run_id,
            restart=progress.restarts,
            node=progress.next_node,
            seq=run.events.head.seq,
            hash=run.events.head.hash,
            tree=progress.tree,
            begun=dict(run.state.begun),
            given=dict(run.state.given),
        )
        started = PipelineStarted(
            manifest.pipeline,
            manifest.run_id,
            manifest.content_hash,
            progress_to_record(progress),
        )
        begin_journal(
            directory,
            [restarted, started],
            run_id=manifest.run_id,
            clock=run.clock,
            redactor=run.redactor,
        )
