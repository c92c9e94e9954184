"""A run outside Git works on a copy of the folder, with the same features as in Git."""

import asyncio
from pathlib import Path

import pytest

from attractor.workspaces.create import from_folder
from attractor.workspaces.create.from_folder import create_from_copy
from attractor.workspaces.errors import FolderTooLarge
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.workspaces.projects import (
    AUTHOR,
    RUN,
    SEARCH_PATH,
    contents,
    environment,
    everything,
    git,
    write,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "plain"
    write(
        folder,
        {
            "a.txt": "a\n",
            "sub/b.bin": b"\0\1",
            ".gitignore": "modules/\n",
            "modules/x": "ignored",
            "scenarios/s/holdout": "secret",
            "runs/1/events.jsonl": "records",
            "inner/.git/HEAD": "ref: refs/heads/main\n",
            "inner/kept": "kept",
            "state/ledger": "ours",
        },
    )
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "tool").chmod(0o755)
    (folder / "link").symlink_to("a.txt")
    return folder


async def made(folder: Path, tell: list[str] | None = None) -> TrackedFolder:
    return await create_from_copy(
        folder,
        state=folder.parent / "state",
        run_id=RUN,
        search_path=SEARCH_PATH,
        author=AUTHOR,
        environment=environment,
        also_excluded=["/state/"],
        tell=(tell if tell is not None else []).append,
    )


async def test_copy_excludes_ignored_and_hidden_files(plain: Path) -> None:
    messages: list[str] = []
    before = everything(plain)
    workspace = await made(plain, messages)
    assert contents(workspace.folder) == {
        "a.txt": b"a\n",
        "sub/b.bin": b"\0\1",
        ".gitignore": b"modules/\n",
        "inner/kept": b"kept",
        "tool": b"#!/bin/sh\n",
        "link": b"-> a.txt",
    }
    assert (workspace.folder / "tool").stat().st_mode & 0o100
    assert git(workspace.folder, "status", "--porcelain") == ""
    assert git(workspace.folder, "log", "--format=%s") == "The project"
    assert workspace.base.commit == ""
    assert await workspace.snapshot("now") == workspace.base.candidate
    assert everything(plain) == before
    assert messages == ["Not copied into the workspace: inner/.git (its name is reserved by git)."]


def test_too_large_folder_leaves_nothing(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_folder, "MOST_FILES", 3)
    with pytest.raises(FolderTooLarge):
        asyncio.run(made(plain))
    assert not (plain.parent / "state").exists()
