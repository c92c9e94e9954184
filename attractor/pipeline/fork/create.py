"""Creates a fork of a run: its workspace, its directory, and the first events of its journal."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.json import Json
from attractor.engine.context import store_large_values
from attractor.engine.journal.events import PipelineStarted, RunForked
from attractor.engine.run_folder.layout import Manifest, RunDirectory, create_run_directory
from attractor.engine.state.progress import Progress, begin, progress_to_record
from attractor.engine.storage.artifacts import Blobs
from attractor.pipeline.fork.linked_run import begin_journal, make_forked_tree, share_artifacts
from attractor.pipeline.garbage import end_orphans_of
from attractor.pipeline.plan.origins import Forked
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.pipeline.source.read import pipeline_name
from attractor.records.lookup import run_root
from attractor.workspaces.create.registry import workspace_registry


async def create_fork(plan: RunPlan, fork: Forked, agents: str) -> Path:
    """Create the workspace and the run directory of a planned fork; return the run directory."""
    old, scope, pipeline = fork.run.manifest, plan.scope, plan.pipeline
    project = scope.project
    if workspace_registry()[plan.request.workspace].create is None:
        project.console.tell(
            f"Run {old.run_id} took no snapshots: the fork begins with the current files."
        )
        await end_orphans_of(fork.run.directory.root, scope)
    tree = fork.point.progress.tree
    base = await make_forked_tree(plan.request, project, plan.run_id, old.run_id, tree)
    root = fork.root or run_root(plan.run_id, project.runs_dir)
    manifest = replace(
        old,
        run_id=plan.run_id,
        pipeline=pipeline_name(pipeline.graph, plan.request.file),
        goal=pipeline.graph.goal,
        started=project.machine.clock.now(),
        content_hash=pipeline.content_hash,
        base=base,
        parent=old.run_id,
        forked_at=str(fork.point),
        restart=0,
        agents=agents,
        options=plan.request.redacted_record(scope.redactor),
        versions={"attractor": project.machine.version},
    )
    create_run_directory(
        root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        begin=partial(_begin_journal, plan, fork, manifest),
        redactor=scope.redactor,
    )
    project.console.tell(
        f"run {plan.run_id} in {root}, forked from {old.run_id} before {fork.point}"
    )
    return root


def _begin_journal(
    plan: RunPlan, fork: Forked, manifest: Manifest, directory: RunDirectory
) -> None:
    """Write the first events of the fork: the origin, and the progress at the origin."""
    share_artifacts(fork.run.directory, directory)
    point, pipeline = fork.point, plan.pipeline
    begun: dict[str, Json] = dict(point.begun)
    progress = _progress(plan, fork, directory)
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
        clock=plan.scope.project.machine.clock,
        redactor=plan.scope.redactor,
    )


def _progress(plan: RunPlan, fork: Forked, directory: RunDirectory) -> Progress:
    """Return the progress at the fork point, with the `graph.*` values of the new run."""
    progress = fork.point.progress
    if not (plan.change or fork.overrides.by_name):
        return progress
    own_values = {key: one for key, one in progress.context.items() if not key.startswith("graph.")}
    begun = begin(plan.pipeline.graph, progress.tree, {}).context
    clean = plan.scope.redactor.members(begun)
    mirrored = store_large_values(clean, Blobs(directory.root))
    return replace(progress, context={**own_values, **mirrored})
