import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.clock import ManualClock
from attractor.base.errors import FileError, NotCanonical, UnknownName, VerificationError
from attractor.base.json import Json, content_hash
from attractor.engine.storage.artifacts import (
    ARTIFACTS,
    FILE_BACKING_THRESHOLD,
    ArtifactInfo,
    ArtifactStore,
    Blobs,
    share_blobs,
)
from attractor.engine.storage.secrets import Redactor
from tests.counts import count


def files(run: Path) -> list[str]:
    return sorted(one.name for one in (run / ARTIFACTS).iterdir())


@given(st.binary(max_size=100))
def test_bytes_come_back_by_their_hash(content: bytes) -> None:
    blobs = Blobs()
    digest = blobs.put(content)
    assert digest == content_hash(content)
    assert blobs.get(digest) == content
    assert blobs.count() == 1


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    digests = {Blobs(tmp_path).put(b"same"), Blobs(tmp_path).put(b"same")}
    [digest] = digests
    assert files(tmp_path) == [f"{digest}.json"]
    assert Blobs(tmp_path).get(digest) == b"same"
    assert Blobs(tmp_path).count() == 1


def test_no_folder_without_artifacts(tmp_path: Path) -> None:
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
    # Storing the same bytes again repairs the artifact.
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
def test_artifacts_are_shared_with_another_run(
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


def test_run_without_artifacts_shares_none(tmp_path: Path) -> None:
    share_blobs(tmp_path / "none", tmp_path / "ours")
    assert list(tmp_path.iterdir()) == []


NOW = datetime(2026, 1, 1, tzinfo=UTC)
BIG = "x" * FILE_BACKING_THRESHOLD


def store_in(run: Path, *, clock: ManualClock | None = None) -> ArtifactStore:
    return ArtifactStore(Blobs(run), clock=clock or ManualClock(NOW))


def blobs_of(run: Path) -> list[Path]:
    return list((run / ARTIFACTS).glob("*.json"))


@pytest.mark.parametrize("text", ["small", BIG])
def test_an_artifact_is_there_for_the_next_process(tmp_path: Path, text: str) -> None:
    info = store_in(tmp_path).store("plan", "The plan", {"text": text})
    is_large = text == BIG
    size = len(text) + len('{"text":""}')
    assert info == ArtifactInfo("plan", "The plan", size, NOW, is_large)
    assert len(blobs_of(tmp_path)) == is_large
    again = store_in(tmp_path)
    assert again.list() == (info,)
    assert again.retrieve("plan") == {"text": text}


def test_artifacts_without_a_folder_stay_in_memory() -> None:
    store = ArtifactStore()
    assert not store.store("plan", "The plan", BIG).is_file_backed
    assert store.retrieve("plan") == BIG
    assert not ArtifactStore().has("plan")


def test_stored_artifact_is_replaced_and_listed_last(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    store = store_in(tmp_path, clock=clock)
    for id_, data in (("one", "1"), ("two", "2"), ("one", "3")):
        asyncio.run(clock.turn(timedelta(seconds=1)))
        store.store(id_, id_, data)
    assert [one.id for one in store.list()] == ["two", "one"]
    assert [one.id for one in store_in(tmp_path).list()] == ["two", "one"]
    assert store_in(tmp_path).retrieve("one") == "3"


def test_removed_artifact_is_gone_for_next_process(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for id_ in ("one", "two", "three"):
        store.store(id_, id_, id_)
    store.remove("two")
    store.remove("two")
    assert [store.has(one) for one in ("one", "two", "three")] == [True, False, True]
    assert not store_in(tmp_path).has("two")
    store.clear()
    assert (store.list(), store_in(tmp_path).list()) == ((), ())


def test_unknown_artifact_gets_suggestion(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.store("report", "Report", 1)
    with pytest.raises(UnknownName) as unknown:
        store.retrieve("reports")
    assert unknown.value.hint == "did you mean report?"


@settings(max_examples=count(ci=15, full=100))
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=300), unique=True, max_size=5))
def test_any_text_can_be_an_id(tmp_path_factory: pytest.TempPathFactory, ids: list[str]) -> None:
    run = tmp_path_factory.mktemp("run")
    store = store_in(run)
    for number, id_ in enumerate(ids):
        store.store(id_, "", number)
    again = store_in(run)
    assert [again.retrieve(id_) for id_ in ids] == list(range(len(ids)))


def test_ids_that_differ_in_case_alone_have_files_of_their_own(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for id_ in ("plan", "Plan", "PLAN"):
        store.store(id_, id_, id_)
    names = [one.name.lower() for one in (tmp_path / ARTIFACTS / "named").iterdir()]
    assert len(set(names)) == len(names) == 3


def test_no_secret_is_stored(tmp_path: Path) -> None:
    store = ArtifactStore(Blobs(tmp_path), redactor=Redactor(["hunter2hunter2"]))
    store.store("log", "Log", {"said": "it is hunter2hunter2", "more": BIG})
    assert store.retrieve("log") == {"said": "it is ***", "more": BIG}
    texts = [one.read_text() for one in (tmp_path / ARTIFACTS).rglob("*.json")]
    assert not any("hunter2" in text for text in texts)


def test_invalid_json_is_refused(tmp_path: Path) -> None:
    no_json: Json = float("nan")
    with pytest.raises(NotCanonical):
        store_in(tmp_path).store("x", "x", no_json)
    assert list(tmp_path.iterdir()) == []
