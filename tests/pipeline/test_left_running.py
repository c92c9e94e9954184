"""What a stage without a sandbox left running is gone when its run is."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.environments.left_over import can_be_known
from tests.pipeline.commands import Machine, make_machine
from tests.pipeline.projects import git

LEAVES = """
digraph leaves {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    leave [shape=parallelogram, tool_command="sh leave.sh"]
    start -> leave -> exit
}
"""
FILES = {
    "leave.sh": "setsid sh stay.sh & while ! [ -s pid ]; do sleep 0.01; done",
    "stay.sh": "echo $$ > pid; exec sleep 1000 >/dev/null 2>&1",
}
RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if not can_be_known():
        pytest.skip("no /proc")
    return make_machine(tmp_path, LEAVES, tmp_path, **FILES)


def test_a_process_that_left_its_group_does_not_outlive_the_run(machine: Machine) -> None:
    said = machine.attractor(*RUN)
    assert "What they leave running is ended, but for who hides from us" in said
    branch = git(machine.project, "branch", "--list", "--format=%(refname)", "attractor/run/*")
    pid = int(git(machine.project, "show", f"{branch.strip()}:pid"))
    try:
        # The dead keep their number until somebody looks after them.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert state in "ZX"
