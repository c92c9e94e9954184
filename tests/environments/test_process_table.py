"""/proc is read completely, and a reused process id is recognized."""

import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.environments.orphan_processes import (
    Process,
    belongs_to,
    can_find_orphans,
    find_process,
    process_numbers,
    relatives_of,
    signal_process,
    variable_of,
    variable_of_all,
)
from tests.patience import PATIENCE_S, wait_until

pytestmark = pytest.mark.skipif(not can_find_orphans(), reason="no /proc")


@contextmanager
def running(*words: str, **variables: str) -> Generator[int]:
    process = subprocess.Popen(words, env=variables, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait(timeout=PATIENCE_S)


def test_a_process_is_known_by_its_number(tmp_path: Path) -> None:
    # A name may contain the separators of /proc.
    odd = tmp_path / "a) S (b"
    odd.symlink_to("/bin/sleep")
    with running(str(odd), "1000", HELLO="a", HELLO2="b") as number:
        assert number in process_numbers()
        found = find_process(number)
        until = time.monotonic() + PATIENCE_S
        # During exec, a process gets its new name first, and its variables later.
        while found and (found.name != odd.name or not variable_of(number, "HELLO")):
            assert time.monotonic() < until
            found = find_process(number)
        assert found
        assert (found.parent, found.session) == (os.getpid(), number)
        assert variable_of(number, "HELLO") == ["a"]
        assert dict(variable_of_all("HELLO"))[number] == ["a"]
        assert belongs_to(number, os.geteuid())
        assert not belongs_to(number, os.geteuid() + 1)


def wait_for(number: int, name: str) -> None:
    wait_until(lambda: variable_of(number, name))


def test_processes_without_the_variable_are_skipped_next_time() -> None:
    settled: set[int] = set()
    with running("sleep", "1000", OTHER="a") as without, running("sleep", "1000", HELLO="a") as has:
        wait_for(without, "OTHER")
        wait_for(has, "HELLO")
        first = dict(variable_of_all("HELLO", settled))
        assert (first[has], list(first[without])) == (["a"], [])
        assert without in settled
        assert has not in settled
        with running("sleep", "1000", HELLO="b") as late:
            wait_for(late, "HELLO")
            again = dict(variable_of_all("HELLO", settled))
        assert (again[has], again[late], without in again) == (["a"], ["b"], False)


def test_processes_in_exec_are_not_skipped() -> None:
    # A program without variables looks like a process in exec.
    settled: set[int] = set()
    with running("sleep", "1000") as number:
        until = time.monotonic() + PATIENCE_S
        while (found := find_process(number)) is None or found.name != "sleep":
            assert time.monotonic() < until
        assert not dict(variable_of_all("HELLO", settled))[number]
        assert number not in settled


def test_dead_processes_are_not_found() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert find_process(process.pid) is None
    process.wait(timeout=PATIENCE_S)
    assert find_process(process.pid) is None
    assert variable_of(process.pid, "PATH") == ()


def test_reused_process_id_gets_no_signal() -> None:
    with running("sleep", "1000") as number:
        found = find_process(number)
        assert found
        assert not signal_process(replace(found, started="1"), signal.SIGKILL)
        assert find_process(number)
        assert signal_process(found, signal.SIGKILL)


def test_relatives_are_ancestors_and_descendants() -> None:
    pairs = [(2, 1), (3, 2), (4, 3), (5, 2), (6, 4), (7, 1)]
    living = {number: Process(number, parent, number, "1", "") for number, parent in pairs}
    assert relatives_of(3, living) == {3, 2, 1, 4, 6}
