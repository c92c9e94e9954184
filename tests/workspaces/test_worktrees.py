"""Linked worktrees: made sparse, compared, merged or lost."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.workspaces.errors import GitFailed
from attractor.workspaces.git.repository import open_repository
from attractor.workspaces.worktrees import LinkedWorktree
from tests.tables import table
from tests.workspaces.projects import AUTHOR, SEARCH_PATH, git, write

Change = Callable[[Path, Path], None]
"""Changes a repository and the folder of a worktree."""


def make(folder: Path) -> LinkedWorktree:
    """Return a new worktree of a new repository whose project is a subfolder."""
    top = folder / "repository"
    write(top, {"app/a.txt": "a\n", "app/scenarios/one.toml": "hidden\n", ".gitignore": ".env\n"})
    git(top, "init", "--quiet", "--initial-branch=main")
    commit(top)
    project = top / "app"
    worktree = LinkedWorktree(
        repository=asyncio.run(open_repository(project, search_path=SEARCH_PATH)),
        top=folder / "worktrees" / "side",
        branch="side",
        base=git(top, "rev-parse", "HEAD"),
        base_branch="main",
        environ={"PATH": os.environ["PATH"], "HOME": str(folder)},
        author=AUTHOR,
        scratch=folder,
    )
    said: list[str] = []
    asyncio.run(worktree.make(project, said.append))
    assert "extensions.worktreeConfig" in said[0]
    return worktree


def commit(folder: Path, **files: str) -> None:
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Change")


async def changed_paths(worktree: LinkedWorktree) -> list[bytes]:
    async with worktree.compared() as (store, since, until):
        return [change.path for change in await store.changes(since, until)]


def test_worktree_is_sparse_and_its_candidate_lacks_scenarios(tmp_path: Path) -> None:
    worktree = make(tmp_path)
    assert [*(worktree.top / "app").iterdir()] == [worktree.top / "app" / "a.txt"]
    write(worktree.top, {"app/new.txt": "new\n", "app/.env": "KEY=1\n"})
    assert asyncio.run(changed_paths(worktree)) == [b"app/new.txt"]
    assert asyncio.run(worktree.ignored_files()) == ["app/.env"]

    async def candidate() -> tuple[list[bytes], str]:
        async with worktree.candidate() as (store, tree, base):
            return sorted(await store.files_of(tree)), base

    files = [b".gitignore", b"app/a.txt", b"app/new.txt"]
    assert asyncio.run(candidate()) == (files, worktree.base)


def test_branch_is_merged_with_its_first_commit_on_the_branch_it_was_made_from(
    tmp_path: Path,
) -> None:
    worktree = make(tmp_path)
    seen = [asyncio.run(worktree.is_merged())]
    commit(worktree.top, one="1")
    seen.append(asyncio.run(worktree.is_merged()))
    git(tmp_path / "repository", "merge", "--quiet", "side")
    seen.append(asyncio.run(worktree.is_merged()))
    assert seen == [False, False, True]


def unchanged(main: Path, top: Path) -> None:
    """Change nothing."""


def merged(main: Path, top: Path) -> None:
    commit(top, new="new\n")
    git(main, "merge", "--quiet", "--no-ff", "side")


def squashed(main: Path, top: Path) -> None:
    commit(top, new="1\n")
    commit(top, new="2\n")
    git(main, "merge", "--quiet", "--squash", "side")
    commit(main)


def uncommitted(main: Path, top: Path) -> None:
    (top / "new").write_text("new\n")


def unmerged(main: Path, top: Path) -> None:
    commit(top, new="new\n")


def merging(main: Path, top: Path) -> None:
    commit(main, other="other\n")
    git(top, "merge", "--quiet", "--no-ff", "--no-commit", "main")


@table(
    ("change", "loss"),
    [
        (unchanged, ""),
        (merged, ""),
        (squashed, ""),
        (uncommitted, "uncommitted changes"),
        (unmerged, "commits on side only"),
        (merging, "a merge is not complete"),
    ],
)
def test_loss_is_named(tmp_path: Path, change: Change, loss: str) -> None:
    worktree = make(tmp_path / "here")
    change(tmp_path / "here" / "repository", worktree.top)
    assert asyncio.run(worktree.loss()) == loss


def test_repository_that_replaced_the_link_is_not_opened(tmp_path: Path) -> None:
    worktree = make(tmp_path)
    (worktree.top / ".git").unlink()
    git(worktree.top, "init", "--quiet")
    with pytest.raises(GitFailed, match="no link to the repository"):
        asyncio.run(worktree.loss())
