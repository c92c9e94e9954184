from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble, UsageError
from attractor.base.json import parse_json
from attractor.engine.attempt_folders import begin_attempt
from attractor.engine.errors import StageOver
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


def test_files_are_redacted_and_written_whole(folder: Path) -> None:
    files = FolderFiles(folder, Redactor(["password"]))
    files.write("a.txt", "my password")
    files.append("log.txt", "one password")
    files.append("log.txt", "two \ud800")
    assert files_in(folder) == {"a.txt": "my ***", "log.txt": "one ***\ntwo \\ud800\n"}


def test_the_middle_of_a_long_text_is_left_out(folder: Path) -> None:
    FolderFiles(folder, Redactor(), largest=100).write("a.txt", "ü" * 500)
    text = (folder / "a.txt").read_text()
    assert text.startswith("üüü")
    assert "900 bytes left out" in text
    assert len(text.encode()) < 150


def test_a_full_file_says_so_once(folder: Path) -> None:
    files = FolderFiles(folder, Redactor(), largest=60)
    for _ in range(50):
        files.append("log.txt", "x" * 20)
    lines = (folder / "log.txt").read_text().splitlines()
    assert lines == ["x" * 20, "x" * 20, "[full: what came after was left out]"]


@pytest.mark.parametrize(
    "name", ["status.json", "history", "a/b", "../a", "", ".hidden", ".", ".."]
)
def test_only_plain_names_are_taken(folder: Path, name: str) -> None:
    with pytest.raises(UsageError):
        FolderFiles(folder, Redactor()).write(name, "x")


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (folder / "a.txt").symlink_to(outside)
    (folder / "log.txt").symlink_to(outside)
    files = FolderFiles(folder, Redactor())
    files.write("a.txt", "theirs")
    with pytest.raises(FileTrouble):
        files.append("log.txt", "theirs")
    assert outside.read_text() == "mine"


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").symlink_to("elsewhere")
    with pytest.raises(FileTrouble):
        begin_attempt(tmp_path / "work", 1, 1)
    with pytest.raises(FileTrouble):
        FolderFiles(tmp_path / "work", Redactor()).write("a.txt", "x")
    assert files_in(tmp_path / "elsewhere") == {}


def test_a_stage_that_is_over_writes_nothing(folder: Path) -> None:
    files = FolderFiles(folder, Redactor())
    files.close()
    with pytest.raises(StageOver):
        files.write("a.txt", "late")
    with pytest.raises(StageOver):
        files.append("a.txt", "late")


def test_the_status_is_redacted_too(folder: Path) -> None:
    FolderFiles(folder, Redactor(["password"])).finish({"notes": "the password"})
    assert parse_json((folder / "status.json").read_text()) == {"notes": "the ***"}
