"""Resumes a run, including its evaluation unless the run skips it."""

import asyncio
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import LockHeld
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.factory.decisions.run_end import has_ended
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of
from attractor.factory.operations.settle import settle_ended
from attractor.pipeline.execute import resume
from attractor.pipeline.plan.run_plan import AwaitTurn
from attractor.records.request import NO_OVERRIDES, Overrides

_LOOK_S = 0.5


async def conclude(root: Path, opened: OpenProject, *, is_canceled: bool) -> RunResult:
    """Deliver and evaluate a run that ended elsewhere, as `settle_ended` says.

    A server of the project may do the same at this moment: what it does is waited for.
    """
    while True:
        try:
            ended = await settle_ended(root, opened, is_canceled=is_canceled)
            if ended.needs_resume:
                return await resume_run(ended.root, opened)
            return result_of(read_manifest(RunDirectory(ended.root)), ended.root, ended.state)
        except LockHeld:
            await asyncio.sleep(_LOOK_S)


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
        from attractor.factory.decisions.lock import lock_run

        lock_run(root, opened).close()
    else:
        # It may have failed, or have been canceled, on a worker.
        await settle_ended(root, opened)
    rules = replace(rules_of(opened), await_turn=await_turn)
    return await resume(root, opened.project, overrides, rules)
