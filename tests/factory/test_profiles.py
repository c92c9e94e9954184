from pathlib import Path

import pytest

from attractor.base.errors import UnknownName
from attractor.factory.errors import InvalidProfile
from attractor.factory.profiles import ProfileStore


def test_profile_is_stored_and_found(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    made = store.create("demo", allow_unverified_isolation=True)
    assert store.find("demo") == store.find("demo@1") == made
    assert made.allow_unverified_isolation
    assert not store.create("strict").allow_unverified_isolation
    assert store.names() == ["demo", "strict"]


def test_duplicate_profile_name_is_refused(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    store.create("demo")
    with pytest.raises(InvalidProfile, match="already"):
        store.create("demo")


@pytest.mark.parametrize("name", ["", "../up", "Demo", "a b", "a/b"])
def test_invalid_profile_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidProfile, match="invalid profile name"):
        ProfileStore(tmp_path).create(name)


def test_unknown_profile_or_revision_is_reported(tmp_path: Path) -> None:
    store = ProfileStore(tmp_path)
    store.create("demo")
    with pytest.raises(UnknownName, match="unknown profile 'dema'"):
        store.find("dema")
    with pytest.raises(UnknownName, match="revision of profile demo '2'"):
        store.find("demo@2")
