""""""

from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.twins.recordings.recording import append_line, complete_lines, repair_last_line
from attractor.twins.server.provider_state import BoundedLog
from tests.tables import table


@dataclass
class Entry:
    number: int

    def record(self) -> dict[str, object]:
        return {"number": self.number}


def logged(*sizes: int, keep: int = 10, max_bytes: int = 1000) -> BoundedLog[Entry]:
    log = BoundedLog[Entry](keep, max_bytes)
    for size in sizes:
        log.add(Entry(log.count + 1), size)
    return log


def numbers(log: BoundedLog[Entry]) -> list[int]:
    return [one.number for one in log.entries]


def test_log_keeps_the_latest_entries() -> None:
    log = logged(*[0] * 5, keep=2)
    assert (numbers(log), log.dropped, log.count) == ([4, 5], 3, 5)


def test_large_entries_are_dropped_first_except_the_newest() -> None:
    assert numbers(logged(40, 40, 40, max_bytes=100)) == [2, 3]
    assert numbers(logged(40, 500, max_bytes=100)) == [2]
    assert numbers(logged(500, 40, 40, max_bytes=100)) == [2, 3]


def test_log_can_be_cleared() -> None:
    log = logged(60, 60, max_bytes=100)
    log.clear()
    assert (numbers(log), log.dropped, log.count) == ([], 0, 0)
    log.add(Entry(1), 60)
    assert (numbers(log), log.dropped) == ([1], 0)


def test_entries_are_a_snapshot() -> None:
    log = logged(1)
    before = log.entries
    log.add(Entry(2), 1)
    assert (len(before), len(log.entries)) == (1, 2)


def is_incomplete(line: bytes) -> bool:
    return line == b"to"


@table(
    ("written", "mended"),
    [("a\n", "a\n"), ("a\nb", "a\nb\n"), ("a\nto", "a\n"), ("", ""), ("to", "")],
)
def test_last_line_is_completed_or_removed(tmp_path: Path, written: str, mended: str) -> None:
    file = tmp_path / "lines"
    file.write_text(written)
    repair_last_line(file, is_incomplete)
    assert file.read_text() == mended


def test_torn_line_is_skipped() -> None:
    assert complete_lines(b"a\nto", is_incomplete) == [b"a"]
    assert complete_lines(b"to\nb", is_incomplete) == [b"to", b"b"]


def test_lines_are_added_behind_each_other(tmp_path: Path) -> None:
    for line in ("a", "ü"):
        append_line(tmp_path / "lines", line)
    assert (tmp_path / "lines").read_text("utf-8") == "a\nü\n"
    with pytest.raises(FileError, match="nowhere"):
        append_line(tmp_path / "nowhere" / "lines", "a")
