import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import FileError, VerificationError
from attractor.base.json import content_hash
from attractor.engine.storage.blobs import ARTIFACTS, Blobs, share_blobs


def files(run: Path) -> list[str]:
    return sorted(one.name for one in (run / ARTIFACTS).iterdir())


@given(st.binary(max_size=100))
def test_bytes_come_back_by_their_hash(content: bytes) -> None:
    blobs = Blobs()
    digest = blobs.put(content)
    assert digest == content_hash(content)
    assert blobs.get(digest) == content


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    digests = {Blobs(tmp_path).put(b"same"), Blobs(tmp_path).put(b"same")}
    [digest] = digests
    assert files(tmp_path) == [f"{digest}.json"]
    assert Blobs(tmp_path).get(digest) == b"same"
    assert Blobs(tmp_path).count() == 1


def test_without_any_there_is_no_folder(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    blobs.sweep()
    assert blobs.count() == 0
    assert list(tmp_path.iterdir()) == []


def test_changed_bytes_are_found(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(b"true")
    (tmp_path / ARTIFACTS / f"{digest}.json").write_bytes(b"forged")
    with pytest.raises(VerificationError, match="does not match its hash"):
        blobs.get(digest)
    assert isinstance(blobs.trouble, VerificationError)
    # Whoever brings the same bytes again mends it.
    again = Blobs(tmp_path)
    again.put(b"true")
    assert again.get(digest) == b"true"


def test_missing_bytes_are_reported(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(b"true")
    (tmp_path / ARTIFACTS / f"{digest}.json").unlink()
    with pytest.raises(FileError, match="cannot read"):
        blobs.get(digest)
    assert isinstance(blobs.trouble, FileError)


def test_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / ARTIFACTS).write_text("a file")
    blobs = Blobs(tmp_path)
    with pytest.raises(FileError):
        blobs.put(b"lost")
    assert blobs.trouble is not None


def test_files_of_killed_writer_are_removed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    digest = blobs.put(b"kept")
    dead = tmp_path / ARTIFACTS / ".attractor-999999999-0123456789abcdef.tmp"
    dead.write_bytes(b"half")
    blobs.sweep()
    assert files(tmp_path) == [f"{digest}.json"]


@pytest.mark.parametrize("has_links", [True, False])
def test_another_run_is_given_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    digest = Blobs(one).put(b"shared")
    named = one / ARTIFACTS / "named"
    named.mkdir()
    (named / "plan.json").write_text("{}")
    if not has_links:

        def refuse(*_: object, **__: object) -> None:
            raise OSError(18, "another device")

        monkeypatch.setattr(os, "link", refuse)
    share_blobs(one / ARTIFACTS, other / ARTIFACTS)
    assert Blobs(other).get(digest) == b"shared"
    assert (other / ARTIFACTS / "named" / "plan.json").read_text() == "{}"
    is_linked = (other / ARTIFACTS / f"{digest}.json").stat().st_nlink == 2
    assert is_linked is has_links


def test_a_run_that_keeps_none_has_none_to_give(tmp_path: Path) -> None:
    share_blobs(tmp_path / "none", tmp_path / "ours")
    assert list(tmp_path.iterdir()) == []
