import os
import stat
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from attractor.base.folder_trees import DEEPEST, remove_tree, walk_paths, walk_tree

DEEP = 4000


def make_deep(folder: Path, depth: int = DEEP) -> None:
    """Make folders within folders, too deep for one path and for a recursion."""
    folder.mkdir(exist_ok=True)
    at = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep", dir_fd=at)
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=at))
    os.close(at)


@contextmanager
def deep_folder(folder: Path) -> Generator[Path]:
    """Make a deep folder and remove it in any case: pytest cannot remove it."""
    try:
        make_deep(folder)
        yield folder
    finally:
        subprocess.run(["rm", "-rf", folder], check=True, timeout=60)


def test_deep_folders_are_walked_and_removed(tmp_path: Path) -> None:
    with deep_folder(tmp_path / "top") as top:
        found = [(one.name, one.is_folder, one.status().st_mode) for one in walk_tree(top)]
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
