"""Runs a pipeline of several rounds in a process that kills itself at a given moment."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from attractor.base.events import Event
from attractor.records.request import RunRequest
from tests.pipeline.projects import adjusted, open_project, simulated, start
from tests.prepared import plain, run_prepared

MADE = "made"
"""The moment when the next run exists, and the previous run has not ended."""

MOMENTS = ("CheckpointSaved", "RunRestarting", MADE, "PipelineFailed", "RunStatusChanged")
ROUNDS = """
digraph rounds {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    work  [shape=parallelogram, tool_command="echo round >> rounds.txt"]
    judge [prompt="Is it right?"]
    start -> work -> judge
    judge -> exit [condition="outcome=success"]
    judge -> work [condition="outcome=fail", loop_restart=true]
}
"""

CHILD = ROUNDS.replace(
    'judge [prompt="Is it right?"]',
    'judge [shape=parallelogram, tool_command="[ $(wc -l < rounds.txt) -ge 2 ]"]',
)
PARENT = """
digraph parent {
    start  [shape=Mdiamond]
    exit   [shape=Msquare]
    before [shape=parallelogram, tool_command="echo before >> log.txt"]
    child  [type=pipeline, file="child.dot"]
    after  [shape=parallelogram, tool_command="echo after >> log.txt"]
    start -> before -> child -> after -> exit
}
"""


def options(project: Path, kind: str) -> RunRequest:
    return simulated(project, workspace=kind, outcomes={"judge": ["fail", "success"]})


def run_and_die(project: Path, moment: str, kind: str) -> None:
    """Run the pipeline in a process that is killed at a moment."""
    done = run_prepared(
        [str(project), moment, kind],
        folder=project,
        variables=plain(os.environ),
        program=__file__,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(moment: str) -> Callable[[Event], None]:
    """Return a function that dies at an event of the end of the first round."""
    has_restarted = False

    def watch(event: Event) -> None:
        nonlocal has_restarted
        step = event.data.get("step")
        has_restarted = has_restarted or "'is_restart': True" in str(step)
        if has_restarted and event.type == moment:
            _die()

    return watch


def main(project: Path, moment: str, kind: str) -> None:
    """Run until the moment."""

    def tell(sentence: str) -> None:
        if moment == MADE and "restart 1 of" in sentence:
            _die()

    opened = adjusted(open_project(project, observer=_at(moment)), tell=tell)
    chosen = options(project, kind)
    if (project / "child.dot").exists():
        chosen = replace(chosen, outcomes=None)
    asyncio.run(start(chosen, opened))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
