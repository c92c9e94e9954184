"""Objects of another store, changed files, and comparisons of many trees."""

import shutil
from pathlib import Path

import pytest

from attractor.workspaces.errors import ObjectMissing
from attractor.workspaces.git import object_store
from attractor.workspaces.git.object_store import ChangedFile, share_objects
from tests.workspaces.projects import Project, contents, git, write

pytestmark = pytest.mark.anyio

OTHER = "01JZ0000000000000000000001"


def loose(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_ino for one in folder.glob("??/*")}


async def test_shared_tree_is_complete_without_its_first_store(project: Project) -> None:
    theirs, ours = await project.workspace(), await project.workspace(OTHER)
    write(theirs.folder, {"new": "new\n", "docs/read me.txt": "another\n"})
    tree, files = await theirs.snapshot("one"), contents(theirs.folder)
    await share_objects(theirs.store, ours.store, tree=tree)
    before, after = (loose(one.store.objects.folder) for one in (theirs, ours))
    assert before.keys() <= after.keys()
    blob = git(theirs.store.folder, "rev-parse", f"{tree}:new")[2:]
    assert before[blob] == after[blob]
    shutil.rmtree(theirs.store.folder)
    await ours.restore(tree)
    assert contents(ours.folder) == files
    assert await ours.snapshot("two") == tree


async def test_share_objects_copies_packs_and_skips_partial_files(project: Project) -> None:
    theirs, ours = await project.workspace(), await project.workspace(OTHER)
    write(theirs.folder, {"new": "new\n"})
    tree = await theirs.snapshot("one")
    git(theirs.store.folder, "repack", "-q", "-a", "-d", "-k")
    half = theirs.store.objects.folder / "ab"
    half.mkdir(exist_ok=True)
    (half / ".attractor-1-0123456789abcdef.tmp").write_text("half")
    (theirs.store.objects.folder / "tmp_obj_x").write_text("half")
    await share_objects(theirs.store, ours.store, tree=tree)
    await ours.restore(tree)
    assert (ours.folder / "new").read_text() == "new\n"
    names = {one.name for one in ours.store.objects.folder.rglob("*")}
    assert not {name for name in names if "tmp" in name}


async def test_sharing_objects_twice_changes_nothing(project: Project) -> None:
    theirs, ours = await project.workspace(), await project.workspace(OTHER)
    tree = await theirs.snapshot("one")
    await share_objects(theirs.store, ours.store, tree=tree)
    before = loose(ours.store.objects.folder)
    await share_objects(theirs.store, ours.store, tree=tree)
    assert loose(ours.store.objects.folder) == before != {}


async def test_incomplete_tree_is_rejected(project: Project) -> None:
    theirs, ours = await project.workspace(), await project.workspace(OTHER)
    write(theirs.folder, {"new": "only here\n"})
    tree = await theirs.snapshot("one")
    blob = git(theirs.store.folder, "rev-parse", f"{tree}:new")
    (theirs.store.objects.folder / blob[:2] / blob[2:]).unlink()
    with pytest.raises(ObjectMissing):
        await share_objects(theirs.store, ours.store, tree=tree)


async def test_many_trees_are_compared_with_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "_COMPARED", 2)
    workspace = await project.workspace()
    store, base = workspace.store, await workspace.snapshot("nothing")
    trees = [base]
    for name in ("b\nc", "a", "d"):
        write(workspace.folder, {name: name})
        trees.append(await workspace.snapshot(name))
    trees += [base, trees[1]]
    changes = await store.changes_to(trees, base)
    paths = {tree: [one.path for one in found] for tree, found in changes.items()}
    assert paths == {
        base: [],
        trees[1]: [b"b\nc"],
        trees[2]: [b"a", b"b\nc"],
        trees[3]: [b"a", b"b\nc", b"d"],
    }
    lost = "1" * len(base)
    for pair in ((base, lost), (lost, base)):
        with pytest.raises(ObjectMissing, match="lacks the tree"):
            await store.changes(*pair)
    assert await store.changes_to([], base) == {}


async def test_files_of_a_tree_are_listed_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await project.workspace()
    store, base = workspace.store, workspace.base.candidate
    files = await store.files_of(base)
    write(workspace.folder, {"new": ""})
    tree = await workspace.snapshot("new")
    assert (await store.files_of(tree)).keys() == {*files, b"new"}
    monkeypatch.setattr(store, "git", None)
    assert await store.files_of(base) == files


async def test_changed_files_below_new_folders_have_the_topmost_one_and_their_size(
    project: Project,
) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"old/a": "", "turns": "a file\n"})
    since = await workspace.snapshot("one")
    (workspace.folder / "turns").unlink()
    new = {"old/b": "", "old/new/c": "four", "top/d/e/f": "line\n", "top/bin": "\0", "turns/g": ""}
    write(workspace.folder, new)
    until = await workspace.snapshot("two")
    assert await workspace.store.changed_files(since, until) == [
        ChangedFile("old/b", 0, 0, is_new=True),
        ChangedFile("old/new/c", 1, 0, is_new=True, new_folder="old/new", size=4),
        ChangedFile("top/bin", None, None, is_new=True, new_folder="top", size=1),
        ChangedFile("top/d/e/f", 1, 0, is_new=True, new_folder="top", size=5),
        ChangedFile("turns", 0, 1),
        ChangedFile("turns/g", 0, 0, is_new=True, new_folder="turns"),
    ]
