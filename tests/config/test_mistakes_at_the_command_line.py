"""Errors of the configuration, printed by the real program."""

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
        (b"runs_dir = '\xff'\n", "attractor.toml:1:13: ", "save it as UTF-8"),
    ],
)
def test_error_in_the_project_file_has_place_and_hint(
    tmp_path: Path, data: bytes, place: str, remedy: str
) -> None:
    (tmp_path / "attractor.toml").write_bytes(data)
    message = told(tmp_path)
    assert message.startswith(place)
    assert f"({remedy}" in message


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
        ("ATTRACTOR_QQQ", "known: ATTRACTOR_STATE_DIR, "),
    ],
)
def test_error_in_a_variable_names_it_with_a_suggestion(
    tmp_path: Path, variable: str, remedy: str
) -> None:
    message = told(tmp_path, **{variable: "x"})
    assert message.startswith(f"{variable}: ")
    assert f"({remedy}" in message
