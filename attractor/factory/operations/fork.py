"""Starts a new run from an earlier visit of a run."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of
from attractor.pipeline.execute import execute
from attractor.pipeline.plan.fork_point import ForkPoint
from attractor.pipeline.plan.origins import Forked, find_fork
from attractor.pipeline.plan.plan_run import plan_run
from attractor.records.request import NO_OVERRIDES, Overrides


async def fork_run(
    root: Path,
    at: str,
    opened: OpenProject,
    overrides: Overrides = NO_OVERRIDES,
    *,
    graph: Path | None = None,
    new_root: Path | None = None,
    end_other: Callable[[ForkPoint], Awaitable[None]] | None = None,
) -> RunResult:
    """Fork a run before its visit `at`; `end_other` ends it, once the new run passed preflight.

    With a `graph`, the new run has that pipeline, and the differences are told.
    """
    project, manifest = opened.project, read_manifest(RunDirectory(root))
    opened.require_own(root)
    opened.require_in_use(manifest.suite, manifest.profile)
    run, point = find_fork(root, at)
    origin = Forked(
        run=run,
        point=point,
        overrides=overrides,
        graph=graph,
        root=new_root,
        ends_other=end_other is not None,
    )
    plan = await plan_run(origin, project, rules_of(opened))
    plan.report.require_ok()
    if plan.change:
        project.console.tell(plan.change.change)
    if end_other:
        await end_other(point)
    return await execute(plan)
