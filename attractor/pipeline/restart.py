"""Makes the run that goes on in place of one that came to an edge with `loop_restart` (ruling R7).

Its name stands in the journal of the other one before it is made, and the other one ends when it
is there: whoever resumes either after a crash finds the one round that is to go on.

Finds the run that goes on in place of another one, which began anew.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.ids import new_run_id
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import PipelineStarted, RunRestarted, RunRestarting
from attractor.engine.routing.next_move import begin_again
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    create_run_directory,
    read_manifest,
)
from attractor.engine.run_folder.open_run import OpenRun, end_run, open_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.progress import Progress, progress_to_record
from attractor.engine.state.run_state import RunState
from attractor.pipeline.children.folders import clear_half_made
from attractor.pipeline.fork.linked_run import (
    begin_journal,
    make_forked_tree,
    share_artifacts,
)
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.request import RunRequest, kept_record
from attractor.pipeline.runs.lookup import run_root
from attractor.pipeline.source.read import PipelineSource


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


def round_of(result: RunResult, run: OpenRun, host: RunHost) -> Round:
    """Return where a run stands, with the directory of the next one when it was made."""
    return Round(result, next_root(run, host) if result.is_restarting else None)


async def make_next(
    run: OpenRun, pipeline: PipelineSource, request: RunRequest, host: RunHost
) -> None:
    """Make the run that goes on in place of one, unless it is there; then that one is over."""
    if not _is_made(run, host):
        await _make(run, pipeline, request, host)
    end_run(run)


def make_next_child(
    run: OpenRun, pipeline: PipelineSource, directory: RunDirectory, host: RunHost
) -> None:
    """Make the run that goes on in place of a child, unless it is there; then that one is over.

    It works where its parent does, so nothing is made but its directory.
    """
    if not directory.manifest.exists():
        begins = _named(run, pipeline, host)
        clear_half_made(directory.root)
        _create(directory.root, begins, pipeline, host)
    end_run(run)


def next_root(run: OpenRun, host: RunHost) -> Path:
    """Return where the run is that goes on in place of one."""
    return run_root(run.state.restarted_as, host)


def settle_parent(manifest: Manifest, host: RunHost) -> None:
    """End the run that another one goes on in place of, if its process died before it did."""
    root = run_root(manifest.parent, host)
    directory = RunDirectory(root)
    if not directory.manifest.exists() or read_manifest(directory).run_id != manifest.parent:
        return
    with open_run(root, clock=host.clock, redactor=host.redactor) as parent:
        state = parent.state
        if state.restarted_as == manifest.run_id and not state.status.is_final:
            end_run(parent)


def _is_made(run: OpenRun, host: RunHost) -> bool:
    """Tell whether the next run was made: its manifest comes last."""
    named = run.state.restarted_as
    return bool(named) and RunDirectory(run_root(named, host)).manifest.exists()


async def _make(run: OpenRun, pipeline: PipelineSource, request: RunRequest, host: RunHost) -> None:
    """Make it under a new name: of one that was half made before, nothing is used."""
    begins = _named(run, pipeline, host)
    base = await make_forked_tree(
        request, host, begins.manifest.run_id, run.manifest.run_id, begins.progress.tree
    )
    manifest = replace(begins.manifest, base=base, options=kept_record(request, host.redactor))
    root = run_root(manifest.run_id, host)
    _create(root, replace(begins, manifest=manifest), pipeline, host)


def _named(run: OpenRun, pipeline: PipelineSource, host: RunHost) -> "_Beginning":
    """Name the next run in the journal, and return how it begins."""
    old, now = run.manifest, host.clock.now()
    run_id = new_run_id(now, host.randomness)
    progress = begin_again(run.progress)
    run.record(RunRestarting(run_id, progress.next_node, progress.restarts), sync=True)
    manifest = replace(
        old,
        run_id=run_id,
        started=now,
        content_hash=pipeline.content_hash,
        parent=old.run_id,
        forked_at="",
        restart=progress.restarts,
        versions={"attractor": host.version},
    )
    return _Beginning(run, manifest, progress)


def _create(root: Path, begins: "_Beginning", pipeline: PipelineSource, host: RunHost) -> None:
    manifest = begins.manifest
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=begins.write,
        redactor=host.redactor,
    )
    host.tell(f"run {manifest.run_id} in {root}, restart {manifest.restart} of {manifest.parent}")


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
            given=dict(run.state.answer_counts),
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


def last_round(root: Path, state: RunState) -> str:
    """Return the id of the run that goes on in place of one, however often it began anew."""
    found = state.restarted_as
    while found:
        directory = RunDirectory(root.parent / found)
        if not directory.manifest.is_file():
            break
        after = open_journal(directory.events, directory.checkpoint).state.restarted_as
        if not after:
            break
        root, found = directory.root, after
    return found
