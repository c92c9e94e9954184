import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.hash_chain import GENESIS
from attractor.factory.errors import OtherProject
from attractor.factory.ledger.ledger import LedgerEntry
from attractor.factory.project import ProjectIdentity
from tests.factory.resources.stores import make_identity


def make_copy(tmp_path: Path) -> tuple[str, ProjectIdentity]:
    """Return the id of a project, and a copy of its folder."""
    original = make_identity(tmp_path).create_id()
    shutil.copytree(tmp_path / "project", tmp_path / "copy")
    return original, make_identity(tmp_path, "copy")


def test_a_copied_project_gets_an_id_of_its_own(tmp_path: Path) -> None:
    original, copy = make_copy(tmp_path)
    messages: list[str] = []
    assert copy.project_id() == ""
    created = LedgerEntry(
        "created", "R", "", make_identity(tmp_path).describe(tmp_path), GENESIS, ""
    )
    with pytest.raises(OtherProject):
        copy.require_own(tmp_path, created)
    own = replace(copy, tell=messages.append).create_id()
    assert own not in ("", original)
    assert (copy.create_id(), copy.project_id()) == (own, own)
    assert make_identity(tmp_path).project_id() == make_identity(tmp_path).create_id() == original
    [sentence] = messages
    assert f"is a copy of {tmp_path / 'project'}" in sentence


def test_a_moved_project_keeps_its_id(tmp_path: Path) -> None:
    original, moved = make_copy(tmp_path)
    shutil.rmtree(tmp_path / "project")
    assert moved.project_id() == moved.create_id() == original
    shutil.copytree(tmp_path / "copy", tmp_path / "project")
    assert make_identity(tmp_path).project_id() == ""


def test_a_project_that_is_copied_with_its_state_keeps_its_id(tmp_path: Path) -> None:
    original, copy = make_copy(tmp_path)
    shutil.copytree(tmp_path / "state", tmp_path / "other")
    with_state = replace(copy, lock=tmp_path / "other" / "project.lock")
    assert with_state.project_id() == with_state.create_id() == original
