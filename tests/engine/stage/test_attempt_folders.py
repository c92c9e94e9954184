"""Folders of attempts: the newest attempt of a node, and its history."""

from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.engine.stage.folder import FolderFiles, begin_attempt, folder_of_attempt
from attractor.engine.storage.secrets import Redactor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    begin_attempt(tmp_path / "work", 1, 1)
    return tmp_path / "work"


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()
    }


def attempt(folder: Path, visit: int, number: int, *, ends: bool = True) -> None:
    begin_attempt(folder, visit, number)
    files = FolderFiles(folder, Redactor())
    files.write("response.md", f"{visit}.{number}")
    if ends:
        files.finish({"visit": visit, "attempt": number})


def test_interrupted_attempt_is_moved_to_the_history(folder: Path) -> None:
    attempt(folder, 1, 1)
    attempt(folder, 1, 2, ends=False)
    attempt(folder, 1, 2, ends=False)
    attempt(folder, 1, 2)
    attempt(folder, 1, 2)
    files = {name: text for name, text in files_in(folder).items() if name.endswith(".md")}
    assert files == {
        "response.md": "1.2",
        "history/1.1/response.md": "1.1",
        "history/1.2.interrupted/response.md": "1.2",
        "history/1.2.interrupted.2/response.md": "1.2",
        "history/1.2.interrupted.3/response.md": "1.2",
    }


@pytest.mark.parametrize("status", ["nonsense", "{}"])
def test_attempt_with_corrupt_status_counts_as_interrupted(folder: Path, status: str) -> None:
    attempt(folder, 1, 1)
    (folder / "status.json").write_text(status)
    begin_attempt(folder, 1, 2)
    assert "history/1.2.interrupted/response.md" in files_in(folder)


def test_a_move_that_was_cut_off_is_finished(folder: Path) -> None:
    attempt(folder, 1, 1)
    FolderFiles(folder, Redactor()).write("prompt.md", "ask")
    past = folder / "history" / "1.1"
    past.mkdir(parents=True)
    (folder / "response.md").rename(past / "response.md")
    begin_attempt(folder, 1, 2)
    assert sorted(files_in(folder)) == [
        "history/1.1/prompt.md",
        "history/1.1/response.md",
        "history/1.1/status.json",
    ]


def aside(folder: Path, visit: int, number: int, *, ends: bool = True) -> Path:
    own = begin_attempt(folder, visit, number, is_aside=True)
    files = FolderFiles(own, Redactor())
    files.write("response.md", f"{visit}.{number}")
    if ends:
        files.finish({"visit": visit, "attempt": number})
    return own


def test_concurrent_attempt_writes_to_history(folder: Path) -> None:
    FolderFiles(folder, Redactor()).write("prompt.md", "at work")
    assert aside(folder, 2, 1) == folder / "history" / "2.1"
    assert aside(folder, 3, 1) == folder / "history" / "3.1"
    assert sorted(files_in(folder)) == [
        "history/2.1/response.md",
        "history/2.1/status.json",
        "history/3.1/response.md",
        "history/3.1/status.json",
        "prompt.md",
    ]
    # The next attempt takes the folder once it is free; the history stays in its place.
    FolderFiles(folder, Redactor()).finish({"visit": 1, "attempt": 1})
    attempt(folder, 4, 1)
    files = files_in(folder)
    assert files["response.md"] == "4.1"
    assert files["history/1.1/prompt.md"] == "at work"
    assert files["history/3.1/response.md"] == "3.1"


def test_later_attempt_in_folder_moves_to_its_history(folder: Path) -> None:
    attempt(folder, 3, 1)
    attempt(folder, 2, 2)
    assert (folder / "history" / "3.1" / "response.md").read_text() == "3.1"


def test_interrupted_attempt_aside_is_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    for _ in range(2):
        aside(folder, 2, 1, ends=False)
    aside(folder, 2, 1)
    assert sorted(one.name for one in (folder / "history").iterdir()) == [
        "2.1",
        "2.1.interrupted",
        "2.1.interrupted.2",
    ]


def test_linked_history_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "history").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError):
        aside(folder, 2, 1)
    assert files_in(tmp_path / "elsewhere") == {}


def test_ended_attempt_is_found_in_every_place(folder: Path) -> None:
    attempt(folder, 1, 1)
    attempt(folder, 2, 1)
    assert folder_of_attempt(folder, 1, 1) == folder / "history" / "1.1"
    assert folder_of_attempt(folder, 2, 1) == folder
    assert folder_of_attempt(folder, 2, 2) is None
    assert folder_of_attempt(folder / "other", 1, 1) is None
