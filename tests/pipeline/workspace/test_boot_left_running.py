"""Processes that a stage without a sandbox left running are killed at the end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.ids import new_run_id
from attractor.engine.run_folder.layout import Manifest, create_run_directory
from attractor.engine.run_folder.open_run import open_run
from attractor.environments.orphan_processes import (
    MARK,
    Process,
    can_find_orphans,
    find_process,
    variable_of,
)
from attractor.pipeline.execute import resume
from attractor.pipeline.garbage import end_orphans_blocking, name_processes
from attractor.records.request import Overrides
from tests.engine.runs import read_events
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.commands import Machine, make_machine
from tests.pipeline.projects import git, make_project, open_project, simulated, start

pytestmark = pytest.mark.skipif(not can_find_orphans(), reason="no /proc")

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
GATE = """
digraph gate {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    ask   [shape=hexagon]
    start -> ask
    ask -> exit [label="[Y] Yes"]
}
"""
PATH = {"PATH": os.environ["PATH"]}
RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return make_machine(tmp_path, LEAVES, tmp_path, **FILES)


def test_a_process_that_left_its_group_does_not_outlive_the_run(machine: Machine) -> None:
    said = machine.attractor(*RUN)
    assert "Processes left over are killed, except for hidden processes" in said
    branch = git(machine.project, "branch", "--list", "--format=%(refname)", "attractor/run/*")
    pid = int(git(machine.project, "show", f"{branch.strip()}:pid"))
    try:
        # A dead process keeps its number until it is reaped.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    assert state in "ZX"


def left_by_dead(tmp_path: Path, sandbox: str) -> tuple[Sequence[Process], bool, Sequence[str]]:
    """Let a dead process of a run leave a process; return the ended processes and the messages."""
    now = SystemClock().now()
    run_id = new_run_id(now, os.urandom)
    manifest = Manifest(
        run_id=run_id,
        pipeline="p",
        goal="",
        started=now,
        content_hash="",
        options={"sandbox": sandbox},
    )
    root = create_run_directory(tmp_path / run_id, manifest, "digraph {}").root
    mark = f"{run_id}.{os.getpid()}-1.0"
    # Not as a child of ours: children are spared.
    begun = subprocess.run(
        ["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"],
        env={MARK: mark, **PATH},
        stdout=subprocess.PIPE,
        start_new_session=True,
        timeout=PATIENCE_S,
        check=True,
    )
    pid = int(begun.stdout)
    try:
        wait_until(lambda: variable_of(pid, MARK))  # it is in the middle of an exec
        with open_run(root, clock=SystemClock(), before_end=None) as run:
            ended = end_orphans_blocking(run)
        lives = find_process(pid) is not None
    finally:
        if find_process(pid):
            os.kill(pid, signal.SIGKILL)
    return ended, lives, [one.type for one in read_events(root)]


def test_ended_processes_are_recorded(tmp_path: Path) -> None:
    [one], lives, output = left_by_dead(tmp_path, "none")
    assert (one.name, lives, output) == ("sleep", False, ["LeftRunningEnded"])


def test_sandboxed_run_has_no_orphans_to_end(tmp_path: Path) -> None:
    assert left_by_dead(tmp_path, "bubblewrap") == ((), True, [])


def test_first_of_many_processes_are_named_without_control_characters() -> None:
    many = [Process(number, 1, 1, "1", "a\x1b[2J") for number in range(25)]
    named = name_processes(many)
    assert named.endswith(" and 5 more")
    assert "(19)" in named
    assert "(20)" not in named
    assert "\x1b" not in named


def test_only_a_resumed_run_looks_for_orphans(tmp_path: Path) -> None:
    looks: list[object] = []

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.listdir" and arguments == ("/proc",):
            looks.append(event)

    # A hook cannot be removed; this one does almost nothing afterwards.
    sys.addaudithook(hear)
    project = make_project(tmp_path / "project", GATE)
    options = simulated(project, interviewer="park")
    opened = open_project(project)
    parked = asyncio.run(start(options, opened))
    assert len(looks) == 0
    asyncio.run(resume(parked.directory, opened, Overrides(interviewer="park")))
    assert len(looks) == 1
