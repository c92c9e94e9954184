"""Resumes a run in a process that writes half a file in a stage, and kills itself."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from attractor.engine.outcome import Outcome
from attractor.engine.seams import Handler, Stage
from attractor.engine.stage.execution import Stall
from attractor.engine.walk import attempt
from attractor.pipeline.execute import resume
from attractor.records.lookup import find_run
from attractor.records.request import Overrides
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.pipeline.projects import open_project
from tests.prepared import plain, run_prepared

APPROVING = Overrides(interviewer="auto_approve")


def resume_and_die(project: Path, stage: str) -> None:
    """Resume the last run in a process that is killed in a stage."""
    done = run_prepared(
        [str(project), stage],
        folder=project,
        variables=plain(os.environ),
        program=__file__,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def main(project: Path, name: str) -> None:
    """Resume until the stage."""
    opened, execute = open_project(project), attempt.execute

    async def die(handler: Handler, stage: Stage, *, stall: Stall) -> Outcome:
        if stage.node.id != name:
            return await execute(handler, stage, stall=stall)
        if isinstance(stage.workspace, TrackedFolder):
            (stage.workspace.folder / "half.txt").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    attempt.execute = die  # pyright: ignore
    asyncio.run(resume(find_run("latest", opened.runs_dir), opened, APPROVING))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
