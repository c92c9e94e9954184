from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import FileError, Refused, VerificationError
from attractor.base.json import canonical_json, parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.run_folder.inbox import Inbox
from attractor.engine.run_folder.layout import (
    NAMES,
    FileFence,
    Manifest,
    RunDirectory,
    create_run_directory,
    is_held,
    promises_from_record,
    promises_to_record,
    read_manifest,
    write_manifest,
)
from attractor.engine.seams import Base
from attractor.engine.stage.folder import begin_attempt
from attractor.engine.storage.artifacts import Blobs
from attractor.engine.storage.json_files import Fields
from attractor.environments.environment import Promises
from tests.tables import table

MANIFEST = Manifest(
    run_id="R",
    pipeline="Test",
    goal="ünïcode",
    started=datetime(2026, 1, 1, tzinfo=UTC),
    content_hash="abc",
    base=Base("commit", "tree", "candidate"),
    parent="P",
    suite="s@1",
    profile="p@2",
    options={"backend": "simulate", "inputs": {"n": 3}},
    versions={"attractor": "0.1"},
    promises=Promises(hides_operator=True),
)


def test_new_directory_contains_pipeline_and_manifest(tmp_path: Path) -> None:
    directory = create_run_directory(tmp_path / "runs" / "R", MANIFEST, "digraph {}\r\n")
    assert directory.graph.read_bytes() == b"digraph {}\r\n"
    assert read_manifest(directory) == MANIFEST
    assert directory.inbox.is_dir()


def test_a_directory_is_not_made_twice(tmp_path: Path) -> None:
    create_run_directory(tmp_path / "R", MANIFEST, "")
    with pytest.raises(Refused, match="exists already"):
        create_run_directory(tmp_path / "R", MANIFEST, "")


def test_missing_or_corrupt_manifest_is_reported(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    with pytest.raises(VerificationError, match=r"manifest\.json is missing"):
        read_manifest(directory)
    directory.manifest.write_text("{")
    with pytest.raises(RecordBroken):
        read_manifest(directory)
    write_manifest(directory, MANIFEST)
    directory.manifest.write_text(directory.manifest.read_text().replace("2026-01", "2026-13"))
    with pytest.raises(RecordBroken, match="invalid Manifest.started: month"):
        read_manifest(directory)


def test_a_stage_folder_is_safe_for_every_id(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.stage("plan") == tmp_path / "plan"
    assert directory.stage("../../etc").parent == tmp_path


@given(st.builds(Promises))
def test_promises_come_back_as_they_were(promises: Promises) -> None:
    written = canonical_json(promises_to_record(promises))
    assert promises_from_record(Fields(parse_json(written), "test")) == promises
    assert set(promises_to_record(promises)) == set(NAMES)
    assert promises_from_record(Fields({}, "test")) == Promises()


USES: list[Callable[[Path], object]] = [
    lambda file: list(Inbox(file).waiting()),
    lambda file: create_run_directory(file / "R", MANIFEST, ""),
    lambda file: FileFence(file / "run.lock").begin(),
    lambda file: is_held(file / "run.lock"),
    lambda file: begin_attempt(file / "plan", 1, 1),
    lambda file: Blobs(file).put(b"x"),
]


@table("use", USES)
def test_file_in_place_of_folder(tmp_path: Path, use: Callable[[Path], object]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="Not a directory"):
        use(tmp_path / "file")
