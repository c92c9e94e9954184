"""Contract of objects that read files beside a pipeline."""

from pathlib import Path

import pytest

from attractor.language.diagnostics import UnreadablePipeline
from attractor.language.preparation.prepare import Files, FilesRead, FolderFiles, KnownFiles


@pytest.fixture(params=["folder", "known", "read"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    (tmp_path / "empty.md").write_bytes(b"")
    (tmp_path / "größe.md").write_bytes(b"\xff\0")
    folder = FolderFiles(tmp_path)
    if request.param == "read":
        return FilesRead(folder)
    known = KnownFiles({"empty.md": b"", "größe.md": b"\xff\0"})
    return folder if request.param == "folder" else known


def test_file_content_is_read_byte_for_byte(files: Files) -> None:
    assert files.read("empty.md") == b""
    assert files.read("größe.md") == files.read("größe.md") == b"\xff\0"


def test_missing_file_is_named(files: Files) -> None:
    with pytest.raises(UnreadablePipeline, match=r"cannot read nope\.md"):
        files.read("nope.md")
