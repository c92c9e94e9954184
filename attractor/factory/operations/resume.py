"""Resumes a run, including its evaluation unless the run skips it."""

from dataclasses import replace
from pathlib import Path

from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of
from attractor.factory.operations.run_end import has_ended
from attractor.factory.operations.settle import settle_ended
from attractor.pipeline.execute import resume
from attractor.pipeline.plan.run_plan import AwaitTurn
from attractor.records.request import NO_OVERRIDES, Overrides


async def resume_run(
    root: Path,
    opened: OpenProject,
    overrides: Overrides = NO_OVERRIDES,
    *,
    await_turn: AwaitTurn | None = None,
) -> RunResult:
    """Resume a run of this project; `await_turn` returns when its first stage may begin."""
    opened.require_own(root)
    if has_ended(opened, root):
        # Few runs are resumed after their end.
        from attractor.factory.operations.lock import lock_run

        lock_run(root, opened).close()
    else:
        # It may have failed, or have been canceled, on a worker.
        await settle_ended(root, opened)
    rules = replace(rules_of(opened), await_turn=await_turn)
    return await resume(root, opened.project, overrides, rules)
