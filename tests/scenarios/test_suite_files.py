"""A folder that holds more than a suite may is refused before anything in it is read."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.scenarios import suite_files
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.reading import read_suite
from attractor.scenarios.suite_files import MOST_BYTES, files_of, read_file
from tests.scenarios.suites import write_suite


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def outside(path: Path) -> None:
    path.symlink_to(path.parent.parent.parent / "elsewhere")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)


@pytest.mark.parametrize(
    "place", ["suite.toml", "holdout/a.scenario.toml", "holdout/fixture", "train/b.scenario.toml"]
)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (endless, "is a link"),
        (outside, "is a link"),
        (os.mkfifo, "is a pipe"),
        (listening, "is a socket"),
        (large, "is larger than 16 MiB"),
    ],
)
def test_what_is_no_file_of_a_suite_is_refused_wherever_it_lies(
    place: str, make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    folder = write_suite(tmp_path / "s")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).unlink(missing_ok=True)
    make(folder / place)
    with pytest.raises(InvalidSuite, match=f"{place} {words}"):
        read_suite(folder)
    # Also when it takes the place of a file that was there a moment ago.
    with pytest.raises((InvalidSuite, FileTrouble)):
        read_file(folder / place)


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    write_suite(tmp_path / "other")
    folder = write_suite(tmp_path / "suite")
    (folder / "train").symlink_to(tmp_path / "other" / "holdout")
    with pytest.raises(InvalidSuite, match="train is a link"):
        read_suite(folder)


def test_every_file_is_found_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "run.sh").write_text("true")
    (tmp_path / "a" / "b" / "run.sh").chmod(0o755)
    (tmp_path / "top").write_text("x")
    found = {one.path: one.is_executable for one in files_of(tmp_path)}
    assert found == {"a/b/run.sh": True, "top": False}


def test_too_many_and_too_large_files_together_are_refused(tmp_path: Path) -> None:
    for number in range(suite_files.MOST_BYTES_TOGETHER // MOST_BYTES + 1):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(MOST_BYTES)
    with pytest.raises(InvalidSuite, match="are more than 256 MiB"):
        files_of(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    for number in range(suite_files.MOST_FILES + 1):
        (tmp_path / f"{number}").touch()
    with pytest.raises(InvalidSuite, match="holds more than 10000 files"):
        files_of(tmp_path)


def test_words_longer_than_people_write_are_refused(tmp_path: Path) -> None:
    folder = write_suite(tmp_path, suite="#" * 1_000_001)
    with pytest.raises(InvalidSuite, match=r"suite\.toml is larger than 1000000 bytes"):
        read_suite(folder)
