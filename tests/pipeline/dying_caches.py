"""Runs a pipeline in a process that kills itself while it copies the caches of a setup, or while a
stage writes a cache.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from threading import Thread

from attractor.pipeline.project.project import Project
from attractor.workspaces.preparation import Preparation
from tests.patience import wait_until
from tests.pipeline.projects import adjusted, open_project, simulated, start
from tests.prepared import plain, run_prepared

ENTRIES = 40
SETUP = f"mkdir -p $GOCACHE; for i in $(seq {ENTRIES}); do echo $i > $GOCACHE/$i; done"
WRITE = "(echo > half; sleep $(cat $OLDPWD/lock))"
PIPELINE = f"""digraph caches {{ start [shape=Mdiamond]; exit [shape=Msquare]
    look [shape=parallelogram, tool_command="[ $(ls $GOCACHE | wc -l) = {ENTRIES} ]"]
    write [shape=parallelogram, tool_command="cd $GOCACHE; test -e half || {WRITE}"]
    start -> look -> write -> exit }}
"""


def prepared_host(project: Path) -> Project:
    """Return a project whose setup writes a cache."""
    wanted = Preparation(setup=SETUP, setup_files=("/lock",))
    return adjusted(open_project(project), preparation=wanted)


def run_and_die(project: Path, moment: str) -> None:
    """Run the pipeline in a process that is killed at a moment."""
    done = run_prepared(
        [str(project), moment],
        folder=project,
        variables=plain(os.environ),
        program=__file__,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _die_while_copying() -> None:
    copied = 0

    def watch(event: str, _: tuple[object, ...]) -> None:
        nonlocal copied
        # Each copied file gets its name by a link.
        if event == "os.link":
            copied += 1
            if copied == ENTRIES // 2:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _die_while_a_stage_writes(workspaces: Path) -> None:
    wait_until(lambda: list(workspaces.glob("*/go-build/half")))
    os.kill(os.getpid(), signal.SIGKILL)


def main(project: Path, moment: str) -> None:
    """Run until the moment."""
    opened = prepared_host(project)
    if moment == "copying":
        _die_while_copying()
    else:
        folder = opened.machine.state_dir / "workspaces"
        Thread(target=_die_while_a_stage_writes, args=[folder], daemon=True).start()
    asyncio.run(start(simulated(project, sandbox="bubblewrap"), opened))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
