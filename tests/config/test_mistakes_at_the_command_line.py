"""What a person who made a mistake in the configuration reads, from the real program."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.running import attractor


def told(folder: Path, **variables: str) -> str:
    """Return the one message of a command that reads the configuration and ends with 2."""
    result: subprocess.CompletedProcess[str] = attractor("runs", folder=folder, variables=variables)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("data", "place", "remedy"),
    [
        (b"rums_dir = 'x'\n", "attractor.toml:1: ", "did you mean runs_dir?"),
        (b"\nruns_dir = 3\n", "attractor.toml:2: ", "fix the value"),
        (b"runs_dir = 'a'\nruns_dir = 'b'\n", "attractor.toml:2:15: ", "remove one of the two"),
        (b"\xef\xbb\xbfruns_dir = 'a'\n", "attractor.toml:1:1: ", "save it as UTF-8 without"),
        (b"runs_dir = 'a'\r\nzzzz = 1\r\n", "attractor.toml:2: ", "known: "),
        (b"runs_dir = 'a\0b'\n", "attractor.toml:1:14: ", "fix the file"),
        (b"runs_dir = '\xff'\n", "attractor.toml:1:13: ", "save it as UTF-8"),
        pytest.param(
            b"#" * 10_000_000, "attractor.toml: ", "check that it is the configuration", id="10 MB"
        ),
    ],
)
def test_error_in_the_project_file_has_place_and_hint(
    tmp_path: Path, data: bytes, place: str, remedy: str
) -> None:
    (tmp_path / "attractor.toml").write_bytes(data)
    message = told(tmp_path)
    assert message.startswith(place)
    assert f"({remedy}" in message


def test_windows_line_endings_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").write_bytes(b"runs_dir = 'a'\r\n[output]\r\ncolor = 'never'\r\n")
    assert attractor("runs", folder=tmp_path).returncode == 0


def test_folder_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "attractor.toml").mkdir()
    assert told(tmp_path).startswith("attractor.toml: cannot be read: Is a directory (")


def test_error_in_the_user_file_has_its_full_path(tmp_path: Path) -> None:
    file, folder = tmp_path / "config" / "attractor" / "config.toml", tmp_path / "elsewhere"
    file.parent.mkdir(parents=True)
    folder.mkdir()
    file.write_text("\nruns_dir = \n")
    message = told(folder, XDG_CONFIG_HOME=str(tmp_path / "config"))
    assert message.startswith(f"{file}:2:12: invalid TOML: Invalid value (")


@pytest.mark.parametrize(
    ("variable", "remedy"),
    [
        ("ATTRACTOR_RUNS_DIRS", "did you mean ATTRACTOR_RUNS_DIR?"),
        ("ATTRACTOR_OUTPUT_COLOR", "did you mean ATTRACTOR_OUTPUT__COLOR?"),
        ("ATTRACTOR_TOKENS", "did you mean ATTRACTOR_TOKEN?"),
        ("ATTRACTOR_OUTPUT__COLOR", "fix the value"),
        ("ATTRACTOR_QQQ", "known: ATTRACTOR_STATE_DIR, "),
    ],
)
def test_error_in_a_variable_names_it_with_a_suggestion(
    tmp_path: Path, variable: str, remedy: str
) -> None:
    message = told(tmp_path, **{variable: "x"})
    assert message.startswith(f"{variable}: ")
    assert f"({remedy}" in message


def test_impossible_path_is_an_invalid_setting(tmp_path: Path) -> None:
    message = told(tmp_path, ATTRACTOR_RUNS_DIR="x" * 256)
    assert message.startswith("ATTRACTOR_RUNS_DIR: runs_dir = ")
    assert len(message) < 300
    assert (
        attractor("runs", folder=tmp_path, variables={"ATTRACTOR_RUNS_DIR": "x" * 255}).returncode
        == 0
    )
