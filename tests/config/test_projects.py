from pathlib import Path

import pytest

from attractor.config.projects import PROJECT_FILE, find_project_root, project_file
from tests.pipeline.projects import git
from tests.repositories import begin_repository


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a folder with two nested folders, outside of any project."""
    folder = tmp_path.resolve() / "top"
    (folder / "a" / "b").mkdir(parents=True)
    return folder


def test_the_nearest_project_file_upward_marks_the_root(top: Path):
    (top / "attractor.toml").touch()
    (top / "a" / "attractor.toml").touch()
    assert find_project_root(top / "a" / "b") == top / "a"


def test_project_file_above_wins_over_a_nearer_git_folder(top: Path):
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


def test_folder_is_the_root_without_project_file_and_git(top: Path):
    assert find_project_root(top / "a") == top / "a"


def test_missing_file_belongs_to_its_folder(top: Path):
    pipeline = top / "a" / "pipeline.dot"
    assert find_project_root(pipeline) == top / "a"
    pipeline.touch()
    assert find_project_root(pipeline) == top / "a"
    (top / "attractor.toml").touch()
    assert find_project_root(pipeline) == top


def test_parent_of_a_link_is_that_of_its_target(top: Path):
    (top / "far" / "deep").mkdir(parents=True)
    (top / "far" / "attractor.toml").touch()
    (top / "a" / "link").symlink_to(top / "far" / "deep")
    assert find_project_root(top / "a" / "link" / "..") == top / "far"


def test_linked_pipeline_belongs_to_the_folder_of_the_link(top: Path):
    (top / "a" / "attractor.toml").touch()
    (top / "real.dot").touch()
    (top / "a" / "link.dot").symlink_to(top / "real.dot")
    assert find_project_root(top / "a" / "link.dot") == top / "a"


def test_links_in_a_circle_end(top: Path):
    (top / "a" / "loop").symlink_to(top / "a" / "loop")
    assert find_project_root(top / "a" / "loop") == top / "a"


def test_broken_link_marks_the_root(top: Path):
    (top / "attractor.toml").symlink_to(top / "missing.toml")
    assert find_project_root(top / "a") == top


@pytest.mark.parametrize(("branch", "is_main"), [("attractor/one", True), ("feature", False)])
def test_settings_in_a_worktree_of_agents_are_those_of_the_main_checkout(
    tmp_path: Path, branch: str, is_main: bool
) -> None:
    main, worktree = tmp_path / "main", tmp_path / "one"
    main.mkdir()
    begin_repository(main)
    (main / PROJECT_FILE).write_text("")
    git(main, "add", "--all")
    git(main, "commit", "--quiet", "--message", "Begin")
    git(main, "worktree", "add", "--quiet", "-b", branch, str(worktree))
    assert project_file(worktree) == (main if is_main else worktree) / PROJECT_FILE
    assert project_file(main) == main / PROJECT_FILE
