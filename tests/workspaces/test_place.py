"""The folder of the workspaces has a path that says nothing, and is nobody else's."""

import os
import stat
import threading
from pathlib import Path

import pytest

from attractor.workspaces.place import prepare_place, workspaces_of
from tests.counts import count


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
    told: list[str] = []
    return prepare_place(state, shared=shared, tell=told.append), told


def test_workspaces_lie_in_a_folder_of_ours_whose_path_says_nothing(
    state: Path, shared: Path
) -> None:
    place, told = prepare(state, shared)
    (target,) = shared.iterdir()
    assert (place, told) == (state / "workspaces", [])
    assert place.resolve() == target
    assert len(target.name) == 16
    assert int(target.name, 16) >= 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert prepare(state, shared) == (place, [])
    assert list(shared.iterdir()) == [target]


def test_every_state_folder_has_a_place_of_its_own(state: Path, shared: Path) -> None:
    other = state.parent / "other"
    other.mkdir()
    assert prepare(state, shared)[0].resolve() != prepare(other, shared)[0].resolve()


def test_a_folder_that_is_gone_is_made_anew_under_another_name(state: Path, shared: Path) -> None:
    gone = prepare(state, shared)[0].resolve()
    gone.rmdir()
    place, told = prepare(state, shared)
    assert place.resolve() != gone
    assert place.is_dir()
    assert told == [f"{gone}, where the workspaces lay, is gone: runs get their files anew."]


@pytest.mark.parametrize("what", ["file", "link"])
def test_what_others_put_in_its_place_is_not_used(what: str, state: Path, shared: Path) -> None:
    ours = prepare(state, shared)[0].resolve()
    ours.rmdir()
    trap = shared / "trap"
    trap.mkdir()
    ours.touch() if what == "file" else ours.symlink_to(trap)
    place, told = prepare(state, shared)
    assert place.resolve() not in (ours, trap)
    assert told == [f"{ours}, where the workspaces lay, is no folder: runs get their files anew."]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_not_used(state: Path, shared: Path) -> None:
    ours = prepare(state, shared)[0].resolve()
    os.chown(ours, 12345, 12345)
    place, told = prepare(state, shared)
    assert place.resolve() != ours
    assert "belongs to somebody else" in told[0]


def test_a_folder_that_was_opened_to_others_is_closed(state: Path, shared: Path) -> None:
    place, _ = prepare(state, shared)
    place.resolve().chmod(0o755)
    prepare(state, shared)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def told_of_a_fallback(state: Path, shared: Path) -> str:
    place, told = prepare(state, shared)
    assert place.is_dir()
    assert not place.is_symlink()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    (sentence,) = told
    assert sentence.startswith(
        f"Workspaces lie in {place}, and tools in a sandbox can see that path: "
    )
    return sentence


def test_without_a_shared_folder_they_lie_in_the_state_folder_and_that_is_said(
    state: Path, shared: Path
) -> None:
    missing = shared / "none"
    assert f"{missing}: No such file or directory." in told_of_a_fallback(state, missing)
    # It is said every time, and mended as soon as it can be.
    told_of_a_fallback(state, missing)
    assert prepare(state, shared)[1] == []
    assert workspaces_of(state).is_symlink()


def test_where_others_could_replace_it_none_is_made(state: Path, shared: Path) -> None:
    shared.chmod(0o777)
    assert f"in {shared} others can replace what is ours." in told_of_a_fallback(state, shared)
    assert list(shared.iterdir()) == []


def test_a_file_instead_of_the_shared_folder_is_said(state: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in told_of_a_fallback(state, tmp_path / "file")


def test_workspaces_that_lie_in_the_state_folder_stay_and_that_is_said(
    state: Path, shared: Path
) -> None:
    (state / "workspaces" / "1234").mkdir(parents=True)
    state.joinpath("workspaces").chmod(0o700)
    assert "workspaces lie there already" in told_of_a_fallback(state, shared)
    assert (state / "workspaces" / "1234").is_dir()


def test_all_who_begin_at_once_come_to_the_same_place(state: Path, shared: Path) -> None:
    for _ in range(count(ci=5, full=100)):
        found: list[Path] = []
        begin = threading.Barrier(8)

        def one(found: list[Path] = found, begin: threading.Barrier = begin) -> None:
            begin.wait(timeout=30)
            found.append(prepare(state, shared)[0].resolve())

        threads = [threading.Thread(target=one) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert len(found) == 8
        assert set(found) == set(shared.iterdir())
        found[0].rmdir()
