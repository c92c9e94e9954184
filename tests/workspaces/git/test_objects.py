import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.errors import FileError
from attractor.workspaces.git.objects import (
    FILE,
    FlatTree,
    LooseObjects,
    TreeEntry,
    object_id,
    write_tree,
)
from tests.counts import count
from tests.workspaces.projects import age, git


@pytest.fixture(params=["sha1", "sha256"])
def object_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(tmp_path: Path, object_format: str) -> Path:
    git(tmp_path, "init", "-q", "--bare", f"--object-format={object_format}", "store")
    return tmp_path / "store"


def test_git_reads_written_objects(store: Path, object_format: str) -> None:
    objects = LooseObjects(store / "objects", object_format)
    name = objects.write("blob", b"content\n")
    assert git(store, "hash-object", "--stdin", stdin=b"content\n") == name.hex()
    assert git(store, "cat-file", "blob", name.hex()) == "content"
    assert object_id("blob", b"content\n", object_format) == name


def test_an_object_is_written_once(store: Path, object_format: str) -> None:
    for _ in range(2):
        objects = LooseObjects(store / "objects", object_format)
        name = objects.write("blob", b"content\n").hex()
        file = store / "objects" / name[:2] / name[2:]
        written = age(file)
        objects.write("blob", b"content\n")
        assert age(file) == written


def test_empty_object_file_is_rewritten(store: Path, object_format: str) -> None:
    name = LooseObjects(store / "objects", object_format).write("blob", b"content\n").hex()
    file = store / "objects" / name[:2] / name[2:]
    file.unlink()
    file.touch()
    LooseObjects(store / "objects", object_format).write("blob", b"content\n")
    assert git(store, "cat-file", "blob", name) == "content"


def test_known_object_is_not_written(store: Path, object_format: str) -> None:
    objects = LooseObjects(store / "objects", object_format)
    objects.know([object_id("blob", b"content\n", object_format)])
    objects.write("blob", b"content\n")
    assert git(store, "count-objects") == "0 objects, 0 kilobytes"


def test_temporary_files_of_killed_writers_are_removed(store: Path, object_format: str) -> None:
    objects = LooseObjects(store / "objects", object_format)
    name = objects.write("blob", b"content\n").hex()
    (store / "objects" / "tmp_obj_0123").touch()
    (store / "objects" / name[:2] / f".attractor-4194305-{'0' * 16}.tmp").touch()
    objects.remove_abandoned_files()
    objects.sync()
    assert git(store, "count-objects", "-v").split("\n")[-2:] == ["garbage: 0", "size-garbage: 0"]
    assert not list(store.glob("objects/*/.attractor*"))
    assert git(store, "cat-file", "blob", name) == "content"


def test_existing_objects_are_synced(
    store: Path, object_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    fsync = os.fsync

    def note(file: int) -> None:
        synced.add(os.fstat(file).st_ino)
        fsync(file)

    name = LooseObjects(store / "objects", object_format).write("blob", b"content\n").hex()
    monkeypatch.setattr(os, "fsync", note)
    objects = LooseObjects(store / "objects", object_format)
    objects.write("blob", b"content\n")
    objects.sync()
    file = store / "objects" / name[:2] / name[2:]
    assert synced == {file.stat().st_ino, file.parent.stat().st_ino}
    objects.write("blob", b"content\n")
    synced.clear()
    objects.sync()
    assert synced == set()


def test_threads_write_and_sync_at_the_same_time(store: Path, object_format: str) -> None:
    objects = LooseObjects(store / "objects", object_format)

    def work(number: int) -> list[str]:
        names: list[str] = []
        for one in range(40):
            names.append(objects.write("blob", b"%d" % (number % 2 * 1000 + one)).hex())
            if one % 7 == 0:
                objects.sync()
        return names

    with ThreadPoolExecutor(4) as pool:
        written = {name for names in pool.map(work, range(4)) for name in names}
    assert len(written) == 80
    git(store, "fsck", "--strict", "--no-dangling")
    assert git(store, "count-objects").startswith("80 objects")


def test_a_large_file_that_shrank_is_not_kept(store: Path, object_format: str) -> None:
    objects = LooseObjects(store / "objects", object_format)
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 100)
        file.seek(0)
        assert objects.write_large(file.fileno(), 101) is None
        file.seek(0)
        kept = objects.write_large(file.fileno(), 100)
    assert kept is not None
    assert git(store, "cat-file", "-s", kept.hex()) == "100"
    assert not list(store.glob("objects/tmp_obj_*"))


def test_unwritable_object_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "objects").touch()
    objects = LooseObjects(tmp_path / "objects", "sha1")
    with pytest.raises(FileError, match="objects") as trouble:
        objects.write("blob", b"")
    assert trouble.value.hint
    with tempfile.TemporaryFile() as file, pytest.raises(FileError, match="objects"):
        objects.write_large(file.fileno(), 0)


_NAMES = st.binary(min_size=1, max_size=4).filter(
    lambda name: not set(name) & {0, ord("/")} and name.lower() not in (b".", b"..", b".git")
)
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map(b"/".join)


@settings(deadline=None, max_examples=count(ci=15, full=300))
@given(paths=st.sets(_PATHS, max_size=12))
def test_written_tree_equals_the_git_tree(paths: set[bytes]) -> None:
    files = {path for path in paths if not any(one.startswith(path + b"/") for one in paths)}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        git(store, "init", "-q", "--bare")
        objects = LooseObjects(store / "objects", "sha1")
        entry = TreeEntry(FILE, objects.write("blob", b""))
        tree: FlatTree = dict.fromkeys(files, entry)
        written = write_tree(objects, tree).hex()
        lines = b"".join(b"100644 %s\t%s\0" % (entry.id.hex().encode(), path) for path in files)
        git(store, "config", "core.protectNTFS", "false")
        git(store, "update-index", "-z", "--index-info", stdin=lines)
        assert git(store, "write-tree") == written
