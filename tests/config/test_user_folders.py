import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.config.user_folders import (
    absolute,
    default_state_dir,
    path_of_variable,
    shown,
    user_config_file,
    variable_name,
)
from tests.cli.running import ROOT
from tests.tables import table


def test_user_folders_follow_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert user_config_file() == tmp_path / "config" / "attractor" / "config.toml"
    assert default_state_dir() == tmp_path / "state" / "attractor"
    assert not list(tmp_path.iterdir())


def test_tests_ignore_the_settings_and_the_state_of_the_person(tmp_path: Path) -> None:
    own = {f"XDG_{name}_HOME": str(tmp_path) for name in ("CONFIG", "STATE", "DATA")}
    read = "import tests.conftest; from attractor.config.user_folders import *; "
    shown = "print(user_config_file(), default_state_dir())"
    done = subprocess.run(
        [sys.executable, "-c", read + shown],
        cwd=ROOT,
        env={**os.environ, **own, "HOME": "/home/me"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path) not in done.stdout
    assert done.stdout.count("/home/me") == 2


@table(
    ("path", "expected"),
    [
        ("runs", "/base/runs"),
        ("../runs", "/base/../runs"),
        (".", "/base"),
        ("/runs", "/runs"),
        ("~", "/home/me"),
        ("~/runs", "/home/me/runs"),
        ("runs/~", "/base/runs/~"),
    ],
)
def test_paths_are_relative_to_their_source(path: str, expected: str):
    assert absolute(Path(path), base=Path("/base"), home="/home/me") == Path(expected)


def test_invalid_paths_are_refused() -> None:
    with pytest.raises(ValueError, match="~bob"):
        absolute(Path("~bob/runs"), base=Path("/base"), home="/home/me")
    with pytest.raises(ValueError, match="HOME is not set"):
        absolute(Path("~/runs"), base=Path("/base"), home="")
    with pytest.raises(ValueError, match="NUL"):
        absolute(Path("a\0b"), base=Path("/base"), home="")


@table(("path", "message"), [("a/" + "é" * 128, "255 bytes"), ("a/" * 2049, "4095 bytes")])
def test_too_long_path_is_refused(path: str, message: str):
    with pytest.raises(ValueError, match=message):
        absolute(Path(path), base=Path("/base"), home="")


def test_file_in_the_current_folder_is_shown_relative():
    assert shown(Path("/shop/attractor.toml"), cwd=Path("/shop")) == "attractor.toml"
    assert shown(Path("/shop/attractor.toml"), cwd=Path("/shop/a")) == "/shop/attractor.toml"


def test_user_folders_do_not_import_pydantic():
    program = (
        "import sys, attractor.config.user_folders; "
        "sys.exit(any('pydantic' in name for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0


NAMES = st.from_regex(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", fullmatch=True)


@given(st.lists(NAMES, min_size=1, max_size=4).map(tuple))
def test_the_variable_of_a_setting_names_that_setting(path: tuple[str, ...]):
    assert path_of_variable(variable_name(path)) == path


def test_variables_are_upper_case() -> None:
    assert variable_name(("doctor", "min_free_mb")) == "ATTRACTOR_DOCTOR__MIN_FREE_MB"
    assert path_of_variable("ATTRACTOR_Runs_dir") != ("runs_dir",)
