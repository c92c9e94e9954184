"""Uncommitted changes are included as a separate commit; the project is unchanged."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.workspaces.checkouts import StageTree, write_run_branch
from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.tracked_folder import TrackedFolder
from attractor.workspaces.uncommitted import WorkTree
from tests.workspaces.git.test_large_files import (
    IMAGE,
    add_submodule,
    keep_large,
    pointer,
    repository,
)
from tests.workspaces.projects import (
    AUTHOR,
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    everything,
    git,
    write,
)

pytestmark = pytest.mark.anyio


async def workspace_of(
    project: Project, folder: Path | None = None, environ: Mapping[str, str] | None = None
) -> TrackedFolder:
    variables = {"PATH": SEARCH_PATH, "HOME": str(project.state.parent), **(environ or {})}
    return await create_isolated(
        await project.repository(),
        state=project.state,
        run_id=RUN,
        commit="HEAD",
        author=AUTHOR,
        environment=environment,
        uncommitted=WorkTree(folder or project.folder, variables),
    )


def made(project: Project, folder: Path | None = None) -> TrackedFolder:
    return asyncio.run(workspace_of(project, folder))


def make_dirty(project: Project) -> None:
    write(
        project.folder,
        {
            "todo.py": "staged\n",
            "new/größe 🐍.txt": "new\n",
            "x.log": "ignored",
            os.fsdecode(b"n\xff"): "no Unicode",
            "build/kept.txt": "changed, though ignored\n",
        },
    )
    (project.folder / "docs/read me.txt").unlink()
    git(project.folder, "add", "todo.py")
    write(project.folder, {"todo.py": "staged, and more\n"})
    git(project.folder, "mv", "tool", "renamed")
    (project.folder / "renamed").chmod(0o644)
    (project.folder / "link").unlink()
    (project.folder / "link").symlink_to("elsewhere")
    git(project.folder, "add", "-N", "new")


def test_uncommitted_changes_are_included(project: Project, tmp_path: Path) -> None:
    make_dirty(project)
    twin = tmp_path / "twin"
    shutil.copytree(project.folder, twin, symlinks=True)
    git(twin, "add", "-A")
    wanted = git(twin, "write-tree")
    base = made(project).base
    assert base.tree == wanted
    assert git(project.folder, "rev-parse", f"{base.commit}^") == project.head()
    shown = git(project.folder, "show", "-s", "--format=%an %s", base.commit)
    assert shown == "Attractor Uncommitted changes at the start of the run"
    [folder] = (project.state / "workspaces").iterdir()
    found = contents(folder)
    assert found["todo.py"] == b"staged, and more\n"
    assert found["new/größe 🐍.txt"] == b"new\n"
    assert "scenarios/todo/holdout/one.scenario.toml" not in found
    assert "x.log" not in found


def test_project_is_unchanged_byte_for_byte(project: Project) -> None:
    make_dirty(project)
    parts = [path for path in project.folder.iterdir() if path.name != ".git"]
    git_parts = [project.folder / ".git" / name for name in ("index", "HEAD", "logs", "refs/heads")]
    before = [everything(path) if path.is_dir() else path.read_bytes() for path in git_parts]
    files = everything(project.folder / "docs"), contents(project.folder)
    times = [path.lstat().st_mtime_ns for path in [*parts, *git_parts]]
    status = git(project.folder, "--no-optional-locks", "status", "--porcelain")
    workspace = made(project)
    assert [
        everything(path) if path.is_dir() else path.read_bytes() for path in git_parts
    ] == before
    assert (everything(project.folder / "docs"), contents(project.folder)) == files
    assert [path.lstat().st_mtime_ns for path in [*parts, *git_parts]] == times
    assert git(project.folder, "--no-optional-locks", "status", "--porcelain") == status
    assert git(project.folder, "branch", "--list") == "* main"
    ref = project.folder / ".git/refs/attractor/base" / RUN
    assert ref.read_text().strip() == workspace.base.commit
    git(project.folder, "fsck", "--strict", "--connectivity-only")


def test_clean_project_has_its_commit_as_base(project: Project) -> None:
    write(project.folder, {"x.log": "ignored"})
    os.utime(project.folder / "todo.py", (1, 1))
    assert made(project).base.commit == project.head()


async def test_stage_commits_follow_the_uncommitted_changes(project: Project) -> None:
    write(project.folder, {"todo.py": "mine\n"})
    workspace = await workspace_of(project)
    write(workspace.folder, {"new": "of a stage\n"})
    stages = [StageTree("Stage one", await workspace.snapshot("one"), AUTHOR)]
    branch = await write_run_branch(
        await project.repository(),
        workspace.store,
        run_id=RUN,
        base=workspace.base,
        stages=stages,
        excluded=workspace.excluded,
    )
    log = git(project.folder, "log", "-2", "--format=%an", "--name-status", branch.commit)
    assert log.split() == ["Attractor", "A", "new", "Attractor", "M", "todo.py"]


def test_subfolders_and_linked_work_trees(project: Project, tmp_path: Path) -> None:
    write(project.folder, {"todo.py": "mine\n"})
    workspace = made(project, project.folder / "docs")
    assert contents(workspace.folder)["todo.py"] == b"mine\n"
    linked = Project(tmp_path / "linked", tmp_path / "state-of-linked")
    git(project.folder, "worktree", "add", "-q", "--detach", str(linked.folder))
    write(linked.folder, {"new": "theirs\n"})
    found = contents(made(linked).folder)
    assert (found["todo.py"], found["new"]) == (b"print('todo')\n", b"theirs\n")


def test_change_within_the_index_timestamp_is_detected(project: Project) -> None:
    file = project.folder / "todo.py"
    git(project.folder, "update-index", "--refresh")
    index = project.folder / ".git/index"
    at = file.stat().st_mtime_ns
    file.write_text(file.read_text().upper())
    for path in (file, index):
        os.utime(path, ns=(at, at))
    assert made(project).base.commit != project.head()


def test_missing_index_is_tolerated(project: Project) -> None:
    (project.folder / ".git/index").unlink()
    write(project.folder, {"todo.py": "mine\n"})
    assert contents(made(project).folder)["todo.py"] == b"mine\n"
    assert not (project.folder / ".git/index").exists()


def test_unresolved_merge_is_included(project: Project) -> None:
    git(project.folder, "checkout", "-q", "-b", "other")
    write(project.folder, {"todo.py": "other\n"})
    project.commit("other")
    git(project.folder, "checkout", "-q", "main")
    write(project.folder, {"todo.py": "main\n"})
    project.commit("main")
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    subprocess.run(
        ["git", *identity, "merge", "-q", "other"],
        cwd=project.folder,
        capture_output=True,
    )
    assert b"<<<<<<<" in contents(made(project).folder)["todo.py"]
    assert "UU todo.py" in git(project.folder, "status", "--porcelain")


def test_line_endings_follow_the_git_configuration(project: Project) -> None:
    git(project.folder, "config", "core.autocrlf", "true")
    write(project.folder, {"todo.py": "one\r\ntwo\r\n"})
    base = made(project).base
    assert git(project.folder, "cat-file", "blob", f"{base.tree}:todo.py") == "one\ntwo"


def test_global_gitignore_applies(project: Project) -> None:
    home = project.state.parent
    write(home, {".gitconfig": "[core]\n\texcludesFile = ~/mine\n", "mine": ".DS_Store\n"})
    write(project.folder, {".DS_Store": "x"})
    write(project.folder / ".git", {"info/exclude": "notes.txt\n"})
    write(project.folder, {"notes.txt": "mine alone"})
    assert made(project).base.commit == project.head()


def test_no_filters_or_hooks_run(project: Project, tmp_path: Path) -> None:
    write(project.folder, {".gitattributes": "*.py filter=trap\n"})
    project.commit("attributes")
    sub = project.folder / "lib"
    git(project.folder, "init", "-q", "lib")
    write(sub, {"x": "x", ".gitattributes": "x filter=below\n"})
    git(sub, "add", "-A")
    git(sub, "commit", "-q", "-m", "first")
    git(project.folder, "add", "lib")
    git(project.folder, "commit", "-q", "-m", "with a submodule")
    plant_traps(project.folder, "trap", tmp_path / "ran")
    plant_traps(sub, "below", tmp_path / "ran")
    write(project.folder, {"todo.py": "mine\n", "lib/x": "mine\n"})
    assert contents(made(project).folder)["todo.py"] == b"mine\n"
    assert not (tmp_path / "ran").exists()
    subprocess.run(["git", "add", "-A"], cwd=project.folder, capture_output=True)
    assert (tmp_path / "ran").exists()


def plant_traps(folder: Path, name: str, ran: Path) -> None:
    config = folder / ".git/config"
    trap = f"touch {ran}; cat"
    lines = f'[filter "{name}"]\n\tclean = "{trap}"\n\tprocess = "{trap}"\n\trequired = true\n'
    config.write_text(config.read_text() + lines)
    git(folder, "config", "core.fsmonitor", f"touch {ran}")
    hook = folder / ".git/hooks/post-index-change"
    write(hook.parent, {hook.name: f"#!/bin/sh\ntouch {ran}\n"})
    hook.chmod(0o755)


def test_touched_large_file_is_unchanged(project: Project) -> None:
    write(project.folder, {".gitattributes": "*.png filter=lfs\n"})
    write(project.folder, {"a.png": pointer(IMAGE), "b.png": pointer(b"before")})
    project.commit("large files")
    for content in (IMAGE, b"before"):
        keep_large(project.folder / ".git", content)
    # As with git LFS: the content is in the place of the pointer.
    write(project.folder, {"a.png": IMAGE, "b.png": "after", "todo.py": "mine\n"})
    workspace = made(project)
    changed = git(project.folder, "diff", "--name-only", "HEAD", workspace.base.commit)
    assert changed.split("\n") == ["b.png", "todo.py"]
    found = contents(workspace.folder)
    assert (found["a.png"], found["b.png"]) == (IMAGE, b"after")


def test_file_replaced_by_folder_is_included(project: Project, tmp_path: Path) -> None:
    (project.folder / "todo.py").unlink()
    shutil.rmtree(project.folder / "docs")
    write(project.folder, {"todo.py/inner": "x", "docs": "a file now"})
    workspace = made(project)
    found = contents(workspace.folder)
    assert (found["todo.py/inner"], found["docs"]) == (b"x", b"a file now")
    assert "todo.py" not in found


def test_nested_repository_is_excluded(project: Project) -> None:
    git(project.folder, "init", "-q", "inner")
    write(project.folder, {"inner/x": "x"})
    assert made(project).base.commit == project.head()


def test_submodule_is_included_at_its_current_commit(project: Project) -> None:
    library = repository(project.state.parent / "lib", {"lib.c": "int x;\n"})
    add_submodule(project.folder, library, "vendor/lib")
    inside = project.folder / "vendor/lib"
    write(inside, {"lib.c": "int newer;\n"})
    git(inside, "commit", "-q", "-a", "-m", "newer")
    write(inside, {"lib.c": "not committed\n"})
    workspace = made(project)
    assert contents(workspace.folder)["vendor/lib/lib.c"] == b"int newer;\n"


def test_many_changes_are_included(project: Project) -> None:
    names = [f"{'long name ' * 22}{number}" for number in range(5_000)]
    write(project.folder / "many", dict.fromkeys(names, ""))
    workspace = made(project)
    assert len(list((workspace.folder / "many").iterdir())) == len(names)


def test_broken_index_is_reported(project: Project) -> None:
    (project.folder / ".git/index").write_bytes(b"no index")
    with pytest.raises(GitFailed, match="git ls-files .* failed") as failed:
        made(project)
    assert "without --include-dirty" in failed.value.hint
