from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.engine.attempt_folders import begin_attempt, folder_of_attempt
from attractor.engine.secrets import Redactor
from attractor.engine.stage_files import FolderFiles


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


def test_earlier_attempts_lie_in_the_history(folder: Path) -> None:
    for visit, number in [(1, 1), (1, 2), (2, 1)]:
        attempt(folder, visit, number)
    files = files_in(folder)
    assert files["response.md"] == "2.1"
    assert files["history/1.1/response.md"] == "1.1"
    assert files["history/1.2/response.md"] == "1.2"
    assert "history/1.2/status.json" in files


def test_an_interrupted_attempt_is_kept_apart(folder: Path) -> None:
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


def test_what_begins_while_another_is_at_work_has_its_place_in_the_history(folder: Path) -> None:
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
    # Whoever comes when the folder is free finds it so, and the past where it was.
    FolderFiles(folder, Redactor()).finish({"visit": 1, "attempt": 1})
    attempt(folder, 4, 1)
    files = files_in(folder)
    assert files["response.md"] == "4.1"
    assert files["history/1.1/prompt.md"] == "at work"
    assert files["history/3.1/response.md"] == "3.1"


def test_one_that_began_later_and_lies_in_the_folder_goes_to_its_own_place(folder: Path) -> None:
    attempt(folder, 3, 1)
    attempt(folder, 2, 2)
    assert (folder / "history" / "3.1" / "response.md").read_text() == "3.1"


def test_an_interrupted_attempt_that_was_aside_is_kept_apart_too(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    for _ in range(2):
        aside(folder, 2, 1, ends=False)
    aside(folder, 2, 1)
    assert sorted(one.name for one in (folder / "history").iterdir()) == [
        "2.1",
        "2.1.interrupted",
        "2.1.interrupted.2",
    ]


def test_a_history_that_is_a_link_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "history").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileTrouble):
        aside(folder, 2, 1)
    assert files_in(tmp_path / "elsewhere") == {}


def test_an_attempt_that_ended_is_found_wherever_it_lies(folder: Path) -> None:
    attempt(folder, 1, 1)
    attempt(folder, 2, 1)
    assert folder_of_attempt(folder, 1, 1) == folder / "history" / "1.1"
    assert folder_of_attempt(folder, 2, 1) == folder
    assert folder_of_attempt(folder, 2, 2) is None
    assert folder_of_attempt(folder / "other", 1, 1) is None
