"""Concurrent writers of a journal share one sync."""

import asyncio
import os
import random
import re
import select
import signal
import sys
import threading
import time
import tracemalloc
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import ExitCode, FileError, JournalError, LockHeld
from attractor.base.journal import (
    Journal,
    JournalLine,
    SharedSync,
    TornLine,
    find_lines,
    read_lines,
    read_torn,
)
from tests.base.journal_child import line_of
from tests.base.start_child import start_child
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio

BLOCK = 1 << 16


class Interruption(Exception):
    """Raised by the alarm, in place of Ctrl-C."""


def contents(path: Path) -> list[bytes]:
    return [line.content for line in read_lines(path)]


@given(
    lines=st.lists(st.binary(max_size=9).map(lambda one: one.replace(b"\n", b"")), max_size=20),
    torn=st.binary(max_size=3),
    size=st.integers(1, 12),
)
def test_lines_with_a_pattern_are_found_in_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes, size: int
) -> None:
    path = tmp_path_factory.mktemp("found") / "journal"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    pattern = re.compile(rb"[\x0b-\x60]\x00?")
    wanted = [line for line in read_lines(path) if pattern.search(line.content)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attractor.base.journal._SEARCHED", size)
        assert [*find_lines(path, pattern)] == wanted


def swap_file_under(journal: Journal, other: int) -> None:
    """Replace the journal's open file by another one, so that the kernel reports real errors."""
    journal_file = journal.path.stat()
    for file in range(3, 256):
        try:
            is_it = os.path.samestat(os.fstat(file), journal_file)
        except OSError:
            continue
        if is_it:
            os.dup2(other, file, inheritable=False)


@contextmanager
def alarm_after(seconds: float) -> Generator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interruption

    old = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def test_lines_are_read_back_with_their_offsets(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with Journal.open(path) as journal:
        assert (journal.offset, journal.torn) == (0, None)
        assert journal.append("ä") == 3
        assert journal.append(b"\xff\r\x0b", sync=False) == 7
        assert journal.append("") == 8
        assert journal.offset == 8
    assert path.read_bytes() == b"\xc3\xa4\n\xff\r\x0b\n\n"
    lines = [JournalLine(0, b"\xc3\xa4"), JournalLine(3, b"\xff\r\x0b"), JournalLine(7, b"")]
    assert list(read_lines(str(path))) == lines
    assert [line.end for line in lines] == [3, 7, 8]


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)))
def test_any_lines_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / "journal"
    with Journal.open(path) as journal:
        ends = [journal.append(line, sync=False) for line in lines]
        journal.sync()
    assert contents(path) == lines
    assert [line.end for line in read_lines(path)] == ends


def test_second_writer_is_refused_and_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path) as journal:
        journal.append("whole")
        with path.open("ab") as file:
            file.write(b"in flight")
        with pytest.raises(LockHeld, match="another process is writing") as refusal:
            Journal.open(path)
        assert refusal.value.hint
    assert path.read_bytes() == b"whole\nin flight"
    Journal.open(path).close()


def test_writer_waits_for_another_one(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal.open(path) as journal, ThreadPoolExecutor() as pool:
        waiting = pool.submit(Journal.open, path, wait=PATIENCE_S)
        with pytest.raises(LockHeld):
            Journal.open(path, wait=0.1)
        journal.append("first")
        journal.close()
        with waiting.result() as second:
            second.append("second")
    assert contents(path) == [b"first", b"second"]


@table("last", [b"", b"x", b'{"data":"\xc3\xa4\xf0\x9f\x98\x80\\n"}'])
def test_journal_cut_at_any_byte_of_its_last_line(tmp_path: Path, last: bytes) -> None:
    path = tmp_path / "journal"
    whole = b"one\ntwo\n"
    for cut in range(len(last) + 2):
        path.write_bytes((whole + last + b"\n")[: len(whole) + cut])
        is_whole, is_torn = cut == len(last) + 1, 0 < cut <= len(last)
        expected = [b"one", b"two"] + [last] * is_whole
        torn = TornLine(len(whole), last[:cut]) if is_torn else None
        assert contents(path) == expected
        assert read_torn(path) == torn
        with Journal.open(path) as journal:
            assert journal.torn == torn
            assert journal.append("next") == journal.offset == path.stat().st_size
        assert contents(path) == [*expected, b"next"]
        assert read_torn(path) is None


@table("length", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
@table("whole", [b"", b"\n", b"first\n", b"x" * BLOCK + b"\n"])
def test_torn_line_of_any_length_is_removed(tmp_path: Path, whole: bytes, length: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(whole + b"y" * length)
    with Journal.open(path) as journal:
        assert journal.torn == TornLine(len(whole), b"y" * length)
        assert journal.offset == len(whole)
    assert path.read_bytes() == whole


def test_opening_reads_only_the_end(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\ntorn")
    tracemalloc.start()
    try:
        Journal.open(path).close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * BLOCK


def test_follower_continues_at_its_offset(tmp_path: Path) -> None:
    path, offset = tmp_path / "journal", 0
    with Journal.open(path) as journal:
        for number in range(3):
            journal.append(f"{number} first")
            journal.append(f"{number} second")
            with path.open("ab") as file:
                file.write(b"half")
            lines = list(read_lines(path, offset=offset))
            assert [line.content for line in lines] == [
                f"{number} first".encode(),
                f"{number} second".encode(),
            ]
            offset = lines[-1].end
            assert list(read_lines(path, offset=offset)) == []
            os.truncate(path, offset)


@table("offset", [-1, 2, 4, 6, 10])
def test_offset_inside_a_line_is_refused(tmp_path: Path, offset: int) -> None:
    (tmp_path / "journal").write_bytes(b"\none\ntwo\n")
    with pytest.raises(FileError, match=f"invalid offset {offset}"):
        list(read_lines(tmp_path / "journal", offset=offset))


@table(("line", "words"), [("a\nb", "newline"), (b"a\n", "newline"), ("\ud800", "surrogates")])
def test_invalid_line_is_refused(tmp_path: Path, line: str | bytes, words: str) -> None:
    with Journal.open(tmp_path / "journal") as journal:
        with pytest.raises(JournalError, match=words):
            journal.append(line)
        journal.append("good")
    assert contents(tmp_path / "journal") == [b"good"]


def test_closed_journal_accepts_no_line(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal")
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="accepts no lines: it was closed"):
        journal.append("late")
    with pytest.raises(JournalError, match="accepts no lines: it was closed"):
        journal.sync()
    assert contents(tmp_path / "journal") == []


def test_unopenable_journal_is_reported(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name, hint in [("missing/journal", "create it"), ("link", "symbolic"), (".", "a folder")]:
        with pytest.raises(FileError, match="cannot open") as trouble:
            Journal.open(tmp_path / name)
        assert hint in trouble.value.hint
    for read in (contents, read_torn):
        with pytest.raises(FileError, match="cannot read"):
            read(tmp_path / "target")
    assert [file.name for file in tmp_path.iterdir()] == ["link"]


def test_journal_continues_after_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with start_child("full_disk_child", "append", path) as child:
        output, _ = child.communicate(timeout=PATIENCE_S)
    assert output.decode().startswith(f"cannot append to {path}: File too large; raise the limit")
    assert path.read_bytes() == b"before\nafter\n"


def test_failed_sync_closes_the_journal(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with Journal.open(tmp_path / "journal") as journal:
        swap_file_under(journal, writer)
        journal.append("a pipe takes lines", sync=False)
        with pytest.raises(JournalError, match="cannot sync") as trouble:
            journal.append("but cannot be synced")
        assert trouble.value.exit_code is ExitCode.UNFINISHED
        for deed in (lambda: journal.append("more", sync=False), journal.sync):
            with pytest.raises(JournalError, match="accepts no lines: it could not be synced"):
                deed()
        assert os.read(reader, 100) == b"a pipe takes lines\nbut cannot be synced\n"
    os.close(reader)
    os.close(writer)


def test_another_thread_may_sync_during_appends(tmp_path: Path) -> None:
    is_over = threading.Event()

    def sync() -> int:
        times = 0
        while not is_over.is_set():
            journal.sync()
            times += 1
        return times

    with Journal.open(tmp_path / "journal") as journal, ThreadPoolExecutor(1) as pool:
        syncing = pool.submit(sync)
        for number in range(3000):
            journal.append(f"{number}", sync=False)
        is_over.set()
        assert syncing.result(timeout=PATIENCE_S) > 0
    assert len(list(read_lines(tmp_path / "journal"))) == 3000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /dev/full")
def test_unremovable_incomplete_line_closes_the_journal(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_RDWR)
    with Journal.open(tmp_path / "journal") as journal:
        swap_file_under(journal, full)
        with pytest.raises(JournalError, match="No space left") as trouble:
            journal.append("line")
        assert "free space" in trouble.value.hint
        with pytest.raises(JournalError, match="an incomplete line could not be removed"):
            journal.append("line")
    os.close(full)


def test_no_line_follows_an_interrupted_append(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    main = threading.get_ident()

    def interrupt_once_written() -> None:
        # Once the pipe has data, the append has begun. It cannot end, because no process reads.
        select.select([reader], [], [], 60)
        signal.pthread_kill(main, signal.SIGALRM)

    long_line = b"x" * 10_000_000
    with Journal.open(tmp_path / "journal") as journal, ThreadPoolExecutor(1) as pool:
        swap_file_under(journal, writer)
        pool.submit(interrupt_once_written)
        with pytest.raises(Interruption), alarm_after(120):
            journal.append(long_line, sync=False)
        with pytest.raises(JournalError, match="an append was interrupted"), alarm_after(10):
            journal.append("more")
    os.close(reader)
    os.close(writer)


@pytest.mark.crash
@pytest.mark.parametrize("how", ["synced", "unsynced"])
def test_killed_writer_loses_no_acknowledged_line(tmp_path: Path, how: str) -> None:
    for number in range(count(ci=8, full=100)):
        path = tmp_path / f"{number}"
        with start_child("journal_child", path, how) as child:
            assert child.stdout
            acknowledged = [child.stdout.readline() for _ in range(random.randint(1, 20))]
            # Kill at a random moment, also in the middle of a write.
            time.sleep(random.uniform(0, 0.003))
            child.kill()
            acknowledged += child.stdout.readlines()
        assert [int(line) for line in acknowledged] == list(range(1, len(acknowledged) + 1))
        assert_kept(path, len(acknowledged), may_have_one_more=True)
        path.unlink()


def assert_kept(path: Path, acknowledged: int, *, may_have_one_more: bool) -> TornLine | None:
    """Require all acknowledged lines, and that an incomplete last line is dropped and reported."""
    whole = list(read_lines(path))
    assert [line.content for line in whole] == [line_of(n + 1) for n in range(len(whole))]
    assert acknowledged <= len(whole) <= acknowledged + may_have_one_more
    torn = read_torn(path)
    with Journal.open(path) as journal:
        assert journal.torn == torn
        assert journal.offset == whole[-1].end
        journal.append("next")
    if torn:
        assert torn.offset == whole[-1].end
        assert line_of(len(whole) + 1).startswith(torn.content)
    assert [line.content for line in read_lines(path, offset=whole[-1].end)] == [b"next"]
    return torn


class Disk:
    """Counts syncs, and keeps the number of lines written before the last one began."""

    def __init__(self) -> None:
        self.written = 0
        self.synced = 0
        self.syncs = 0
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False

    def sync(self) -> None:
        seen = self.written
        assert self.gate.wait(PATIENCE_S)
        self.syncs += 1
        if self.broken:
            raise OSError("the disk is gone")
        self.synced = seen


async def test_concurrent_callers_share_syncs_of_their_lines() -> None:
    disk = Disk()
    shared = SharedSync(disk.sync)

    async def write() -> None:
        for _ in range(3):
            disk.written += 1
            mine = disk.written
            await shared.wait()
            assert disk.synced >= mine

    await asyncio.gather(*(write() for _ in range(50)))
    assert disk.syncs <= 10


async def test_line_written_during_a_sync_waits_for_the_next_one() -> None:
    disk = Disk()
    shared = SharedSync(disk.sync)
    disk.gate.clear()
    disk.written = 1
    first = asyncio.create_task(shared.wait())
    await asyncio.sleep(0.05)
    disk.written = 2
    second = asyncio.create_task(shared.wait())
    await asyncio.sleep(0.05)
    disk.gate.set()
    await first
    await second
    assert (disk.syncs, disk.synced) == (2, 2)


async def test_failed_sync_is_raised_to_every_caller() -> None:
    disk = Disk()
    disk.broken = True
    shared = SharedSync(disk.sync)
    assert [
        type(one)
        for one in await asyncio.gather(*(shared.wait() for _ in range(3)), return_exceptions=True)
    ] == [OSError] * 3


async def test_cancelled_caller_does_not_cancel_the_sync() -> None:
    disk = Disk()
    shared = SharedSync(disk.sync)
    disk.gate.clear()
    leaving, staying = (asyncio.create_task(shared.wait()) for _ in range(2))
    await asyncio.sleep(0.05)
    leaving.cancel()
    disk.gate.set()
    await staying
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert disk.syncs == 1
