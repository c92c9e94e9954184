"""File tools, beyond the contract of environments."""

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from attractor.base.errors import FileError
from attractor.environments import files
from attractor.environments.confined_paths import ConfinedFolder
from attractor.environments.errors import FileUnusable, NotText
from attractor.environments.files import decode_text, printable


@pytest.fixture
def inside(workspace: Path) -> ConfinedFolder:
    return ConfinedFolder(workspace, ("/workspace",))


def read(inside: ConfinedFolder, path: str) -> str:
    return files.read_text(inside, path, offset=None, limit=None)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(text=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_comes_back(inside: ConfinedFolder, text: str) -> None:
    files.write_data(inside, "file", text)
    assert read(inside, "file") == text


@given(text=TEXTS, size=st.integers(1, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_lines_of_a_file_make_up_the_file(inside: ConfinedFolder, text: str, size: int) -> None:
    files.write_data(inside, "file", text)
    starts = range(1, text.count("\n") + 2, size)
    parts = [files.read_text(inside, "file", offset=start, limit=size) for start in starts]
    assert "".join(parts) == text
    assert all(part.count("\n") <= size for part in parts)


@pytest.mark.parametrize("data", [b"a\0b", b"caf\xe9", b"\xff\xfe"])
def test_binary_files_are_rejected(inside: ConfinedFolder, workspace: Path, data: bytes) -> None:
    (workspace / "file").write_bytes(data)
    with pytest.raises(NotText, match="file"):
        read(inside, "file")


def test_a_pipe_or_a_socket_is_refused_at_once(inside: ConfinedFolder, workspace: Path) -> None:
    os.mkfifo(workspace / "pipe")
    # The path of a socket is limited to 108 characters.
    folder = os.open(workspace, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"/proc/self/fd/{folder}/socket")
        for name in ("pipe", "socket"):
            with pytest.raises(FileUnusable):
                read(inside, name)
            with pytest.raises(NotText):
                files.write_data(inside, name, "text")
    os.close(folder)


def test_a_file_too_large_is_refused(inside: ConfinedFolder, workspace: Path) -> None:
    with (workspace / "large").open("wb") as large:
        large.truncate(files.MAX_READ + 1)
    with pytest.raises(FileUnusable, match="larger than") as caught:
        read(inside, "large")
    assert "sed" in caught.value.hint


def test_permissions_of_written_files(inside: ConfinedFolder, workspace: Path) -> None:
    script = workspace / "script"
    script.write_text("old")
    script.chmod(0o750)
    files.write_data(inside, "script", "new")
    files.write_data(inside, "other", "new")
    (workspace / "usual").write_text("new")
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert (workspace / "other").stat().st_mode == (workspace / "usual").stat().st_mode


def test_write_replaces_the_whole_file(inside: ConfinedFolder, workspace: Path) -> None:
    (workspace / "file").write_text("old")
    (workspace / "twin").hardlink_to(workspace / "file")
    with (workspace / "file").open() as reader:
        files.write_data(inside, "file", "new")
        assert reader.read() == "old"
    assert (workspace / "twin").read_text() == "old"
    assert {file.name for file in workspace.iterdir()} == {"file", "twin"}


def test_a_name_too_long_is_the_callers_fault(inside: ConfinedFolder) -> None:
    with pytest.raises(FileUnusable, match="too long") as caught:
        files.write_data(inside, "x" * 300, "text")
    assert caught.value.hint == "choose a shorter name"


def test_exhausted_file_descriptors_are_a_machinery_error(inside: ConfinedFolder) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(FileError, match="open files"):
            read(inside, "file")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_names_that_are_not_utf8_are_listed(inside: ConfinedFolder, workspace: Path) -> None:
    (workspace / os.fsdecode(b"caf\xe9")).touch()
    names = [entry.name for entry in files.list_directory(inside, ".", depth=1)]
    assert names == ["caf\ufffd"]
    assert files.glob(inside, "caf?", ".") == ["caf\ufffd"]


def test_inaccessible_folder_is_skipped(inside: ConfinedFolder, workspace: Path) -> None:
    (workspace / "closed").mkdir(mode=0)
    (workspace / "file").touch()
    assert "file" in files.glob(inside, "**", ".")


def test_deeply_nested_folders_are_supported(inside: ConfinedFolder, workspace: Path) -> None:
    folder = os.open(workspace, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    (workspace / "file").touch()
    try:
        assert files.glob(inside, "**/file", ".") == ["file"]
        assert len(files.list_directory(inside, ".", depth=5000)) <= 1001
    finally:
        # pytest cannot remove a tree of this depth.
        subprocess.run(["rm", "-rf", workspace / "d"], check=True)


def test_too_many_names_are_refused_with_a_hint(
    inside: ConfinedFolder, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_NAMES", 3)
    for number in range(4):
        (workspace / str(number)).touch()
    with pytest.raises(FileUnusable, match="more than 3 names"):
        files.list_directory(inside, ".", depth=1)


def test_the_newest_come_first(inside: ConfinedFolder, workspace: Path) -> None:
    for name, time in (("b", 2), ("c", 3), ("a", 2), ("d", 1)):
        (workspace / name).touch()
        os.utime(workspace / name, (time, time))
    assert files.glob(inside, "?", ".") == ["c", "a", "b", "d"]


def test_the_first_bad_byte_is_named() -> None:
    with pytest.raises(NotText, match="at byte 2"):
        decode_text(b"ab\xff", "file")


def test_a_name_becomes_text_that_can_be_sent() -> None:
    assert printable("a\udce9 ü") == "a\ufffd ü"
    printable("a\udce9").encode()
