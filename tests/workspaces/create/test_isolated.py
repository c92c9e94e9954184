import asyncio
import os
import shutil
from pathlib import Path

import pytest

from attractor.engine.seams import Workspace
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.workspaces.create.isolated import create_isolated
from attractor.workspaces.errors import ObjectMissing, UnknownCommit, WorkspaceExists
from tests.workspaces.projects import (
    AUTHOR,
    RUN,
    Project,
    contents,
    environment,
    everything,
    git,
    write,
)

pytestmark = pytest.mark.anyio

CANDIDATE = {
    "todo.py": b"print('todo')\n",
    "docs/read me.txt": b"read me\n",
    ".gitignore": b"*.log\nbuild/\n",
    "build/kept.txt": b"in git, though ignored\n",
    "src/scenarios/no_holdout.txt": b"only called so\n",
    "link": b"-> todo.py",
    "tool": b"#!/bin/sh\n",
}


async def test_workspace_contains_the_base_without_holdouts(project: Project) -> None:
    workspace: Workspace = await project.workspace()
    base = workspace.base
    assert base.commit == project.head()
    assert base.tree == project.head("HEAD^{tree}")
    assert await workspace.snapshot("the base") == base.candidate
    [folder] = (project.state / "workspaces").iterdir()
    assert contents(folder) == CANDIDATE
    assert os.access(folder / "tool", os.X_OK)
    assert not os.access(folder / "todo.py", os.X_OK)
    [(subject, snapshot)] = project.snapshots
    assert (subject, snapshot.skipped, snapshot.ignored) == ("the base", (), ())


def test_git_in_the_workspace_shows_no_history_or_holdouts(project: Project) -> None:
    listed = git(project.folder, "rev-list", "--objects", "--all").split("\n")
    ignored_files = {
        line[:40] for line in listed if line[41:].startswith(("scenarios", "old", "runs"))
    }
    assert len(ignored_files) == 7
    workspace = asyncio.run(project.workspace())
    inside = workspace.folder
    assert git(inside, "status", "--porcelain") == ""
    assert len(git(inside, "log", "--all", "--format=%H").split("\n")) == 1
    shown = git(inside, "log", "--all", "-p", "--stat") + git(inside, "show", "--stat", "HEAD")
    assert "secret" not in shown
    assert "holdout/" not in shown
    known = git(inside, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    assert not ignored_files & set(known.split("\n"))
    assert project.head() not in known


def test_workspace_shows_no_host_path_or_author(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    inside = [path for path in (workspace.folder / ".git").rglob("*") if path.is_file()]
    found = b"".join(path.read_bytes() for path in inside)
    assert os.fsencode(project.state) not in found
    assert os.fsencode(project.folder) not in found
    assert b"Somebody" not in found
    assert not any(word in str(workspace.folder.name) for word in (RUN, "project", "attractor"))
    assert not (workspace.folder / ".git" / "objects" / "info" / "alternates").exists()


def test_an_agent_can_commit_inside(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    write(workspace.folder, {"todo.py": "print('more')\n"})
    git(workspace.folder, "commit", "-q", "-a", "-m", "more")
    assert git(workspace.folder, "log", "--format=%s") == "more\nThe project"
    assert asyncio.run(workspace.changed(workspace.base.candidate, _taken(workspace))) == [
        "todo.py"
    ]


def _taken(workspace: Workspace) -> str:
    return asyncio.run(workspace.snapshot("then"))


async def test_project_gets_one_ref_and_no_other_change(project: Project) -> None:
    write(project.folder, {"todo.py": "half-done work\n", "staged": "staged\n"})
    git(project.folder, "add", "staged")
    refs = git(project.folder, "for-each-ref")
    before = everything(project.folder)
    workspace = await project.workspace()
    write(workspace.folder, {"new": "new\n"})
    tree = await workspace.snapshot("one")
    await workspace.restore(workspace.base.candidate)
    await workspace.export(tree, project.state / "copy")
    await workspace.close()
    ref = project.folder / ".git/refs/attractor/base" / RUN
    assert ref.read_text() == project.head() + "\n"
    shutil.rmtree(project.folder / ".git/refs/attractor")
    assert git(project.folder, "for-each-ref") == refs
    assert everything(project.folder) == before


def test_the_base_survives_a_collection_in_the_project(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    git(project.folder, "checkout", "-q", "--orphan", "other")
    git(project.folder, "commit", "-q", "--allow-empty", "-m", "other")
    git(project.folder, "branch", "-D", "main")
    git(project.folder, "reflog", "expire", "--expire=now", "--all")
    git(project.folder, "gc", "-q", "--prune=now")
    shutil.rmtree(workspace.folder)
    workspace = asyncio.run(project.workspace_again())
    asyncio.run(workspace.restore(workspace.base.candidate))
    assert contents(workspace.folder) == CANDIDATE


def test_reopened_workspace_is_unchanged(project: Project) -> None:
    async def scene() -> str:
        workspace = await project.workspace()
        write(workspace.folder, {"new": "new\n", "x.log": "ignored"})
        tree = await workspace.snapshot("one")
        await workspace.close()
        return tree

    tree = asyncio.run(scene())
    workspace = asyncio.run(project.workspace_again())
    environment = workspace.environment
    assert isinstance(environment, MemoryExecutionEnvironment)
    assert environment.files == {"made for": str(workspace.folder)}
    assert workspace.base.commit == project.head()
    assert _taken(workspace) == tree
    assert project.snapshots[-1][1].ignored == ("x.log",)


def test_second_workspace_of_a_run_is_an_error(project: Project) -> None:
    asyncio.run(project.workspace())
    with pytest.raises(WorkspaceExists, match="has a workspace"):
        asyncio.run(project.workspace())


def test_incomplete_workspace_is_recreated(project: Project) -> None:
    store = project.state / "stores" / RUN
    asyncio.run(project.workspace())
    (store / "workspace.json").unlink()
    (store / "HEAD").unlink()
    workspace = asyncio.run(project.workspace())
    assert _taken(workspace) == workspace.base.candidate


def test_unknown_commit_is_rejected(project: Project, tmp_path: Path) -> None:
    async def scene(folder: Path, commit: str) -> None:
        repository = await Project(folder, project.state).repository()
        await create_isolated(
            repository,
            state=project.state,
            run_id=RUN,
            commit=commit,
            author=AUTHOR,
            environment=environment,
        )

    with pytest.raises(UnknownCommit, match="unknown commit '--help'"):
        asyncio.run(scene(project.folder, "--help"))
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    with pytest.raises(UnknownCommit, match="unknown commit 'HEAD'") as refused:
        asyncio.run(scene(empty, "HEAD"))
    assert "first commit" in refused.value.hint
    assert not project.state.exists()


def test_missing_project_is_reported(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    shutil.rmtree(project.folder)
    with pytest.raises(ObjectMissing) as missing:
        asyncio.run(workspace.export(workspace.base.tree, project.state / "copy"))
    assert "moved" in missing.value.hint


def test_a_repository_of_sha256_ids_works_the_same(tmp_path: Path) -> None:
    project = Project.made(tmp_path, object_format="sha256")
    workspace = asyncio.run(project.workspace())
    assert len(workspace.base.candidate) == 64
    write(workspace.folder, {"new": "new\n"})
    tree = _taken(workspace)
    asyncio.run(workspace.export(tree, tmp_path / "copy"))
    assert contents(tmp_path / "copy") == CANDIDATE | {"new": b"new\n"}
    assert git(workspace.folder, "status", "--porcelain") == "?? new"


def test_a_shallow_clone_and_a_linked_work_tree_work_the_same(project: Project) -> None:
    tmp_path = project.state.parent
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{project.folder}", "shallow")
    git(project.folder, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    for name in ("shallow", "linked"):
        one = Project(tmp_path / name, tmp_path / f"state-{name}")
        workspace = asyncio.run(one.workspace(f"run-{name}"))
        assert contents(workspace.folder) == CANDIDATE
        assert _taken(workspace) == workspace.base.candidate


def test_submodules_are_left_out(project: Project) -> None:
    head = project.head()
    git(project.folder, "update-index", "--add", "--cacheinfo", f"160000,{head},vendor/lib")
    git(project.folder, "commit", "-q", "-m", "a submodule")
    workspace = asyncio.run(project.workspace())
    assert contents(workspace.folder) == CANDIDATE
    assert _taken(workspace) == workspace.base.candidate
