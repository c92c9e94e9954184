"""The folder of the workspaces: a private path without names, and leftovers of killed runs."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.workspaces.folders import (
    borrowed_folder,
    new_folder,
    prepare_workspaces_folder,
    remove_abandoned_folders,
    scratch_folder,
    workspaces_folder,
)
from tests.counts import count
from tests.patience import PATIENCE_S


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "home-of-ann" / "state"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def prepare(state: Path, shared: Path) -> tuple[Path, list[str]]:
    messages: list[str] = []
    return prepare_workspaces_folder(state, shared=shared, tell=messages.append), messages


def test_workspaces_folder_has_a_random_name(state: Path, shared: Path) -> None:
    place, diagnostics = prepare(state, shared)
    (target,) = shared.iterdir()
    assert (place, diagnostics) == (state / "workspaces", [])
    assert place.resolve() == target
    assert len(target.name) == 16
    assert int(target.name, 16) >= 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert prepare(state, shared) == (place, [])
    assert list(shared.iterdir()) == [target]


def test_each_state_folder_has_its_own_workspaces_folder(state: Path, shared: Path) -> None:
    other = state.parent / "other"
    other.mkdir()
    assert prepare(state, shared)[0].resolve() != prepare(other, shared)[0].resolve()


def test_missing_workspaces_folder_is_recreated(state: Path, shared: Path) -> None:
    gone = prepare(state, shared)[0].resolve()
    gone.rmdir()
    place, diagnostics = prepare(state, shared)
    assert place.resolve() != gone
    assert place.is_dir()
    assert diagnostics == [
        f"the workspaces folder {gone} is missing: files of runs are restored elsewhere."
    ]


@pytest.mark.parametrize("what", ["file", "link"])
def test_planted_workspaces_folder_is_not_used(what: str, state: Path, shared: Path) -> None:
    ours = prepare(state, shared)[0].resolve()
    ours.rmdir()
    trap = shared / "trap"
    trap.mkdir()
    ours.touch() if what == "file" else ours.symlink_to(trap)
    place, diagnostics = prepare(state, shared)
    assert place.resolve() not in (ours, trap)
    assert diagnostics == [
        f"the workspaces folder {ours} is not a folder: files of runs are restored elsewhere."
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_folder_of_another_user_is_not_used(state: Path, shared: Path) -> None:
    ours = prepare(state, shared)[0].resolve()
    os.chown(ours, 12345, 12345)
    place, diagnostics = prepare(state, shared)
    assert place.resolve() != ours
    assert "belongs to another user" in diagnostics[0]


def test_folder_permissions_are_restored(state: Path, shared: Path) -> None:
    place, _ = prepare(state, shared)
    place.resolve().chmod(0o755)
    prepare(state, shared)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def fallback_warning(state: Path, shared: Path) -> str:
    place, diagnostics = prepare(state, shared)
    assert place.is_dir()
    assert not place.is_symlink()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    (sentence,) = diagnostics
    assert sentence.startswith(f"Tools in a sandbox can see the path of the workspaces, {place}: ")
    return sentence


def test_missing_shared_folder_falls_back_to_the_state_folder(state: Path, shared: Path) -> None:
    missing = shared / "none"
    assert f"{missing}: No such file or directory." in fallback_warning(state, missing)
    # The warning is repeated until the shared folder is available.
    fallback_warning(state, missing)
    assert prepare(state, shared)[1] == []
    assert workspaces_folder(state).is_symlink()


def test_replaceable_shared_folder_is_not_used(state: Path, shared: Path) -> None:
    shared.chmod(0o777)
    assert f"other users can replace files in {shared}." in fallback_warning(state, shared)
    assert list(shared.iterdir()) == []


def test_shared_folder_that_is_a_file_is_reported(state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in fallback_warning(state, tmp_path / "file")


def test_existing_workspaces_stay_in_the_state_folder(state: Path, shared: Path) -> None:
    (state / "workspaces" / "1234").mkdir(parents=True)
    state.joinpath("workspaces").chmod(0o700)
    assert "it already contains workspaces" in fallback_warning(state, shared)
    assert (state / "workspaces" / "1234").is_dir()


def test_concurrent_starts_use_the_same_folder(state: Path, shared: Path) -> None:
    for _ in range(count(ci=5, full=100)):
        found: list[Path] = []
        begin = threading.Barrier(8)

        def one(found: list[Path] = found, begin: threading.Barrier = begin) -> None:
            begin.wait(timeout=PATIENCE_S)
            found.append(prepare(state, shared)[0].resolve())

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=PATIENCE_S)
        assert len(found) == 8
        assert set(found) == set(shared.iterdir())
        found[0].rmdir()


CHILD = """
import sys, time
from pathlib import Path
from attractor.workspaces.folders import borrowed_folder
with borrowed_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("text")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def none() -> Collection[str]:
    return ()


def collect(place: Path) -> int:
    return remove_abandoned_folders(place, none)


def test_a_borrowed_folder_is_removed_and_a_new_one_stays(tmp_path: Path) -> None:
    with borrowed_folder(tmp_path) as borrowed, new_folder(tmp_path) as new:
        (borrowed / "a" / "b").mkdir(parents=True)
        assert borrowed != new
        assert {len(borrowed.name), len(new.name)} == {16}
        assert borrowed.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [new]


def test_borrowed_folder_is_removed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), borrowed_folder(tmp_path) as folder:
        folder.mkdir()
    assert list(tmp_path.iterdir()) == []


def test_locked_folder_is_not_removed(tmp_path: Path) -> None:
    with borrowed_folder(tmp_path) as borrowed, new_folder(tmp_path) as new:
        assert collect(tmp_path) == 0
        assert borrowed.is_dir()
    assert collect(tmp_path) == 1
    assert not new.exists()


def test_recorded_folder_is_kept_without_a_lock(tmp_path: Path) -> None:
    with new_folder(tmp_path) as kept, new_folder(tmp_path) as left:
        pass
    assert remove_abandoned_folders(tmp_path, lambda: {kept.name}) == 1
    assert kept.is_dir()
    assert not left.exists()


def test_records_are_read_only_when_the_folders_are_held(tmp_path: Path) -> None:
    """Otherwise a run that is writing its record would lose its folder."""
    with new_folder(tmp_path) as folder:
        pass

    def recorded() -> Collection[str]:
        inner = remove_abandoned_folders(tmp_path, none)
        assert inner == 0
        return {folder.name}

    assert remove_abandoned_folders(tmp_path, recorded) == 0
    assert folder.is_dir()


def test_other_names_are_not_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ("0" * 16)).touch()
    (tmp_path / ("1" * 16)).symlink_to(tmp_path / "mine")
    assert collect(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_unreadable_folders_are_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o755)
    place = tmp_path / "place"
    place.mkdir()
    with new_folder(place) as folder:
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "file").touch()
        (folder / "link").symlink_to(outside)
        for closed in (folder / "a" / "b", folder / "a", folder):
            closed.chmod(0)
    assert collect(place) == 1
    assert list(place.iterdir()) == []
    assert outside.stat().st_mode & 0o777 == 0o755


def test_missing_workspaces_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="gone"):
        collect(tmp_path / "gone")
    with pytest.raises(FileError, match="gone"), new_folder(tmp_path / "gone"):
        pass


@pytest.mark.crash
def test_folder_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    for _ in range(count(ci=2, full=30)):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            folder = tmp_path / child.stdout.readline().strip()
            assert collect(tmp_path) == 0
            assert (folder / "file").exists()
        finally:
            child.kill()
            child.wait(timeout=PATIENCE_S)
            child.stdin.close()
            child.stdout.close()
        assert collect(tmp_path) == 1
        assert list(tmp_path.iterdir()) == []


def test_creating_and_removing_folders_do_not_race(tmp_path: Path) -> None:
    lost: list[Path] = []
    done = threading.Event()

    def make() -> None:
        for _ in range(count(ci=100, full=5000)):
            with borrowed_folder(tmp_path) as folder:
                try:
                    (folder / "file").touch()
                except OSError:
                    lost.append(folder)

    def sweep() -> None:
        while not done.is_set():
            collect(tmp_path)

    makers = [threading.Thread(target=make) for _ in range(2)]
    sweeper = threading.Thread(target=sweep)
    for thread in (*makers, sweeper):
        thread.start()
    for thread in makers:
        thread.join(timeout=PATIENCE_S)
    done.set()
    sweeper.join(timeout=PATIENCE_S)
    assert lost == []
    assert not any(tmp_path.iterdir())


def test_scratch_folder_of_a_killed_process_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    words = "import os; from attractor.workspaces.folders import scratch_folder as borrow"
    killed = f"{words}\nwith borrow() as folder: (folder / 'x').mkdir(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed], env={"TMPDIR": str(tmp_path)}, check=False)
    (place,) = tmp_path.iterdir()
    assert len([*place.iterdir()]) == 1
    with scratch_folder() as first, scratch_folder() as second:
        assert {*place.iterdir()} == {first, second}
    assert not [*place.iterdir()]
    place.rmdir()
    place.symlink_to(tmp_path)
    with pytest.raises(FileError, match="is not a folder"), scratch_folder():
        pass
