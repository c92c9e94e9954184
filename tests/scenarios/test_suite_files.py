"""The files of a suite."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.scenarios import suite_files
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.suite_files import MOST_BYTES, list_suite_files, read_suite_file
from attractor.scenarios.suite_reader import read_suite
from tests.scenarios.suites import SCENARIO, write_files, write_suite


def test_misnamed_scenario_file_is_refused_with_the_expected_name(tmp_path: Path) -> None:
    text = SCENARIO.format(id="other", story="Bob adds.")
    for name, hint in (
        ("holdout/other.toml", "holdout/other.scenario.toml"),
        ("train/other.Scenario.toml", "train/other.scenario.toml"),
        ("holdout/other_scenario.toml", "holdout/other.scenario.toml"),
        ("holdout/other.scenario.tml", "holdout/other.scenario.toml"),
        ("holdout/other.scenario", "holdout/other.scenario.toml"),
        ("other.scenario.toml", "move it to holdout/other.scenario.toml"),
        ("holdouts/other.scenario.toml", "move it to holdout/other.scenario.toml"),
    ):
        folder = write_suite(tmp_path / name.replace("/", "-"))
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        with pytest.raises(InvalidSuite) as caught:
            read_suite(folder)
        assert caught.value.message.startswith(f"{folder / name}: ")
        assert caught.value.hint.endswith(hint)


def test_only_known_files_are_allowed_in_a_suite(tmp_path: Path) -> None:
    for path, message, hint in (
        ("holdout/data.json", "only scenarios are allowed in holdout/", "move it to fixtures/"),
        (
            "train/more/a.toml",
            "unknown file in a suite",
            "known: suite.toml, README.md, requirements.toml, train/",
        ),
        ("notes.md", "unknown file in a suite", "move it to fixtures/"),
        ("Fixtures/a.json", "unknown file in a suite", "fixtures/"),
    ):
        folder = write_files(write_suite(tmp_path / path.replace("/", "-")), {path: "{}"})
        with pytest.raises(InvalidSuite) as caught:
            read_suite(folder)
        assert caught.value.message == f"{folder / path}: {message}"
        assert hint in caught.value.hint
    known = write_suite(tmp_path / "fine")
    left = f"holdout/.attractor-12-{'0' * 16}.tmp"
    for path in (left, "README.md", "suite.lock.json", "checks/lib/a.py", "train/.gitkeep"):
        write_files(known, {path: ""})
    assert read_suite(known)


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
def test_unknown_file_in_a_suite_is_refused_in_every_folder(
    place: str, make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    folder = write_suite(tmp_path / "s")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).unlink(missing_ok=True)
    make(folder / place)
    with pytest.raises(InvalidSuite, match=f"{place} {words}"):
        read_suite(folder)
    # Also if it replaced a regular file a moment ago.
    with pytest.raises((InvalidSuite, FileError)):
        read_suite_file(folder / place)


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
    found = {one.path: one.is_executable for one in list_suite_files(tmp_path)}
    assert found == {"a/b/run.sh": True, "top": False}


def test_too_many_and_too_large_files_together_are_refused(tmp_path: Path) -> None:
    for number in range(suite_files.MOST_BYTES_TOGETHER // MOST_BYTES + 1):
        with (tmp_path / f"{number}").open("wb") as file:
            file.truncate(MOST_BYTES)
    with pytest.raises(InvalidSuite, match="exceed 256 MiB"):
        list_suite_files(tmp_path)
    for file in tmp_path.iterdir():
        file.unlink()
    for number in range(suite_files.MOST_FILES + 1):
        (tmp_path / f"{number}").touch()
    with pytest.raises(InvalidSuite, match="contains more than 10000 files"):
        list_suite_files(tmp_path)
