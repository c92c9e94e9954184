import asyncio
from pathlib import Path

import pytest

from attractor.workspaces.commits import bring_commit, write_commit
from attractor.workspaces.offences import offending_attributes
from attractor.workspaces.run_branch import RunBranch, StageTree, write_run_branch
from tests.workspaces.projects import AUTHOR, RUN, Project, git, write

LONG = "x " * 1024 + "text\n"
PLANTED = [
    {".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch PLACE/ran\n'},
    {".gitmodules": '[submodule ".."]\n\tpath = x\n\turl = ./x\n'},
    {".gitmodules": '[submodule "x"]\n\tpath = x\n\tupdate = !touch PLACE/ran\n'},
    {".gitmodules/x": "a folder"},
    {".gitattributes": LONG},
    {"src/.GITATTRIBUTES": LONG},
    {".gitattributes/x": "a folder"},
]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("strict", [False, True])
def test_no_planted_file_keeps_the_run_from_its_branch(
    project: Project, tmp_path: Path, planted: dict[str, str], strict: bool
) -> None:
    async def scene() -> RunBranch:
        workspace = await project.workspace()
        files = {name: text.replace("PLACE", str(tmp_path)) for name, text in planted.items()}
        write(workspace.folder, files | {"kept": "kept"})
        stage = StageTree("one", await workspace.snapshot("one"), AUTHOR)
        return await write_run_branch(
            await project.repository(),
            workspace.store,
            run_id=RUN,
            base=workspace.base,
            stages=[stage],
            left_out=workspace.left_out,
        )

    for key in ("transfer", "fetch", "receive"):
        git(project.folder, "config", f"{key}.fsckObjects", str(strict).lower())
    branch = asyncio.run(scene())
    assert git(project.folder, "show", f"{branch.commit}:kept") == "kept"
    assert not (tmp_path / "ran").exists()


def offending(project: Project, files: dict[str, str], *links: str) -> list[str]:
    async def scene() -> list[str]:
        workspace = await project.workspace()
        write(workspace.folder, files)
        for link in links:
            (workspace.folder / link).symlink_to("todo.py")
        tree = await workspace.snapshot("one")
        return list(await offending_attributes(workspace.store, workspace.base.candidate, tree))

    return asyncio.run(scene())


def test_attributes_that_git_refuses_are_found(project: Project) -> None:
    files = {
        ".gitattributes": "* text\n" + LONG,
        "a/.gitattributes": "x" * 2047 + "\n" + "y" * 2047,
        "b/.GitAttributes": LONG,
        "c/.gitattributes/x": "a folder",
        "d/.gitattributes.md": LONG,
        "long.txt": LONG,
    }
    found = offending(project, files, "docs/.gitattributes")
    expected = [".gitattributes", "b/.GitAttributes", "c/.gitattributes/x", "docs/.gitattributes"]
    assert found == expected


def test_attributes_that_the_project_has_or_loses_are_not_looked_at(project: Project) -> None:
    async def scene() -> None:
        workspace = await project.workspace()
        (workspace.folder / "src/.gitattributes").unlink()
        tree = await workspace.snapshot("one")
        base = workspace.base.candidate
        assert await offending_attributes(workspace.store, base, tree) == []

    write(project.folder, {".gitattributes": LONG, "src/.gitattributes": LONG})
    project.commit("long attributes")
    asyncio.run(scene())


def test_a_commit_is_brought_whole(project: Project, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "other")

    async def scene() -> str:
        workspace = await project.workspace()
        repository = await project.repository()
        tree = await workspace.snapshot("one")
        commit = write_commit(
            workspace.store.objects, tree=tree, parents=(), author=AUTHOR, message="all"
        )
        await bring_commit(commit, out_of=workspace.store.git, into=repository.git)
        return commit

    commit = asyncio.run(scene())
    assert git(project.folder, "fsck", "--strict", "--no-dangling", commit) == ""
