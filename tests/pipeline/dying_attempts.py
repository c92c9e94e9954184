"""Runs a pipeline in a process that kills itself at an event of a given attempt."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from attractor.base.events import Event
from tests.pipeline.projects import open_project, simulated, start
from tests.prepared import plain, run_prepared

PID = "runner.pid"
"""The file beside the project with the process id, with which a stage can kill the runner."""


def run_and_die(project: Path, moment: str, attempt: int) -> None:
    """Run the pipeline in a process that is killed at an event of an attempt."""
    done = run_prepared(
        [str(project), moment, str(attempt)],
        folder=project,
        variables=plain(os.environ),
        program=__file__,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def main(project: Path, moment: str, attempt: int) -> None:
    """Run until the moment."""

    def watch(event: Event) -> None:
        if (event.type, event.attempt) == (moment, attempt):
            os.kill(os.getpid(), signal.SIGKILL)

    (project.parent / PID).write_text(str(os.getpid()))
    asyncio.run(start(simulated(project), open_project(project, observer=watch)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
