"""Folders that the dead left are found and removed; nobody who lives is touched."""

import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.workspaces.held_folders import borrowed_folder, collect_left_behind, new_folder
from tests.counts import count

CHILD = """
import sys, time
from pathlib import Path
from attractor.workspaces.held_folders import borrowed_folder
with borrowed_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("text")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def none() -> Collection[str]:
    return ()


def collect(place: Path) -> int:
    return collect_left_behind(place, none)


def test_a_borrowed_folder_is_removed_and_a_new_one_stays(tmp_path: Path) -> None:
    with borrowed_folder(tmp_path) as borrowed, new_folder(tmp_path) as new:
        (borrowed / "a" / "b").mkdir(parents=True)
        assert borrowed != new
        assert {len(borrowed.name), len(new.name)} == {16}
        assert borrowed.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == [new]


def test_a_borrowed_folder_is_removed_when_the_work_in_it_fails(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError), borrowed_folder(tmp_path) as folder:
        folder.mkdir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_held_is_left_alone(tmp_path: Path) -> None:
    with borrowed_folder(tmp_path) as borrowed, new_folder(tmp_path) as new:
        assert collect(tmp_path) == 0
        assert borrowed.is_dir()
    assert collect(tmp_path) == 1
    assert not new.exists()


def test_a_folder_in_a_record_stays_though_nobody_holds_it(tmp_path: Path) -> None:
    with new_folder(tmp_path) as kept, new_folder(tmp_path) as left:
        pass
    assert collect_left_behind(tmp_path, lambda: {kept.name}) == 1
    assert kept.is_dir()
    assert not left.exists()


def test_records_are_read_only_when_the_folders_are_held(tmp_path: Path) -> None:
    """Else a run that writes its record just now would lose its folder."""
    with new_folder(tmp_path) as folder:
        pass

    def recorded() -> Collection[str]:
        inner = collect_left_behind(tmp_path, none)
        assert inner == 0
        return {folder.name}

    assert collect_left_behind(tmp_path, recorded) == 0
    assert folder.is_dir()


def test_names_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / ("0" * 16)).touch()
    (tmp_path / ("1" * 16)).symlink_to(tmp_path / "mine")
    assert collect(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_what_an_agent_closed_is_removed_all_the_same(tmp_path: Path) -> None:
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


def test_a_place_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileTrouble, match="gone"):
        collect(tmp_path / "gone")
    with pytest.raises(FileTrouble, match="gone"), new_folder(tmp_path / "gone"):
        pass


@pytest.mark.crash
def test_what_a_killed_process_left_is_collected_and_not_before(tmp_path: Path) -> None:
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
            child.wait(timeout=30)
            child.stdin.close()
            child.stdout.close()
        assert collect(tmp_path) == 1
        assert list(tmp_path.iterdir()) == []


def test_who_makes_and_who_collects_do_not_race(tmp_path: Path) -> None:
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
        thread.join(timeout=120)
    done.set()
    sweeper.join(timeout=60)
    assert lost == []
    assert not any(tmp_path.iterdir())
