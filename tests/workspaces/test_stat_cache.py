import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.workspaces.stat_cache import RACY_NS, Seen, load, save, seen, time_there

_NUMBERS = st.integers(0, 2**63)
_SEEN = st.builds(
    Seen,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    _NUMBERS,
    st.binary(min_size=20, max_size=20),
)
_PATHS = st.binary(min_size=1).filter(lambda path: b"\0" not in path)


@given(cache=st.dictionaries(_PATHS, _SEEN))
def test_a_cache_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cache: dict[bytes, Seen]
) -> None:
    file = tmp_path_factory.getbasetemp() / "stats"
    save(cache, file)
    assert load(file) == cache


def test_a_lost_or_damaged_cache_is_empty(tmp_path: Path) -> None:
    file = tmp_path / "stats"
    assert load(file) == {}
    save({b"a": Seen(1, 2, 3, 4, 5, 6, b"x" * 20)}, file)
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole.replace(b" a", b" b"), b"\0"):
        file.write_bytes(damaged)
        assert load(file) == {}


def test_a_file_is_trusted_when_nothing_of_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    told = file.stat()
    later = max(told.st_mtime_ns, told.st_ctime_ns) + RACY_NS + 1
    known = seen(told, later, b"x" * 20)
    assert known.still_holds(file.stat())
    file.chmod(0o700)
    assert not known.still_holds(file.stat())


def test_a_file_that_changed_a_moment_before_it_was_read_is_not_trusted(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    told = file.stat()
    moment = max(told.st_mtime_ns, told.st_ctime_ns)
    assert not seen(told, moment + RACY_NS, b"").still_holds(told)
    assert not seen(told, moment - RACY_NS, b"").still_holds(told)
    assert seen(told, moment + RACY_NS + 1, b"").still_holds(told)


def test_a_file_dated_back_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    told = file.stat()
    known = seen(told, time_there(tmp_path, tmp_path) + 2 * RACY_NS, b"")
    while file.stat().st_ctime_ns == told.st_ctime_ns:
        file.write_text("two")
        os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    assert file.stat().st_mtime_ns == told.st_mtime_ns
    assert not known.still_holds(file.stat())


def test_the_time_there_is_that_of_files_written_now(tmp_path: Path) -> None:
    before = time_there(tmp_path, tmp_path)
    (tmp_path / "file").write_text("content")
    written = (tmp_path / "file").stat().st_mtime_ns
    assert before <= written <= time_there(tmp_path, tmp_path)
