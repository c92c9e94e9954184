"""Ignored files and size limits of a folder outside Git."""

import os
from pathlib import Path

import pytest

from attractor.workspaces.create.from_folder import read_ignores
from attractor.workspaces.errors import FolderTooLarge
from tests.workspaces.projects import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plain = tmp_path / "plain"
    write(
        plain,
        {
            ".gitignore": "big/\n*.log\n",
            "a": "12345",
            "sub/.gitignore": "inner\n",
            "sub/b": "12345",
            "sub/inner": "1" * 100,
            "big/one": "1" * 100,
            "big/.gitignore": "a\n",
            "ours/x": "1" * 100,
            ".git/objects": "1" * 100,
        },
    )
    return plain


def test_ignore_files_count_but_for_those_in_ignored_folders(folder: Path) -> None:
    rules = read_ignores(folder, ["/ours/"])
    assert all(map(rules.ignores_file, [b"big/one", b"x.log", b"sub/inner", b"ours/x"]))
    assert not any(map(rules.ignores_file, [b"a", b"inner", b"sub/a"]))


def test_ignored_files_do_not_count_for_the_size_limit(folder: Path) -> None:
    rules = read_ignores(folder, ["/ours/"], most_files=4, most_bytes=60)
    assert rules.ignores_file(b"big/one")


@pytest.mark.parametrize(
    ("files", "size", "words"), [(3, 1000, "more than 3 files"), (10, 20, "exceed 20 bytes")]
)
def test_too_large_folder_is_refused(folder: Path, files: int, size: int, words: str) -> None:
    with pytest.raises(FolderTooLarge, match=words) as refused:
        read_ignores(folder, ["/ours/"], most_files=files, most_bytes=size)
    assert ".gitignore" in refused.value.hint
    assert "--workspace in-place" in refused.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_passed_over(folder: Path) -> None:
    (folder / "sub").chmod(0)
    try:
        assert read_ignores(folder, []).ignores_file(b"x.log")
    finally:
        (folder / "sub").chmod(0o700)
