"""Resumes a run, including its evaluation unless the run skips it."""

from pathlib import Path

from attractor.engine.run_folder.result import RunResult
from attractor.factory.operations.policy import rules_of
from attractor.factory.register import register_of
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import NO_OVERRIDES, Overrides


async def resume_run(
    root: Path, project: Project, overrides: Overrides = NO_OVERRIDES
) -> RunResult:
    """Resume a run of this project."""
    register = register_of(project)
    register.require_own(root)
    if register.has_ended(root):
        # Few runs are resumed after their end.
        from attractor.factory.operations.lock import lock_run

        lock_run(root, project).close()
    return await resume(root, project, overrides, rules_of(project))
