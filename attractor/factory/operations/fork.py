"""Starts a new run from an earlier visit of a run."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from attractor.base.errors import Refused
from attractor.engine.run_folder.result import RunResult
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of
from attractor.factory.register import require_journal, require_manifest
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
    opened.require_own(root)
    run, point = find_fork(root, at)
    facts, project = read_candidate_run(root), opened.project
    # Suite and profile of the new run come from this manifest, and its progress from this journal.
    if facts.drafts_suite:
        raise Refused(
            f"{facts.run_id} drafts a suite: a fork would show it to those whom it judges",
            hint="draft again: attractor suite draft FOLDER --from SPEC.md",
        )
    own = list(opened.ledger.entries(facts.run_id))
    require_manifest(opened, facts, own)
    require_journal(facts, own)
    opened.require_in_use(facts.manifest.suite, facts.manifest.profile)
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
