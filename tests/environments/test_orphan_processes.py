"""Processes left by a killed run process are found and ended; other processes are not."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attractor.environments.orphan_processes import (
    MARK,
    Guardian,
    can_find_orphans,
    find_orphans,
    find_process,
    kill_orphans,
    kill_orphans_blocking,
    new_mark,
    runs_with_orphans,
    variable_of,
)
from tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.skipif(not can_find_orphans(), reason="no /proc"), pytest.mark.crash]

ROOT = Path(__file__).parent.parent.parent
# Runs a command as a stage does, and waits for it until it is killed.
LIFE = """
import asyncio, os, sys
from attractor.environments.local import LocalExecutionEnvironment

async def live(folder, run_id, command):
    environment = LocalExecutionEnvironment(folder, environ=os.environ, run_id=run_id)
    await environment.initialize()
    await environment.exec_command(command, timeout_ms=600_000)

asyncio.run(live(*sys.argv[1:]))
"""
HUNT = """
import json, sys
from attractor.environments.orphan_processes import kill_orphans_blocking
print(json.dumps([one.number for one in kill_orphans_blocking(sys.argv[1])]))
"""
STAY = "echo $$ >> pids; exec sleep 1000"


@dataclass
class RunProcesses:
    """Processes of runs, and the processes that they left."""

    folder: Path
    started: list["subprocess.Popen[bytes]"] = field(
        default_factory=list["subprocess.Popen[bytes]"]
    )

    def begin(self, run_id: str, command: str = STAY, *, staying: int = 1) -> None:
        """Start a run process, and wait until its command has started all lasting processes."""
        known = len(self.pids)
        words = [sys.executable, "-c", LIFE, str(self.folder), run_id, command]
        self.started.append(subprocess.Popen(words, cwd=ROOT))
        until = time.monotonic() + PATIENCE_S
        # In exec, a process shows no variables for a moment.
        while len(self.pids) < known + staying or (command == STAY and not self._sleeps()):
            assert time.monotonic() < until
            time.sleep(0.01)

    def _sleeps(self) -> bool:
        found = find_process(self.pids[-1])
        return found is not None and found.name == "sleep"

    def kill(self) -> None:
        """Kill the last run process."""
        self.started[-1].kill()
        self.started[-1].wait(timeout=PATIENCE_S)

    @property
    def pids(self) -> list[int]:
        file = self.folder / "pids"
        return [int(one) for one in file.read_text().split()] if file.exists() else []

    @property
    def alive(self) -> list[bool]:
        return [find_process(one) is not None for one in self.pids]

    def end(self) -> None:
        for life in self.started:
            life.kill()
            life.wait(timeout=PATIENCE_S)
        for pid in self.pids:
            # Another process may have a written id by now.
            with suppress(FileNotFoundError, ProcessLookupError):
                place = f"/proc/{pid}/cwd"
                if find_process(pid) and f"{self.folder}" in f"{Path(place).readlink()}":
                    os.kill(pid, 9)


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[RunProcesses]:
    lives = RunProcesses(tmp_path)
    yield lives
    lives.end()


def test_commands_of_a_crashed_run_are_killed(lives: RunProcesses) -> None:
    run_id = new_mark()
    lives.begin(run_id)
    assert (find_orphans(run_id), run_id in runs_with_orphans()) == ([], False)
    lives.kill()
    assert run_id in runs_with_orphans()
    assert [one.number for one in find_orphans(run_id)] == lives.pids
    ended = asyncio.run(kill_orphans(run_id))
    assert [(one.number, one.name) for one in ended] == [(lives.pids[0], "sleep")]
    assert (lives.alive, find_orphans(run_id)) == ([False], [])
    assert asyncio.run(kill_orphans(run_id)) == []


def test_commands_of_a_living_run_are_kept(lives: RunProcesses) -> None:
    run_id = new_mark()
    lives.begin(run_id)
    lives.kill()
    lives.begin(run_id)
    assert [one.number for one in kill_orphans_blocking(run_id)] == lives.pids[:1]
    assert lives.alive == [False, True]


def test_commands_of_another_run_are_kept(lives: RunProcesses) -> None:
    one, other = new_mark(), new_mark()
    lives.begin(one)
    lives.kill()
    lives.begin(other)
    lives.kill()
    for nobody in ("", one[:-1], one.rpartition(".")[0]):
        assert kill_orphans_blocking(nobody) == []
    assert [process.number for process in kill_orphans_blocking(one)] == lives.pids[:1]
    assert lives.alive == [False, True]
    assert [process.number for process in kill_orphans_blocking(other)] == lives.pids[1:]


def test_processes_without_a_mark_are_found_by_session_and_parent(lives: RunProcesses) -> None:
    (lives.folder / "stay").write_text(STAY)
    command = (
        "setsid sh -c 'env -i sh stay & sleep 1000' & "
        "sh -c 'env -i setsid sh stay & wait' & "
        f"{STAY}"
    )
    run_id = new_mark()
    lives.begin(run_id, command, staying=3)
    lives.kill()
    until = time.monotonic() + PATIENCE_S
    # The processes are still in exec.
    while len(bare := [pid for pid in lives.pids if not variable_of(pid, MARK)]) != 2:
        assert time.monotonic() < until, bare
    ended = {one.number for one in kill_orphans_blocking(run_id)}
    assert set(lives.pids) < ended
    assert lives.alive == [False, False, False]


def test_shells_are_killed_before_their_commands(lives: RunProcesses) -> None:
    run_id = new_mark()
    going_on = "(sleep 1000; touch went-on); touch went-on"
    lives.begin(
        run_id, f"echo $$ >> pids; sh -c 'echo $$ >> pids; {going_on}'; {going_on}", staying=2
    )
    lives.kill()
    asyncio.run(kill_orphans(run_id))
    assert lives.alive == [False, False]
    assert not (lives.folder / "went-on").exists()


def test_sigterm_may_be_ignored(lives: RunProcesses) -> None:
    run_id = new_mark()
    lives.begin(run_id, 'trap "" TERM; echo $$ >> pids; while :; do sleep 0.05; done')
    lives.kill()
    asyncio.run(kill_orphans(run_id))
    assert lives.alive == [False]


def test_the_current_process_and_its_ancestors_are_kept(lives: RunProcesses) -> None:
    # A command that continues its own run: neither it nor its ancestors must be killed.
    run_id = new_mark()
    (lives.folder / "hunt.py").write_text(HUNT)
    hunt = f"PYTHONPATH={ROOT} {sys.executable} hunt.py {run_id} > told.tmp; mv told.tmp told"
    command = (
        f"(echo $BASHPID >> pids; exec sleep 1000) & echo $$ >> pids; "
        f"while ! [ -e go ]; do sleep 0.02; done; {hunt}; sleep 1000"
    )
    lives.begin(run_id, command, staying=2)
    lives.kill()
    (lives.folder / "go").touch()
    wait_until((lives.folder / "told").exists)
    record = json.loads((lives.folder / "told").read_text())
    [sleeper] = [pid for pid in lives.pids if find_process(pid) is None]
    assert record == [sleeper]
    kill_orphans_blocking(run_id)
    assert lives.alive == [False, False]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could hit another user's")
def test_processes_of_another_user_are_kept(lives: RunProcesses) -> None:
    run_id = new_mark()
    lives.begin(run_id)
    until = time.monotonic() + PATIENCE_S
    # The process is still in exec.
    while not (carried := variable_of(lives.pids[0], MARK)):
        assert time.monotonic() < until
    lives.kill()
    other = subprocess.Popen(["sleep", "1000"], env={MARK: carried[0]}, user=65534)
    try:
        assert [one.number for one in kill_orphans_blocking(run_id)] == lives.pids
        assert find_process(other.pid)
    finally:
        other.kill()
        other.wait(timeout=PATIENCE_S)


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def test_one_guardian_waits_until_it_is_dismissed() -> None:
    before, opened = children(), len(list(Path("/dev/fd").iterdir()))
    guardian = Guardian()
    assert children() == before
    for _ in range(2):
        guardian.begin("stage")
    assert len(children()) == len(before) + 1
    del guardian
    assert (children(), len(list(Path("/dev/fd").iterdir()))) == (before, opened)


def test_killed_guardian_is_dismissed_too() -> None:
    before, guardian = children(), Guardian()
    guardian.begin("stage")
    [shell] = set(children()) - set(before)
    os.kill(int(shell), 9)
    del guardian
    assert children() == before
