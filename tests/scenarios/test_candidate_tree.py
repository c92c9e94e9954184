"""Changes and copies of a candidate's tree."""

import os
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from attractor.environments.errors import FileUnusable
from attractor.scenarios import candidate_tree
from attractor.scenarios.candidate_tree import (
    MOST_BYTES,
    changed_paths,
    copy_left,
    copy_tree,
    hash_tree,
    read_tree,
)
from tests.scenarios.suites import write_files

FAR = timedelta(minutes=1)


def test_changes_of_content_type_and_mode_are_found(tmp_path: Path) -> None:
    names = ("same", "changed", "removed", "mode", "link", "a/deep", ".git/index")
    write_files(tmp_path, dict.fromkeys(names, "x"))
    before = read_tree(tmp_path, within=FAR)
    assert changed_paths(before, read_tree(tmp_path, within=FAR)) == []
    write_files(tmp_path, {"changed": "y", "a/deep": "y", "b/new": "", "same": "x"})
    write_files(tmp_path, {".git/index": "y"})
    (tmp_path / "removed").unlink()
    (tmp_path / "mode").chmod(0o755)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "folder").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    assert changed_paths(before, read_tree(tmp_path, within=FAR)) == [
        *("a/deep", "b/new", "changed", "folder", "link", "mode", "pipe", "removed")
    ]


def test_copy_leaves_out_git_and_special_files_and_follows_no_link(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"a/b": "x", ".git/config": "", "a/.git/config": ""})
    os.mkfifo(tree / "pipe")
    (tree / "inner").symlink_to("a")
    deep = tree / "/".join("d" * 300)
    deep.mkdir(parents=True)
    copy_tree(tree, tmp_path / "copy", within=FAR)
    copied = {str(one.relative_to(tmp_path / "copy")) for one in (tmp_path / "copy").rglob("[!d]*")}
    assert copied == {"a", "a/b", "inner"}
    assert (tmp_path / "copy" / "inner").is_symlink()


def test_copy_leaves_out_links_that_leave_the_tree_at_any_step(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"a/b/c": "x", "d": "x"})
    long = [f"long{number}" for number in range(50)]
    leaving = {
        "relative": "../outside",
        "absolute": str(tree / "d"),
        "chained": "a/b/up",
        "a/b/up": "../../../outside",
        "folder": "..",
        "through-a-folder": "folder/tree/d",
        "through-a-file": "d/../../tree/d",
        "through-a-missing-folder": "missing/../../tree/d",
        "a/deep": "b/../../a/../../tree/d",
        "loop": "loop",
        **dict(zip(long[:10], long[1:], strict=False)),
    }
    staying = {
        **dict(zip(long[10:], [*long[11:], "d"], strict=True)),
        "a/b/inner": "../../d",
        "a/to-the-top": "..",
        "there-and-back": "a/to-the-top/a/to-the-top/d",
        "broken": "missing/x",
        "long-name": "x" * 1000,
    }
    for name, target in (leaving | staying).items():
        (tree / name).symlink_to(target)
    assert copy_tree(tree, tmp_path / "copy", within=FAR) == len(leaving)
    # Python before 3.11.4 cannot list the long name with rglob.
    walked = os.walk(copy := tmp_path / "copy")
    names = [Path(top) / name for top, folders, files in walked for name in (*folders, *files)]
    copied = {str(one.relative_to(copy)) for one in names}
    assert copied == {"a", "a/b", "a/b/c", "d", *staying}


def test_git_folder_that_the_candidate_made_is_one_changed_path(tmp_path: Path) -> None:
    before = read_tree(tmp_path, within=FAR)
    write_files(tmp_path, {".git/state": "x", ".git/config": "x"})
    made = read_tree(tmp_path, within=FAR)
    assert changed_paths(before, made) == [".git"]
    write_files(tmp_path, {".git/config": "y"})
    assert changed_paths(made, read_tree(tmp_path, within=FAR)) == []


def test_very_large_tree_is_neither_read_nor_copied(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"a": "x"})
    with (tree / "sparse").open("wb") as file:
        file.truncate(MOST_BYTES)
    with pytest.raises(FileUnusable, match="larger than 4 GiB"):
        copy_tree(tree, tmp_path / "copy", within=FAR)
    with pytest.raises(FileUnusable, match="larger than 4 GiB"):
        read_tree(tree, within=FAR)


def test_bytes_are_counted_while_a_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # The files of this folder have the size 0, and content.
    monkeypatch.setattr(candidate_tree, "MOST_BYTES", 10)
    with pytest.raises(FileUnusable, match="is larger than"):
        read_tree(Path("/proc/sys/kernel/random"), within=FAR)


def test_tree_is_read_and_copied_within_a_time_limit(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"a": "x"})
    for work in (partial(read_tree, tree), partial(copy_tree, tree, tmp_path / "copy")):
        with pytest.raises(FileUnusable, match="could not be read within"):
            work(within=timedelta())


def test_copy_of_a_build_keeps_times_links_and_permissions(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"a/b": "#!/bin/sh\n", ".git/config": ""})
    (tree / "out").symlink_to("/usr/bin/env")
    (tree / "hard").hardlink_to(tree / "a/b")
    os.mkfifo(tree / "pipe")
    os.utime(tree / "a", ns=(1, 1))
    os.utime(tree / "a/b", ns=(2, 2))
    (tree / "a").chmod(0o500)
    (tmp_path / "to").mkdir()
    assert copy_left(tree, tmp_path / "to", within=FAR) == 1
    copy = tmp_path / "to"
    assert {one.name for one in copy.iterdir()} == {"a", "out", "hard"}
    assert (copy / "out").readlink() == Path("/usr/bin/env")
    assert (copy / "hard").samefile(copy / "a/b")
    assert [(copy / name).stat().st_mtime_ns for name in ("a", "a/b")] == [1, 2]
    assert [(copy / name).stat().st_mode & 0o777 for name in ("a", "a/b")] == [0o500, 0o755]
    before = hash_tree(copy, within=FAR)
    (copy / "a/b").write_text("other")
    assert hash_tree(copy, within=FAR) != before
