import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.base.files import (
    StoredFile,
    make_private_folder,
    make_tree_private,
    store_private_folder,
)


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """Clear the umask, so that new files are accessible to all users by default."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_private_folder_has_private_parents(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path / "a" / "b")
    make_private_folder(tmp_path / "a" / "b")
    assert [mode(path) for path in (tmp_path / "a/b", tmp_path / "a", tmp_path)] == [
        0o700,
        0o700,
        0o755,
    ]


def test_file_in_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileError, match="a/b"):
        make_private_folder(tmp_path / "a" / "b")


def test_tree_becomes_private_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "top/in").mkdir(parents=True)
    outside, program, shut = (
        tmp_path / "outside",
        tmp_path / "top/in/program",
        tmp_path / "top/shut",
    )
    for file, its in ((outside, 0o666), (program, 0o755), (shut, 0o400)):
        file.touch()
        file.chmod(its)
    (tmp_path / "top/link").symlink_to(outside)
    (tmp_path / "top/folder").symlink_to(tmp_path)
    assert len(make_tree_private(tmp_path / "top")) == 3
    assert not make_tree_private(tmp_path / "top")
    assert not make_tree_private(tmp_path / "top/folder")
    assert (mode(program), mode(program.parent), mode(shut)) == (0o700, 0o700, 0o400)
    assert (mode(outside), mode(tmp_path / "top")) == (0o666, 0o700)


def test_stored_folder_is_whole_and_one_of_another_process_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "hash"

    def broken() -> Iterator[StoredFile]:
        yield StoredFile("a", b"ours")
        raise FileError("no more")

    def slow() -> Iterator[StoredFile]:
        yield StoredFile("sub/a", b"ours")
        store_private_folder(folder.with_name("other"), [StoredFile("sub/a", b"theirs", 0o700)])
        folder.with_name("other").rename(folder)

    with pytest.raises(FileError):
        store_private_folder(folder, broken())
    assert not any(folder.parent.iterdir())
    store_private_folder(folder, slow())
    assert (folder / "sub" / "a").read_bytes() == b"theirs"
    assert mode(folder / "sub" / "a") == 0o700
    assert [one.name for one in folder.parent.iterdir()] == ["hash"]
