"""What a pipeline reads besides its text."""

import os
from pathlib import Path

import pytest

from attractor.language.errors import UnreadablePipeline
from attractor.language.surroundings import FilesRead, FolderFiles, KnownFiles


def test_files_lie_beside_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_bytes(b"Plan")
    assert FolderFiles(tmp_path).read("plan.md") == b"Plan"


@pytest.mark.parametrize("name", ["nope.md", "", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadablePipeline, match="cannot read"):
        FolderFiles(tmp_path).read(name)


def test_what_was_read_is_remembered_and_read_once(tmp_path: Path) -> None:
    file = tmp_path / "plan.md"
    file.write_bytes(b"Plan")
    files = FilesRead(FolderFiles(tmp_path))
    assert files.read("plan.md") == b"Plan"
    file.unlink()
    assert files.read("plan.md") == b"Plan"
    assert files.by_name == {"plan.md": b"Plan"}


def test_known_files_are_read_again_as_they_were() -> None:
    assert KnownFiles({"a": b"1"}).read("a") == b"1"
    with pytest.raises(UnreadablePipeline, match="not among"):
        KnownFiles({"a": b"1"}).read("b")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(UnreadablePipeline, match="no file"):
        FolderFiles(tmp_path).read("pipe.md")


def test_what_lies_outside_the_project_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    inner = tmp_path / "project" / "pipelines"
    inner.mkdir(parents=True)
    (tmp_path / "project" / "shared.md").write_text("shared")
    (inner / "link.md").symlink_to(tmp_path / "secret")
    files = FolderFiles(inner, within=tmp_path / "project")
    assert files.read("../shared.md") == b"shared"
    for name in ("../../secret", "link.md", str(tmp_path / "secret")):
        with pytest.raises(UnreadablePipeline, match="outside the project"):
            files.read(name)
    with pytest.raises(UnreadablePipeline, match="outside"):
        FolderFiles(inner).read("../shared.md")
