""""""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.workspaces.checkouts import StageTree, move_branch, write_run_branch
from attractor.workspaces.errors import BranchMoved, CheckoutInTheWay, GitFailed
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.workspaces.projects import AUTHOR, RUN, Project, age, contents, everything, git, write

Made = tuple[TrackedFolder, str, str]


async def make_commit(project: Project, change: Callable[[Path], None]) -> Made:
    """Return a workspace, its base commit, and a commit on top that changes something."""
    workspace = await project.workspace()
    change(workspace.folder)
    stage = StageTree("a change", await workspace.snapshot("one"), AUTHOR)
    branch = await write_run_branch(
        await project.repository(),
        workspace.store,
        run_id=RUN,
        base=workspace.base,
        stages=[stage],
        excluded=workspace.excluded,
    )
    return workspace, workspace.base.commit, branch.commit


async def move(project: Project, made: Made, branch: str = "main") -> None:
    workspace, old, new = made
    repository = await project.repository()
    await move_branch(repository, workspace.store, branch=branch, old=old, new=new)


def some_changes(folder: Path) -> None:
    write(folder, {"todo.py": "better\n", "new/er/file": "new\n"})
    (folder / "docs/read me.txt").unlink()
    (folder / "link").unlink()
    (folder / "link").symlink_to("tool")
    (folder / "tool").chmod(0o644)


def fingerprint(project: Project) -> tuple[str, str]:
    return everything(project.folder / ".git/refs"), everything_but_git(project.folder)


def everything_but_git(folder: Path) -> str:
    return repr(sorted(contents(folder).items()))


def test_branch_without_a_checkout_is_moved(project: Project) -> None:
    git(project.folder, "branch", "target")
    made = asyncio.run(make_commit(project, some_changes))
    before = everything_but_git(project.folder)
    asyncio.run(move(project, made, "target"))
    assert project.head("target") == made[2]
    assert project.head() == made[1]
    assert everything_but_git(project.folder) == before
    assert git(project.folder, "status", "--porcelain") == ""


def test_a_clean_checkout_moves_with_its_files(project: Project) -> None:
    write(project.folder, {"untracked": "mine", "x.log": "mine"})
    made = asyncio.run(make_commit(project, some_changes))
    same = age(project.folder / ".gitignore")
    asyncio.run(move(project, made))
    assert project.head() == made[2]
    assert git(project.folder, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(project.folder, "status", "--porcelain") == "?? untracked"
    assert (project.folder / "new/er/file").read_text() == "new\n"
    assert not (project.folder / "docs").exists()
    assert (project.folder / "scenarios/todo/holdout/one.scenario.toml").exists()
    assert age(project.folder / ".gitignore") == same
    assert git(project.folder, "log", "-1", "-g", "--format=%gs", "main") == "attractor: promote"


def test_a_linked_work_tree_moves_too(project: Project) -> None:
    linked = project.state.with_name("linked")
    git(project.folder, "worktree", "add", "-q", "-b", "target", str(linked))
    made = asyncio.run(make_commit(project, some_changes))
    asyncio.run(move(project, made, "target"))
    assert git(linked, "status", "--porcelain") == ""
    assert (linked / "todo.py").read_text() == "better\n"
    assert (project.folder / "todo.py").read_text() == "print('todo')\n"
    assert git(project.folder, "status", "--porcelain") == ""


def test_a_branch_that_moved_meanwhile_is_refused(project: Project) -> None:
    made = asyncio.run(make_commit(project, some_changes))
    write(project.folder, {"mine": "mine"})
    project.commit("mine")
    before = fingerprint(project)
    with pytest.raises(BranchMoved, match="not at the base commit") as refused:
        asyncio.run(move(project, made))
    assert (refused.value.exit_code, "current commit" in refused.value.hint) == (
        ExitCode.REFUSED,
        True,
    )
    with pytest.raises(BranchMoved, match="does not exist"):
        asyncio.run(move(project, made, "nobody"))
    assert fingerprint(project) == before


def _stage(folder: Path) -> None:
    write(folder, {"staged": "x"})
    git(folder, "add", "staged")


def _stage_and_take_back(folder: Path) -> None:
    old = (folder / "todo.py").read_bytes()
    write(folder, {"todo.py": "staged only"})
    git(folder, "add", "todo.py")
    write(folder, {"todo.py": old})


def _merge_with_conflict(folder: Path) -> None:
    ids = [git(folder, "hash-object", "-w", "--stdin", stdin=text) for text in (b"1", b"2")]
    lines = "".join(f"100644 {one} {stage}\ttodo.py\n" for stage, one in enumerate(ids, 2))
    git(folder, "update-index", "--index-info", stdin=f"0 {'0' * 40}\ttodo.py\n{lines}".encode())


def _link_a_folder_elsewhere(folder: Path) -> None:
    (folder / "build").rename(folder / "elsewhere")
    (folder / "build").symlink_to("elsewhere")


_DIRTY: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: write(folder, {"todo.py": "mine\n"}), "todo.py"),
    (lambda folder: write(folder, {".gitignore": "mine\n"}), ".gitignore"),
    (lambda folder: (folder / "todo.py").unlink(), "todo.py"),
    (lambda folder: (folder / ".gitignore").chmod(0o755), ".gitignore"),
    (lambda folder: write(folder, {"new/er/file": "mine, untracked\n"}), "new/er/file"),
    (lambda folder: write(folder, {"new/er/file/x": "mine"}), "new/er/file/x"),
    (lambda folder: write(folder, {"new": "mine, untracked\n"}), "new"),
    (lambda folder: (folder / "new").symlink_to("docs"), "new"),
    (lambda folder: os.mkfifo(folder / "new"), "new"),
    (_link_a_folder_elsewhere, "build/kept.txt"),
    (_stage, "staged"),
    (_stage_and_take_back, "todo.py"),
    (_merge_with_conflict, "todo.py"),
]


@pytest.mark.parametrize(("dirty", "named"), _DIRTY)
def test_dirty_checkout_is_rejected_unchanged(
    project: Project, dirty: Callable[[Path], object], named: str
) -> None:
    made = asyncio.run(make_commit(project, some_changes))
    dirty(project.folder)
    before, index = fingerprint(project), (project.folder / ".git/index").read_bytes()
    with pytest.raises(CheckoutInTheWay) as refused:
        asyncio.run(move(project, made))
    assert named in refused.value.message
    assert "commit or stash" in refused.value.hint
    assert fingerprint(project) == before
    assert (project.folder / ".git/index").read_bytes() == index
    assert project.head() == made[1]


def test_a_move_that_was_interrupted_is_finished(project: Project) -> None:
    def a_folder_for_a_file(folder: Path) -> None:
        some_changes(folder)
        for name in ("build", "docs"):
            shutil.rmtree(folder / name)
        write(folder, {"build": "now a file\n", "docs": "now a file\n"})

    made = asyncio.run(make_commit(project, a_folder_for_a_file))
    git(project.folder, "update-ref", "refs/heads/main", made[2])
    write(project.folder, {"todo.py": "better\n"})
    (project.folder / "docs/read me.txt").unlink()
    for _ in range(2):
        asyncio.run(move(project, made))
        assert git(project.folder, "status", "--porcelain") == ""
        assert (project.folder / "docs").read_text() == "now a file\n"


def test_locked_ref_is_reported(project: Project) -> None:
    made = asyncio.run(make_commit(project, some_changes))
    write(project.folder, {".git/refs/heads/main.lock": ""})
    before = fingerprint(project)
    with pytest.raises(GitFailed, match="did not move"):
        asyncio.run(move(project, made))
    assert fingerprint(project) == before


def test_moving_a_branch_runs_no_filters_or_hooks(project: Project, tmp_path: Path) -> None:
    def attributes(folder: Path) -> None:
        write(folder, {".gitattributes": "* filter=trap text eol=crlf\n", "todo.py": "a\nb\n"})

    made = asyncio.run(make_commit(project, attributes))
    for key in ("clean", "smudge"):
        git(project.folder, "config", f"filter.trap.{key}", f"touch {tmp_path}/ran-{key}; cat")
    git(project.folder, "config", "core.fsmonitor", f"touch {tmp_path}/ran-fsmonitor")
    hook = project.folder / ".git/hooks/post-index-change"
    write(hook.parent, {hook.name: f"#!/bin/sh\ntouch {tmp_path}/ran-hook\n"})
    hook.chmod(0o755)
    asyncio.run(move(project, made))
    assert (project.folder / "todo.py").read_bytes() == b"a\nb\n"
    assert not list(tmp_path.glob("ran-*"))
    assert git(project.folder, "symbolic-ref", "HEAD") == "refs/heads/main"
