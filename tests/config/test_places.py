import subprocess
import sys
from pathlib import Path

import pytest

from attractor.config.places import (
    absolute,
    default_state_dir,
    find_project_root,
    shown,
    user_config_file,
)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a folder with two folders in it, above which no project lies."""
    folder = tmp_path.resolve() / "top"
    (folder / "a" / "b").mkdir(parents=True)
    return folder


def test_the_nearest_project_file_upward_marks_the_root(top: Path):
    (top / "attractor.toml").touch()
    (top / "a" / "attractor.toml").touch()
    assert find_project_root(top / "a" / "b") == top / "a"


def test_a_project_file_further_up_is_preferred_to_a_nearer_git_top(top: Path):
    (top / "attractor.toml").touch()
    (top / "a" / ".git").mkdir()
    assert find_project_root(top / "a" / "b") == top


def test_without_a_project_file_the_git_top_is_the_root(top: Path):
    (top / "a" / ".git").mkdir()
    assert find_project_root(top / "a" / "b") == top / "a"


def test_the_git_file_of_a_worktree_marks_a_git_top(top: Path):
    (top / ".git").mkdir()
    (top / "a" / ".git").write_text("gitdir: ../.git/worktrees/a\n")
    assert find_project_root(top / "a" / "b") == top / "a"


def test_without_either_the_folder_itself_is_the_root(top: Path):
    assert find_project_root(top / "a") == top / "a"


def test_a_file_stands_for_the_folder_it_lies_in_whether_or_not_it_is_there(top: Path):
    pipeline = top / "a" / "pipeline.dot"
    assert find_project_root(pipeline) == top / "a"
    pipeline.touch()
    assert find_project_root(pipeline) == top / "a"
    (top / "attractor.toml").touch()
    assert find_project_root(pipeline) == top


def test_two_dots_after_a_link_lead_where_the_link_leads(top: Path):
    (top / "far" / "deep").mkdir(parents=True)
    (top / "far" / "attractor.toml").touch()
    (top / "a" / "link").symlink_to(top / "far" / "deep")
    assert find_project_root(top / "a" / "link" / "..") == top / "far"


def test_a_pipeline_that_is_a_link_belongs_to_where_the_link_lies(top: Path):
    (top / "a" / "attractor.toml").touch()
    (top / "real.dot").touch()
    (top / "a" / "link.dot").symlink_to(top / "real.dot")
    assert find_project_root(top / "a" / "link.dot") == top / "a"


def test_links_in_a_circle_end(top: Path):
    (top / "a" / "loop").symlink_to(top / "a" / "loop")
    assert find_project_root(top / "a" / "loop") == top / "a"


def test_a_project_file_that_is_a_link_to_nothing_still_marks_the_root(top: Path):
    (top / "attractor.toml").symlink_to(top / "missing.toml")
    assert find_project_root(top / "a") == top


def test_the_users_places_are_in_the_folders_of_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert user_config_file() == tmp_path / "config" / "attractor" / "config.toml"
    assert default_state_dir() == tmp_path / "state" / "attractor"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
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
def test_paths_are_relative_to_where_they_are_written(path: str, expected: str):
    assert absolute(Path(path), base=Path("/base"), home="/home/me") == Path(expected)


def test_the_home_of_somebody_else_is_refused_rather_than_taken_for_a_folder():
    with pytest.raises(ValueError, match="~bob"):
        absolute(Path("~bob/runs"), base=Path("/base"), home="/home/me")


def test_without_a_home_the_tilde_is_refused():
    with pytest.raises(ValueError, match="HOME is not set"):
        absolute(Path("~/runs"), base=Path("/base"), home="")


def test_a_nul_character_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        absolute(Path("a\0b"), base=Path("/base"), home="")


@pytest.mark.parametrize(
    ("path", "told"), [("a/" + "é" * 128, "255 bytes"), ("a/" * 2049, "4095 bytes")]
)
def test_a_path_that_no_file_system_takes_is_refused(path: str, told: str):
    with pytest.raises(ValueError, match=told):
        absolute(Path(path), base=Path("/base"), home="")


def test_a_file_below_the_current_folder_is_shown_short():
    assert shown(Path("/shop/attractor.toml"), cwd=Path("/shop")) == "attractor.toml"
    assert shown(Path("/shop/attractor.toml"), cwd=Path("/shop/a")) == "/shop/attractor.toml"


def test_importing_the_places_does_not_import_pydantic():
    program = (
        "import sys, attractor.config.places; sys.exit(any('pydantic' in m for m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert done.returncode == 0
