import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO

import pytest

from attractor.base.errors import ExitCode, FileError, LockHeld, UsageError
from attractor.base.locks import (
    FileLock,
    LockHolder,
    has_free_slot,
    holder_of,
    open_to_lock,
    take_slot,
    try_lock,
    unlock,
)
from tests.base.start_child import start_child
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.tables import table


@dataclass(frozen=True)
class Race:
    """Child processes that answer orders through one pipe."""

    children: dict[int, subprocess.Popen[bytes]]
    answers: BinaryIO

    def order(self, word: str, *pids: int) -> None:
        for pid in pids:
            order = self.children[pid].stdin
            assert order
            order.write(f"{word}\n".encode())
            order.flush()

    def answer(self) -> tuple[int, str]:
        pid, _, words = self.answers.readline().decode().strip().partition(" ")
        return int(pid), words

    def kill(self, pid: int) -> None:
        self.children[pid].kill()
        self.children.pop(pid).wait(timeout=PATIENCE_S)


@contextmanager
def racing(path: Path, how_many: int) -> Generator[Race]:
    with ExitStack() as stack:
        reader, writer = os.pipe()
        answers = stack.enter_context(os.fdopen(reader, "rb", buffering=0))
        started = [
            stack.enter_context(start_child("lock_child", path, stdout=writer))
            for _ in range(how_many)
        ]
        # Close our own end, so that the pipe ends with the last child.
        os.close(writer)
        race = Race({child.pid: child for child in started}, answers)
        race.order("greet", *race.children)
        for _ in started:
            assert race.answer()[1] == "ready"
        yield race


def write_note(path: Path, **changes: object) -> None:
    note = {"host": os.uname().nodename, "pid": os.getpid(), "purpose": "", "started": "1"}
    path.with_name(f"{path.name}.holder").write_text(json.dumps(note | changes))


def started(path: Path) -> int:
    return int(json.loads(path.with_name(f"{path.name}.holder").read_text())["started"])


def assert_free(path: Path) -> None:
    FileLock(path).acquire().release()


def test_second_lock_is_refused_with_the_name_of_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    before = datetime.now(UTC).replace(microsecond=0)
    with FileLock(path).acquire(purpose="attractor run caf\udce9.dot"):
        with pytest.raises(LockHeld) as refusal:
            FileLock(path).acquire()
        holder = holder_of(path)
    assert holder
    assert before <= holder.since.replace(microsecond=0) <= datetime.now(UTC)
    assert refusal.value.message == (
        f"{path} is locked by process {os.getpid()} on {os.uname().nodename} "
        f"since {holder.since:%Y-%m-%d %H:%M:%S+00:00}, attractor run caf\\udce9.dot"
    )
    assert refusal.value.exit_code is ExitCode.REFUSED
    assert refusal.value.hint


def test_released_lock_is_free_and_its_file_remains(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = FileLock(path)
    lock.release()
    for _ in range(3):
        lock.acquire()
        assert holder_of(path)
        lock.release()
        lock.release()
        assert holder_of(path) is None
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]
    assert_free(path)


def test_wait_ends_at_its_limit(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock"):
        for wait in (-1.0, 0.0, 0.1):
            began = time.monotonic()
            with pytest.raises(LockHeld):
                FileLock(tmp_path / "lock").acquire(wait=wait)
            assert time.monotonic() - began >= wait


def test_wait_ends_when_the_lock_is_released(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock").acquire()
    waiting, got = Event(), Event()

    def wait() -> None:
        waiting.set()
        with FileLock(tmp_path / "lock").acquire(wait=30):
            got.set()

    thread = Thread(target=wait)
    thread.start()
    assert waiting.wait(timeout=PATIENCE_S)
    assert not got.is_set()
    lock.release()
    thread.join()
    assert got.is_set()


@table("wait", [float("inf"), float("nan")])
def test_infinite_wait_is_refused(tmp_path: Path, wait: float) -> None:
    with pytest.raises(UsageError, match="invalid wait"):
        FileLock(tmp_path / "lock").acquire(wait=wait)


@table(
    "changes",
    [
        {"started": "not when we began"},
        {"pid": 2**31 - 1},
        {"pid": 10**30},
        {"pid": -1},
        {"pid": "text"},
        {"host": 7},
        {"host": "\ud800"},
    ],
)
def test_false_note_of_a_holder_is_ignored(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "lock"
    file = open_to_lock(path)
    assert try_lock(file)
    write_note(path, **changes)
    with pytest.raises(LockHeld, match="an unknown process"):
        FileLock(path).acquire()
    unlock(file)


def test_holder_on_another_host_is_named(tmp_path: Path) -> None:
    write_note(tmp_path / "lock", host="elsewhere", pid=4711, purpose="attractor run")
    os.utime(tmp_path / "lock.holder", (0, 0))
    since = datetime(1970, 1, 1, tzinfo=UTC)
    holder = holder_of(tmp_path / "lock")
    assert holder == LockHolder(4711, "elsewhere", since, "attractor run")
    words = "process 4711 on elsewhere since 1970-01-01 00:00:00+00:00, attractor run"
    assert str(holder) == words


def test_unwritable_note_does_not_prevent_the_lock(tmp_path: Path) -> None:
    (tmp_path / "lock.holder").mkdir()
    with (
        FileLock(tmp_path / "lock"),
        pytest.raises(LockHeld, match="an unknown process"),
    ):
        FileLock(tmp_path / "lock").acquire()


def test_missing_folder_and_symbolic_link_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot lock") as trouble:
        FileLock(tmp_path / "missing" / "lock").acquire()
    assert "create it and its folder first" in trouble.value.hint
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(FileError) as trouble:
        FileLock(tmp_path / "link").acquire()
    assert "symbolic link" in trouble.value.hint
    assert not (tmp_path / "target").exists()


@pytest.mark.crash
def test_one_of_sixteen_processes_holds_the_lock_and_another_takes_over(tmp_path: Path) -> None:
    for number in range(count(ci=1, full=10)):
        path = tmp_path / f"{number}.lock"
        with racing(path, 16) as race:
            race.order("race", *race.children)
            answers = dict(race.answer() for _ in range(16))
            (holder,) = [pid for pid, words in answers.items() if words == "won"]
            losers = [words for words in answers.values() if words.startswith(f"lost {path} is l")]
            assert len(losers) == 15
            race.order("wait", *(race.children.keys() - {holder}))
            for _ in range(5):
                with pytest.raises(LockHeld, match=f"by process {holder} on .*, racing"):
                    FileLock(path).acquire()
                race.kill(holder)
                holder, words = race.answer()
                assert words == "won"
                assert holder in race.children
        FileLock(path).acquire(wait=30).release()


@pytest.mark.crash
def test_child_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with racing(path, 1) as race:
        (holder,) = race.children
        race.order("race", holder)
        assert race.answer() == (holder, "won")
        race.order("spawn", holder)
        grandchild = int(race.answer()[1].removeprefix("spawned "))
        os.kill(holder, signal.SIGKILL)
        race.children[holder].wait(timeout=PATIENCE_S)
        os.kill(grandchild, 0)
        assert_free(path)


def test_released_lock_is_free_while_a_forked_child_has_its_file(tmp_path: Path) -> None:
    file = open_to_lock(tmp_path / "lock")
    assert try_lock(file)
    between_fork_and_exec = os.dup(file.fileno())
    unlock(file)
    assert_free(tmp_path / "lock")
    os.close(between_fork_and_exec)


@pytest.mark.crash
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a zombie is")
def test_processes_that_look_at_a_lock_are_no_holders(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert not FileLock.is_held(lock.path)
    with lock:
        assert FileLock.is_held(lock.path)
    with open_to_lock(lock.path) as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not FileLock.is_held(lock.path)


def test_look_at_slots_takes_none(tmp_path: Path) -> None:
    assert has_free_slot(tmp_path, 1)
    slot = take_slot(tmp_path, 1)
    assert slot
    assert not has_free_slot(tmp_path, 1)
    assert has_free_slot(tmp_path, 2)
    unlock(slot)
    with open_to_lock(tmp_path / "slot-0") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert has_free_slot(tmp_path, 1)


def test_zombie_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with racing(path, 1) as race:
        (holder,) = race.children
        race.order("race", holder)
        assert race.answer() == (holder, "won")
        shown = holder_of(path)
        assert shown
        assert shown.pid == holder
        race.children[holder].kill()
        os.waitid(os.P_PID, holder, os.WEXITED | os.WNOWAIT)
        assert holder_of(path) is None
        assert_free(path)
