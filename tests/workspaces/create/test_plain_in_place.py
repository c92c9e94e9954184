from pathlib import Path

import pytest

from attractor.workspaces.create.from_folder import create_in_place
from attractor.workspaces.create.isolated import reopen_workspace
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.workspaces.projects import (
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    everything,
    write,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    write(
        folder,
        {
            "a": "a",
            ".gitignore": "*.log\n/out/\n",
            "sub/.gitignore": "!keep.log\nhere\n",
            "sub/keep.log": "kept",
            "sub/here": "ignored",
            "x.log": "ignored",
            "out/.gitignore": "!*\n",
            "out/x": "ignored",
            "runs/1/events.jsonl": "one\n",
        },
    )
    return folder


async def made(folder: Path, state: Path) -> TrackedFolder:
    return await create_in_place(
        folder, state=state, run_id=RUN, search_path=SEARCH_PATH, environment=environment
    )


async def test_in_place_run_works_in_the_folder(folder: Path, tmp_path: Path) -> None:
    before = everything(folder)
    workspace = await made(folder, tmp_path / "state")
    assert (workspace.base.commit, workspace.folder) == ("", folder)
    assert workspace.base.tree == workspace.base.candidate == await workspace.snapshot("one")
    assert everything(folder) == before
    await workspace.export(workspace.base.tree, tmp_path / "copy")
    assert set(contents(tmp_path / "copy")) == {
        "a", ".gitignore", "sub/.gitignore", "sub/keep.log",
    }  # fmt: skip


async def test_restore_keeps_ignored_files_and_records(folder: Path, tmp_path: Path) -> None:
    workspace = await made(folder, tmp_path / "state")
    before = contents(folder)
    write(folder, {"a": "changed", "new": "new"})
    tree = await workspace.snapshot("one")
    write(folder, {"runs/1/events.jsonl": "one\ntwo\n", "x.log": "longer"})
    assert await workspace.snapshot("same") == tree
    await workspace.close()
    workspace = await reopen_workspace(
        state=tmp_path / "state", run_id=RUN, search_path=SEARCH_PATH, environment=environment
    )
    await workspace.restore(workspace.base.candidate, set_aside=tmp_path / "left")
    changed = {"runs/1/events.jsonl": b"one\ntwo\n", "x.log": b"longer"}
    assert contents(folder) == before | changed


async def test_a_repository_of_a_person_keeps_its_git(project: Project) -> None:
    git_before = everything(project.folder / ".git")
    workspace = await made(project.folder, project.state)
    write(project.folder, {"todo.py": "changed"})
    (project.folder / "tool").unlink()
    await workspace.restore(workspace.base.candidate)
    assert await workspace.snapshot("same") == workspace.base.candidate
    assert everything(project.folder / ".git") == git_before
