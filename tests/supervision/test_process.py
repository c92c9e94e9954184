"""Processes that stay: one at a time, found after a kill, and ended with their children."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attractor.base.errors import LockHeld, ProcessNotStarted
from attractor.environments.orphan_processes import can_find_orphans, find_process
from attractor.supervision.process import MARK, ProcessStatus, StayingProcess
from tests.patience import PATIENCE_S, wait_until

pytestmark = pytest.mark.skipif(not can_find_orphans(), reason="no /proc")

# It inherits the lock; the outer shell continues if it ends.
WITH_CHILD = "sleep 1000 & echo $! >child; wait; exec sleep 1000"
STUBBORN = 'trap "" TERM; setsid sleep 1000 9<&- & echo $! >child; while :; do sleep 0.1; done'


@pytest.fixture
def process(tmp_path: Path) -> Iterator[StayingProcess]:
    process = StayingProcess("app", tmp_path / "place")
    yield process
    with process.ended(grace=0.1):
        pass


def start(process: StayingProcess, script: str, **variables: str) -> None:
    environ = {"PATH": os.environ["PATH"], **variables}
    process.start(["sh", "-c", script], cwd=process.folder.parent, environ=environ)


def child_of(process: StayingProcess) -> int:
    file = process.folder.parent / "child"
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def leader_of(process: StayingProcess) -> int:
    return json.loads((process.folder / "app.json").read_text())["pid"]


def is_alive(pid: int) -> bool:
    return find_process(pid) is not None


def test_process_has_session_variables_log_and_no_input(process: StayingProcess) -> None:
    assert process.status is ProcessStatus.NONE
    start(process, f'cat; echo "$WORD ${MARK} $$"; exec sleep 1000', WORD="kept")
    assert process.status is ProcessStatus.RUNNING
    wait_until(lambda: process.log.read_text().endswith("\n"))
    pid = leader_of(process)
    assert process.log.read_text() == f"kept {process.mark} {pid}\n"
    assert os.getsid(pid) == pid
    with process.ended():
        assert not is_alive(pid)
    assert process.status is ProcessStatus.GONE
    process.forget()
    assert process.status is ProcessStatus.NONE


def test_input_is_passed_on(process: StayingProcess) -> None:
    argv, text = ["sh", "-c", "cat; exec sleep 1000"], b"settings"
    process.start(argv, cwd=process.folder.parent, environ=os.environ, stdin=text)
    wait_until(lambda: process.log.read_bytes() == text)


def test_only_one_of_many_starts_begins_a_process(process: StayingProcess) -> None:
    script = "echo begun; exec sleep 1000"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, [process] * 16, [script] * 16))
    mark = process.mark
    start(process, script)
    wait_until(lambda: process.log.read_text() != "")
    assert (process.log.read_text(), process.mark) == ("begun\n", mark)


def test_next_start_ends_what_a_killed_process_left(process: StayingProcess) -> None:
    start(process, WITH_CHILD)
    child, mark = child_of(process), process.mark
    os.kill(leader_of(process), signal.SIGKILL)
    wait_until(lambda: process.status is ProcessStatus.LEFT)
    assert is_alive(child)
    start(process, "exec sleep 1000")
    assert not is_alive(child)
    assert process.status is ProcessStatus.RUNNING
    assert process.mark != mark


def test_children_of_a_process_that_ends_at_once_get_no_longer_grace(
    process: StayingProcess,
) -> None:
    start(process, WITH_CHILD)
    child = child_of(process)
    with process.ended(grace=2 * PATIENCE_S):
        assert not is_alive(child)


def test_stubborn_process_is_killed_with_a_child_outside_of_its_session(
    process: StayingProcess,
) -> None:
    start(process, STUBBORN)
    child, pid = child_of(process), leader_of(process)
    with pytest.raises(LockHeld, match="does not end"), process.ended(grace=0.2, kills=False):
        pass
    assert is_alive(pid)
    with process.ended(grace=0.2):
        assert [is_alive(pid), is_alive(child)] == [False, False]


def test_stranger_with_the_id_of_a_process_is_left_alone(process: StayingProcess) -> None:
    start(process, WITH_CHILD)
    child, note = child_of(process), process.folder / "app.json"
    os.kill(leader_of(process), signal.SIGKILL)
    time.sleep(0.02)  # The kernel counts the starts of processes in hundredths of a second.
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        try:
            note.write_text(json.dumps({**json.loads(note.read_text()), "pid": stranger.pid}))
            assert process.status is ProcessStatus.LEFT
            with process.ended():
                assert not is_alive(child)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_nothing_starts_while_a_process_is_kept_ended(process: StayingProcess) -> None:
    start(process, "exec sleep 1000")
    started = process.mark
    with process.ended():
        assert process.status is ProcessStatus.RUNNING
        before = process.mark
        assert before != started
        start(process, "exec sleep 1000")
        assert process.mark == before
    assert process.status is ProcessStatus.GONE


def test_program_that_does_not_exist_leaves_the_lock_free(process: StayingProcess) -> None:
    with pytest.raises(ProcessNotStarted, match="cannot start no-such-program"):
        process.start(["no-such-program"], cwd=process.folder.parent, environ={"PATH": "/bin"})
    start(process, "exec sleep 1000")
    assert process.status is ProcessStatus.RUNNING
