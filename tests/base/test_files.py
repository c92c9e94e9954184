""""""

import errno
import os
import random
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from attractor.base.errors import ExitCode, FileError
from attractor.base.files import (
    DEEPEST,
    LARGEST,
    read_regular,
    remove_abandoned_files,
    remove_tree,
    sync_folder,
    walk_paths,
    walk_tree,
    write_fully,
    write_whole,
)
from tests.base.start_child import start_child
from tests.base.write_child import content_of
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.tables import table


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.lstat().st_mode)


def dead_pid() -> int:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait(timeout=PATIENCE_S)
    return done.pid


@table("sync", [True, False])
def test_new_content_replaces_the_old(tmp_path: Path, sync: bool) -> None:
    file = tmp_path / "file"
    write_whole(file, "ä\n", sync=sync)
    assert file.read_bytes() == b"\xc3\xa4\n"
    write_whole(str(file), b"\xff\0", sync=sync)
    assert file.read_bytes() == b"\xff\0"
    write_whole(file, "", sync=sync)
    assert file.read_bytes() == b""
    assert names(tmp_path) == ["file"]


def test_new_file_has_the_given_mode_without_the_umask(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    old = os.umask(0o027)
    try:
        write_whole(tmp_path / "usual", "")
        write_whole(tmp_path / "secret", "", mode=0o600)
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "usual") == 0o640
    assert mode_of(tmp_path / "secret") == 0o600


def test_new_file_in_a_private_folder_is_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o710)
    old = os.umask(0)
    try:
        write_whole(tmp_path / "usual", "")
        write_whole(tmp_path / "program", "", mode=0o777)
    finally:
        os.umask(old)
    assert (mode_of(tmp_path / "usual"), mode_of(tmp_path / "program")) == (0o600, 0o710)


@table("mode", [0o600, 0o444, 0o777])
def test_permissions_of_an_existing_file_are_kept(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(mode)
    write_whole(file, "new", mode=0o640)
    assert (mode_of(file), file.read_text()) == (mode, "new")


def test_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("mine")
    target.chmod(0o777)
    link.symlink_to(target)
    write_whole(link, "new", mode=0o600)
    assert (target.read_text(), link.read_text()) == ("mine", "new")
    assert not link.is_symlink()
    assert mode_of(link) == 0o600


@table(
    ("path", "hint"),
    [
        ("missing/file", "create it and its folder first"),
        ("file/below", "a file has the name of a folder"),
        ("folder", "choose another name: it is a folder"),
        ("n" * 256, "choose a shorter name"),
    ],
)
def test_failure_has_a_remedy_and_leaves_no_file(tmp_path: Path, path: str, hint: str) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot write") as trouble:
        write_whole(tmp_path / path, "new")
    assert hint in trouble.value.hint
    assert path in trouble.value.message
    assert trouble.value.exit_code is ExitCode.UNFINISHED
    assert isinstance(trouble.value.cause, OSError)
    assert names(tmp_path) == ["file", "folder"]


def test_text_with_a_lone_surrogate_is_refused(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", "old")
    with pytest.raises(FileError, match="surrogate") as trouble:
        write_whole(tmp_path / "file", "new \ud800")
    assert "lone surrogate" in trouble.value.hint
    assert (tmp_path / "file").read_text() == "old"


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, "old")
    with start_child("full_disk_child", "write", file) as child:
        output, _ = child.communicate(timeout=PATIENCE_S)
    assert output.decode().startswith(f"cannot write {file}: File too large; raise the limit")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_concurrent_writers_never_mix_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    whole = {letter * 100_000 for letter in "abcd"}
    write_whole(file, "a" * 100_000)

    def write(content: str) -> None:
        for _ in range(20):
            write_whole(file, content, sync=False)

    writers = [Thread(target=write, args=(content,)) for content in sorted(whole)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert file.read_text() in whole
    assert file.read_text() in whole
    assert names(tmp_path) == ["file"]


@pytest.mark.crash
def test_killed_writer_leaves_old_or_new_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for _ in range(count(ci=8, full=100)):
        with start_child("write_child", file) as child:
            assert child.stdout
            acknowledged = [child.stdout.readline() for _ in range(random.randint(1, 15))]
            # Kill at a random moment, also in the middle of a write.
            time.sleep(random.uniform(0, 0.003))
            child.kill()
            acknowledged += child.stdout.readlines()
        last = int(acknowledged[-1])
        assert file.read_bytes() in (content_of(last), content_of(last + 1))
        assert remove_abandoned_files(tmp_path) <= 1
        assert names(tmp_path) == ["file"]


def test_only_temporary_files_of_dead_writers_are_removed(tmp_path: Path) -> None:
    left = f".attractor-{dead_pid()}-0123456789abcdef.tmp"
    kept = [
        f".attractor-{os.getpid()}-0123456789abcdef.tmp",
        f"{left}.txt",
        f"x{left}",
        left.replace("tmp", "TMP"),
        ".attractor-0-0123456789abcdef.tmp",
        ".hidden",
        "file",
    ]
    for name in (left, *kept):
        (tmp_path / name).write_text("content")
    assert remove_abandoned_files(tmp_path) == 1
    assert names(tmp_path) == sorted(kept)


@table("deed", [sync_folder, remove_abandoned_files])
def test_missing_folder_is_reported(tmp_path: Path, deed: Callable[[Path], object]) -> None:
    with pytest.raises(FileError, match="missing") as trouble:
        deed(tmp_path / "missing")
    assert "create it and its folder first" in trouble.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="Not a directory"):
        deed(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_file_system_without_folder_sync_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    fsync = os.fsync

    def watched_fsync(fd: int) -> None:
        ends.append(errno.EINVAL)
        fsync(fd)
        ends[-1] = 0

    monkeypatch.setattr(os, "fsync", watched_fsync)
    for folder in (tmp_path, Path("/proc")):
        sync_folder(folder)
    assert ends == [0, errno.EINVAL]


def test_partial_writes_are_continued() -> None:
    reader, writer = os.pipe()
    content = os.urandom(300_000)
    thread = Thread(target=write_fully, args=(writer, content))
    thread.start()
    received = b""
    while len(received) < len(content):
        received += os.read(reader, 4096)
    thread.join()
    os.close(reader)
    os.close(writer)
    assert received == content


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, put_in_place = os.fsync, os.replace

    def watched_fsync(fd: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def watched_replace(src: str, dst: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        done.append("name")
        put_in_place(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    write_whole(tmp_path / "file", "content")
    assert done == ["file", "name", "folder"]
    done.clear()
    write_whole(tmp_path / "file", "content", sync=False)
    assert done == ["name"]


def test_special_files_are_refused_and_do_not_block(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", LARGEST + 1)
    for name, words in {
        "folder": "Is a directory",
        "pipe": "not a regular file",
        "device": "not a regular file",
        "large": "larger than",
    }.items():
        with pytest.raises(OSError, match=words):
            read_regular(tmp_path / name)
    (tmp_path / "file").write_text("x")
    assert read_regular(tmp_path / "file") == b"x"


def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    device = tmp_path / "device"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root can make a device")
    for sync in (True, False):
        with pytest.raises(FileError, match="it is a device"):
            write_whole(device, "x", sync=sync)
    assert stat.S_ISCHR(device.lstat().st_mode)


DEEP = 4000


def make_deep(folder: Path, depth: int = DEEP, content: str = "") -> None:
    """Make nested folders, too deep for one path and for recursion."""
    folder.mkdir(exist_ok=True)
    at = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=at)
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    with os.fdopen(os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=at), "w") as file:
        file.write(content)
    os.close(at)


@contextmanager
def deep_folder(folder: Path, content: str = "") -> Generator[Path]:
    """Make a deep folder, and always remove it: pytest cannot."""
    try:
        make_deep(folder, content=content)
        yield folder
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_deep_folders_are_walked_and_removed(tmp_path: Path) -> None:
    with deep_folder(tmp_path / "top") as top:
        walked = [(one, one.path, one.status().st_mode) for one in walk_tree(top)]
        assert walked[0][1] == f"{'deep/' * DEEP}file"
        found = [(one.name, one.is_folder, mode) for one, _, mode in walked]
        assert len(found) == DEEP + 2
        assert found[0][:2] == ("file", False)
        assert all(stat.S_ISDIR(mode) for _, _, mode in found[1:])
        remove_tree(top)
        assert list(tmp_path.iterdir()) == []


def test_folders_below_a_depth_are_not_entered(tmp_path: Path) -> None:
    make_deep(tmp_path, DEEPEST + 2)
    assert len(list(walk_paths(str(tmp_path)))) == DEEPEST + 1


def test_locked_folders_are_removed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside, top = tmp_path / "outside", tmp_path / "top"
    outside.mkdir(mode=0o755)
    (outside / "file").touch()
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").touch()
    for link in (top / "link", top / "a" / "link", tmp_path / "only"):
        link.symlink_to(outside)
    os.mkfifo(top / "pipe")
    for closed in (top / "a" / "b", top / "a", top):
        closed.chmod(0)
    for path in (top, tmp_path / "only", tmp_path / "missing"):
        remove_tree(path)
    assert list(tmp_path.iterdir()) == [outside]
    assert ((outside / "file").exists(), stat.S_IMODE(outside.stat().st_mode)) == (True, 0o755)


def test_a_walk_ends_where_a_folder_is_moved(tmp_path: Path) -> None:
    inner = tmp_path / "top" / "inner"
    inner.mkdir(parents=True)
    (inner / "file").touch()
    (tmp_path / "elsewhere" / "mine").mkdir(parents=True)
    for found in walk_tree(tmp_path / "top"):
        assert found.name != "mine"
        if found.name == "file":
            inner.rename(tmp_path / "elsewhere" / "inner")
