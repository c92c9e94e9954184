import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.workspaces.errors import FolderInUse, ObjectMissing
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.workspaces.projects import SEARCH_PATH, Project, age, contents, git, write

pytestmark = pytest.mark.anyio

EVIL = """[core]
\tfsmonitor = {0}
\thooksPath = {1}
\tsshCommand = {0}
\tpager = {0}
\teditor = {0}
[filter "evil"]
\tclean = {0}
\tsmudge = {0}
\trequired = true
[diff "evil"]
\ttextconv = {0}
\tcommand = {0}
[diff]
\texternal = {0}
"""
HOOKS = ("post-checkout", "post-index-change", "pre-commit", "reference-transaction", "post-commit")


def plant_traps(folder: Path, trap: Path) -> Path:
    """Let every program that git could be configured to start leave a file behind."""
    caught = trap / "caught"
    program = trap / "program"
    program.write_text(f"#!/bin/sh\necho $0 >>'{caught}'\ncat\n")
    program.chmod(0o755)
    for hook in HOOKS:
        (trap / hook).symlink_to(program)
        write(folder, {f".git/hooks/{hook}": program.read_text()})
        (folder / ".git/hooks" / hook).chmod(0o755)
    write(folder, {".gitattributes": "* filter=evil diff=evil text eol=crlf\n"})
    with (folder / ".git/config").open("a") as config:
        config.write(EVIL.format(program, trap))
    return caught


async def test_planted_git_configuration_does_not_run(project: Project, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    workspace = await project.workspace()
    inside = workspace.folder
    plant_traps(inside, trap)
    write(inside, {"nested/.git/HEAD": "ref: refs/heads/main\n", "nested/a": "a\r\n"})
    plant_traps(inside / "nested", Path(tempfile.mkdtemp(dir=tmp_path)))
    write(inside, {"pointer/.git": f"gitdir: {project.folder}/.git\n", "pointer/b": "b"})
    write(inside, {"also/.GIT/config": "x", "also/c": "c", "todo.py": "print('new')\n"})
    tree = await workspace.snapshot("planted")
    await workspace.restore(workspace.base.candidate, set_aside=tmp_path / "aside")
    await workspace.restore(tree)
    assert await workspace.snapshot("again") == tree
    await workspace.export(tree, tmp_path / "copy")
    (inside / "HEAD").write_text("x")
    await workspace.close()
    copy = contents(tmp_path / "copy")
    assert copy["nested/a"] == b"a\r\n"
    assert {"pointer/b", "also/c", "nested/.gitattributes"} < set(copy)
    assert not [name for name in copy if ".git/" in name.lower()]
    assert {one.path for one in project.snapshots[0][1].skipped} == {
        "nested/.git", "pointer/.git", "also/.GIT",
    }  # fmt: skip
    assert not list(tmp_path.rglob("caught"))


def test_planted_git_configuration_runs_with_plain_git(project: Project, tmp_path: Path) -> None:
    workspace = asyncio.run(project.workspace())
    caught = plant_traps(workspace.folder, tmp_path)
    subprocess.run(["git", "add", "-A"], cwd=workspace.folder, check=False)
    assert caught.exists()


def test_the_agents_git_is_never_opened(project: Project, tmp_path: Path) -> None:
    workspace = asyncio.run(project.workspace())
    agents = workspace.folder / ".git"
    for path in sorted(agents.rglob("*")):
        if path.is_file():
            path.unlink()
    os.mkfifo(agents / "HEAD")  # opening it would block
    os.mkfifo(agents / "config")
    write(workspace.folder, {"new": "new"})

    async def scene() -> None:
        async with asyncio.timeout(PATIENCE_S):
            tree = await workspace.snapshot("one")
            await workspace.restore(workspace.base.candidate, set_aside=tmp_path / "aside")
            await workspace.export(tree, tmp_path / "copy")

    asyncio.run(scene())
    assert contents(tmp_path / "copy")["new"] == b"new"
    assert not (workspace.folder / "new").exists()


_FILES = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join),
    st.tuples(st.sampled_from(["file", "program", "link"]), st.text("xy", max_size=2)),
    max_size=6,
)


def fill(folder: Path, files: dict[str, tuple[str, str]]) -> None:
    """Put files into a folder, and replace everything in their way."""
    for name, (kind, text) in files.items():
        path = folder / name
        for above in [*reversed(path.relative_to(folder).parents)][1:]:
            if (folder / above).is_symlink() or (folder / above).is_file():
                (folder / above).unlink()
            (folder / above).mkdir(exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            continue
        path.unlink(missing_ok=True)
        if kind == "link":
            path.symlink_to(text or "x")
        else:
            path.write_text(text)
            path.chmod(0o755 if kind == "program" else 0o644)


def contents_and_modes(folder: Path) -> dict[str, tuple[bytes, bool]]:
    return {
        name: (content, os.access(folder / name, os.X_OK))
        for name, content in contents(folder).items()
    }


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> TrackedFolder:
    return asyncio.run(Project.made(tmp_path_factory.mktemp("shared")).workspace())


@settings(deadline=None, max_examples=count(ci=12, full=300))
@given(before=_FILES, after=_FILES)
async def test_restore_recovers_every_file(
    shared: TrackedFolder, before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]
) -> None:
    await shared.restore(shared.base.candidate)
    fill(shared.folder, before)
    tree, files = await shared.snapshot("before"), contents_and_modes(shared.folder)
    fill(shared.folder, after)
    (shared.folder / "todo.py").unlink(missing_ok=True)
    await shared.restore(tree)
    assert contents_and_modes(shared.folder) == files
    assert await shared.snapshot("after") == tree


async def test_unfinished_edits_are_saved_as_a_patch(project: Project, tmp_path: Path) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"todo.py": "half", "new": b"\0\1\2" * 50, "x.log": "ignored"})
    (workspace.folder / "link").unlink()
    left = contents(workspace.folder)
    await workspace.restore(workspace.base.candidate, set_aside=tmp_path / "in" / "left")
    assert contents(workspace.folder)["todo.py"] == b"print('todo')\n"
    assert (workspace.folder / "x.log").read_text() == "ignored"
    [patch] = (tmp_path / "in" / "left").iterdir()
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(patch)],
        cwd=workspace.folder,
        env={"PATH": SEARCH_PATH, "GIT_CONFIG_GLOBAL": "/dev/null"},
        check=True,
    )
    assert contents(workspace.folder) == left


async def test_files_that_are_the_same_in_both_trees_are_not_touched(project: Project) -> None:
    workspace = await project.workspace()
    same = age(workspace.folder / "tool")
    write(workspace.folder, {"todo.py": "changed"})
    await workspace.restore(workspace.base.candidate)
    assert age(workspace.folder / "tool") == same


async def test_restore_does_not_write_through_links(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, {"read me.txt": "mine", "kept.txt": "mine"})
    workspace = await project.workspace()
    for name in ("docs", "build"):
        for file in (workspace.folder / name).iterdir():
            file.unlink()
        (workspace.folder / name).rmdir()
        (workspace.folder / name).symlink_to(outside)
    (workspace.folder / "todo.py").unlink()
    (workspace.folder / "todo.py").symlink_to(outside / "kept.txt")
    await workspace.restore(workspace.base.candidate)
    assert await workspace.snapshot("restored") == workspace.base.candidate
    assert contents(outside) == {"read me.txt": b"mine", "kept.txt": b"mine"}


async def test_restore_does_not_change_hard_links(project: Project, tmp_path: Path) -> None:
    workspace = await project.workspace()
    (workspace.folder / "todo.py").unlink()
    (tmp_path / "elsewhere").write_text("mine")
    (workspace.folder / "todo.py").hardlink_to(tmp_path / "elsewhere")
    await workspace.restore(workspace.base.candidate)
    assert (tmp_path / "elsewhere").read_text() == "mine"


async def test_restore_replaces_obstacles(project: Project) -> None:
    workspace = await project.workspace()
    (workspace.folder / "todo.py").unlink()
    write(workspace.folder, {"todo.py/x.log": "ignored", "todo.py/.git/x": "skipped"})
    (workspace.folder / "tool").unlink()
    os.mkfifo(workspace.folder / "tool")
    await workspace.restore(workspace.base.candidate)
    assert await workspace.snapshot("restored") == workspace.base.candidate
    assert project.snapshots[-1][1].skipped == ()


async def test_changed_paths_are_text(project: Project) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {os.fsdecode(b"n\xff"): "", "todo.py": "x", "more/new": "y"})
    (workspace.folder / "tool").chmod(0o644)
    tree = await workspace.snapshot("one")
    changed = await workspace.changed(workspace.base.candidate, tree)
    assert changed == ["more/new", "n\\xff", "todo.py", "tool"]
    assert await workspace.changed(tree, tree) == []


async def test_patch_is_readable_and_limited(project: Project, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    workspace = await project.workspace()
    base = workspace.base.candidate
    plant_traps(workspace.folder, tmp_path)
    write(
        workspace.folder,
        {
            "todo.py": "print('größe 🐍')\n",
            "größe": "x\n",
            "image": b"\0\1",
            "latin": b"gr\xf6\xdfe\n",
            "huge": "x\n" * 10_000_000,
        },
    )
    (workspace.folder / "tool").unlink()
    tree = await workspace.snapshot("one")
    patch = await workspace.patch(base, tree)
    assert "\n-print('todo')\n+print('größe 🐍')\n" in patch
    assert "\n+++ b/größe\n" in patch
    assert "Binary files /dev/null and b/image differ" in patch
    assert "Binary files /dev/null and b/huge differ" in patch
    assert "+gr\\xf6\\xdfe" in patch
    assert "deleted file mode 100755" in patch
    assert await workspace.patch(tree, tree) == ""
    short = await workspace.patch(base, tree, most=500)
    head, _, last = short.removesuffix("\n").rpartition("\n")
    assert last == "[cut here: the patch has more than 500 bytes]"
    assert patch.startswith(f"{head}\n")
    assert 300 < len(head.encode()) <= 500
    assert await workspace.patch(base, tree, most=len(patch.encode())) == patch
    with pytest.raises(ObjectMissing):
        await workspace.patch(base, "1" * 40)
    assert not (tmp_path / "caught").exists()


async def test_export_contains_only_the_tree(project: Project, tmp_path: Path) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"x.log": "ignored", "new": "new"})
    tree = await workspace.snapshot("one")
    write(workspace.folder, {"new": "newer"})
    await workspace.export(tree, tmp_path / "copy")
    copy = contents(tmp_path / "copy")
    assert (copy["new"], "x.log" in copy) == (b"new", False)
    assert os.access(tmp_path / "copy" / "tool", os.X_OK)
    assert not (tmp_path / "copy" / ".git").exists()
    with pytest.raises(FolderInUse, match="is not empty"):
        await workspace.export(tree, tmp_path / "copy")
    with pytest.raises(ObjectMissing):
        await workspace.restore("1" * 40)


def test_last_tree_has_a_ref(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    write(workspace.folder, {"new": "new"})
    tree = asyncio.run(workspace.snapshot("one"))
    store = workspace.store.folder
    assert git(store, "rev-parse", "refs/attractor/dimension/main") == tree
    git(store, "fsck", "--no-dangling", "--strict")
