"""Resumes a run, including its evaluation unless the run skips it."""

from pathlib import Path

from attractor.engine.run_folder.result import RunResult
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of
from attractor.factory.operations.run_end import has_ended
from attractor.factory.operations.settle import settle_ended
from attractor.pipeline.execute import resume
from attractor.records.request import NO_OVERRIDES, Overrides


async def resume_run(
    root: Path, opened: OpenProject, overrides: Overrides = NO_OVERRIDES
) -> RunResult:
    """Resume a run of this project."""
    opened.require_own(root)
    if has_ended(opened, root):
        # Few runs are resumed after their end.
        from attractor.factory.operations.lock import lock_run

        lock_run(root, opened).close()
    else:
        # It may have failed, or have been canceled, on a worker.
        await settle_ended(root, opened)
    return await resume(root, opened.project, overrides, rules_of(opened))
