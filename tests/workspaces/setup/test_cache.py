"""Copies of carried files, and detection of files that contain their own path."""

import resource
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.workspaces.setup import cache as path_mentions
from attractor.workspaces.setup.cache import carry, mentions_path
from tests.tables import table
from tests.workspaces.projects import write

PLACE = "/some/where"


def test_interrupted_copy_leaves_no_incomplete_file(tmp_path: Path) -> None:
    write(tmp_path, {"project/made/large": bytes(100_000), "project/made/small": "x", "to/x": ""})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(FileError):
            carry(tmp_path / "project", ["made"], tmp_path / "to")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert carry(tmp_path / "project", ["made"], tmp_path / "to") == ["made"]
    assert (tmp_path / "to/made/large").read_bytes() == bytes(100_000)
    (tmp_path / "project/made/small").write_text("changed")
    carry(tmp_path / "project", ["made"], tmp_path / "to")
    assert (tmp_path / "to/made/small").read_text() == "x"


@table(
    ("content", "is_told"),
    [
        (b"", False),
        (b"/some/other", False),
        (b"#!/some/where/bin/python", True),
        (b"\0\xff/some/where\0", True),
    ],
)
def test_mention_in_any_file_counts(tmp_path: Path, content: bytes, is_told: bool) -> None:
    write(tmp_path, {"made/deep/er/file": content, "made/other": "x", "not-made": PLACE})
    assert mentions_path(tmp_path, ["made", "gone"], PLACE) is is_told


def test_link_target_counts_and_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"outside": PLACE, "made/file": "x"})
    (tmp_path / "made/link").symlink_to("../outside")
    assert not mentions_path(tmp_path, ["made"], PLACE)
    (tmp_path / "made/other").symlink_to(f"{PLACE}/x")
    assert mentions_path(tmp_path, ["made"], PLACE)


def test_path_across_two_chunks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_mentions, "_PIECE", 8)
    write(tmp_path, {"made": b"12345" + PLACE.encode() + b"12345"})
    assert mentions_path(tmp_path, ["made"], PLACE)


def test_path_behind_a_link_is_found_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(tmp_path, {"made": str((tmp_path / "real").resolve())})
    assert mentions_path(tmp_path, ["made"], str(tmp_path / "link"))
