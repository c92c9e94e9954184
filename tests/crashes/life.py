"""Starts or resumes a run until it ends or the process is killed."""

import os
import sys
from pathlib import Path

from attractor import StageStatus, resume_pipeline_sync, run_pipeline_sync
from tests.crashes.deaths import Death
from tests.crashes.pipeline import Worker


def main(project: str, root: str, moment: str = "", steps: str = "", skip: str = "") -> None:
    """Run to the end; with a moment, kill the process after so many steps and skipped matches."""
    if moment:
        Death(moment, int(steps), int(skip), Path(project).parent / "deaths").patch_os()
    if (Path(root) / "manifest.json").exists():
        result = resume_pipeline_sync(root, project=project, backend=Worker())
    else:
        result = run_pipeline_sync(
            "pipeline.dot", project=project, backend=Worker(), sandbox="none", run_dir=root
        )
    sys.exit(0 if result.outcome is StageStatus.SUCCESS else 1)


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:])
