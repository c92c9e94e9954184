"""Trees with a common base are merged as git would, without guessing at renames."""

import asyncio
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.workspaces.errors import ObjectMissing
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import FILE, LINK, PROGRAM, TreeEntry, write_tree
from attractor.workspaces.merge import MergeResult, merge_trees
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.counts import count
from tests.workspaces.projects import SEARCH_PATH, Project, contents, git, write

pytestmark = pytest.mark.anyio

Files = Mapping[str, tuple[str, str]]
LINES = "".join(f"line {number}\n" for number in range(1, 21))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    made = ObjectStore(tmp_path / "store", object_format="sha1", search_path=SEARCH_PATH)
    asyncio.run(made.create())
    return made


def tree_of(store: ObjectStore, files: Mapping[str, str | bytes | tuple[str, str]]) -> str:
    modes = {"file": FILE, "program": PROGRAM, "link": LINK}
    entries: dict[bytes, TreeEntry] = {}
    for name, entry in files.items():
        kind, content = entry if isinstance(entry, tuple) else ("file", entry)
        data = content.encode() if isinstance(content, str) else content
        entries[name.encode()] = TreeEntry(modes[kind], store.objects.write("blob", data))
    return write_tree(store.objects, entries).hex()


def merged(store: ObjectStore, *trees: str, base: str) -> MergeResult:
    return asyncio.run(merge_trees(store, trees, base=base))


def text(store: ObjectStore, tree: str, name: str) -> str:
    return git(store.folder, "cat-file", "blob", f"{tree}:{name}")


def test_changes_of_different_files_merge(store: ObjectStore) -> None:
    base = tree_of(store, {"a": "a", "b": "b", "c": "c", "d/e": "e"})
    one = tree_of(store, {"a": "one", "b": "b", "c": "c", "d/e": "e", "new/x": "x"})
    two = tree_of(store, {"a": "a", "b": ("program", "b"), "c": "c", "d/e": "e"})
    three = tree_of(store, {"a": "a", "b": "b", "f": "f"})
    wanted = tree_of(store, {"a": "one", "b": ("program", "b"), "f": "f", "new/x": "x"})
    assert merged(store, one, two, three, base=base) == MergeResult(wanted)
    assert merged(store, three, two, one, base=base) == MergeResult(wanted)


def test_changes_of_different_lines_merge(store: ObjectStore) -> None:
    base = tree_of(store, {"a": LINES})
    first = tree_of(store, {"a": LINES.replace("line 1\n", "first\n")})
    middle = tree_of(store, {"a": ("program", LINES.replace("line 10\n", ""))})
    last = tree_of(store, {"a": LINES + "line 21\n"})
    together = merged(store, first, middle, last, base=base)
    assert together.conflicts == ()
    wanted = "first\n" + LINES.replace("line 1\n", "").replace("line 10\n", "") + "line 21"
    assert text(store, together.tree, "a") == wanted
    assert git(store.folder, "ls-tree", together.tree).startswith("100755 blob")


def test_mode_and_content_changes_merge(store: ObjectStore) -> None:
    base, changed = tree_of(store, {"a": LINES}), tree_of(store, {"a": LINES + "more\n"})
    program = tree_of(store, {"a": ("program", LINES)})
    wanted = MergeResult(tree_of(store, {"a": ("program", LINES + "more\n")}))
    assert merged(store, program, changed, base=base) == wanted
    assert merged(store, changed, program, base=base) == wanted


def test_the_same_change_is_no_conflict(store: ObjectStore) -> None:
    base = tree_of(store, {"a": LINES, "gone": "x"})
    same = tree_of(store, {"a": LINES + "more\n", "new": "new"})
    other = tree_of(store, {"a": LINES + "more\n", "new": "new", "also": "also"})
    assert merged(store, same, other, same, base, base=base).tree == tree_of(
        store, {"a": LINES + "more\n", "new": "new", "also": "also"}
    )


@pytest.mark.parametrize(
    ("one", "other", "conflicts"),
    [
        ({"a": "one\n"}, {"a": "other\n"}, ["a"]),
        ({"a": "one\n"}, {}, ["a"]),
        ({}, {"a": "one\n"}, ["a"]),
        ({"a": "a\n", "n": "1"}, {"a": "a\n", "n": "2"}, ["n"]),
        ({"a": ("link", "x")}, {"a": "other\n"}, ["a"]),
        ({"a": ("link", "x")}, {"a": ("link", "y")}, ["a"]),
        ({"a": b"\0one"}, {"a": b"\0other"}, ["a"]),
        ({"a": "a\n", "n": "file"}, {"a": "a\n", "n/x": "in a folder"}, ["n"]),
        ({"a/x": "in a folder"}, {"a": "other\n"}, ["a"]),
        ({"a": "a\n", "größe 🐍": "1"}, {"a": "a\n", "größe 🐍": "2"}, ["größe 🐍"]),
    ],
)
def test_conflicts_are_named(
    store: ObjectStore, one: Files, other: Files, conflicts: list[str]
) -> None:
    base = tree_of(store, {"a": "a\n", "same": "same"})
    left, right = (tree_of(store, {"same": "same", **files}) for files in (one, other))
    for trees in ((left, right), (right, left)):
        result = merged(store, *trees, base=base)
        assert (result.tree, result.conflicts) == ("", conflicts)
        # Lines only of files that are texts on both sides.
        assert result.lines.keys() <= {*conflicts}


def test_every_conflict_is_named_once_and_in_order(store: ObjectStore) -> None:
    base = tree_of(store, {})
    trees = [tree_of(store, {"z": str(one), "a": str(one), f"own {one}": ""}) for one in range(3)]
    assert merged(store, *trees, base=base).conflicts == ["a", "z"]


def test_a_renamed_file_that_another_changed_is_a_conflict(store: ObjectStore) -> None:
    base = tree_of(store, {"a": LINES})
    renamed, changed = tree_of(store, {"b": LINES}), tree_of(store, {"a": LINES + "more\n"})
    assert merged(store, renamed, changed, base=base).conflicts == ["a"]


def test_merge_of_at_most_one_tree(store: ObjectStore) -> None:
    base, other = tree_of(store, {"a": "a"}), tree_of(store, {"a": "b"})
    assert merged(store, base=base).tree == base
    assert merged(store, other, base=base).tree == other
    assert merged(store, base, other, base, base=base).tree == other
    with pytest.raises(ObjectMissing):
        merged(store, other, "1" * 40, base=base)


def test_merge_ignores_gitattributes(store: ObjectStore, tmp_path: Path) -> None:
    driver = f'[merge "evil"]\n\tdriver = touch {tmp_path}/ran; true\n'
    with (store.folder / "config").open("a") as config:
        config.write(driver)
    attributes = {".gitattributes": "* merge=evil text eol=crlf\n"}
    base = tree_of(store, {"a": LINES, **attributes})
    one = tree_of(store, {"a": "first\n" + LINES, **attributes})
    other = tree_of(store, {"a": LINES + "last\n", **attributes})
    assert text(store, merged(store, one, other, base=base).tree, "a") == f"first\n{LINES}last"
    assert not (tmp_path / "ran").exists()


# With a line twice, git merge-tree and git merge-file may align the lines differently.
_CONTENT = st.permutations("pqrs").map(lambda lines: "\n".join([*lines[:3], ""]))
_TREE = st.dictionaries(
    st.sampled_from(["a", "b", "d", "d/a", "d/b", "e/f/g"]),
    st.tuples(st.sampled_from(["file", "file", "file", "program", "link"]), _CONTENT),
    max_size=5,
).map(
    lambda files: {
        path: content for path, content in files.items() if path != "d" or len(files) < 3
    }
)


def without_common_lines(files: Files) -> Files:
    """Return files without common lines: otherwise git would detect renames.

    A link never has a file's content, for the same reason.
    """
    return {
        path: (kind, "".join(f"{path} {line}\n" for line in ["", *content.splitlines()]))
        if kind != "link"
        else (kind, f"to {path} {content}")
        for path, (kind, content) in files.items()
    }


def is_tree(files: Files) -> bool:
    return not any(other.startswith(f"{path}/") for path in files for other in files)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    made = ObjectStore(
        tmp_path_factory.mktemp("m") / "s", object_format="sha1", search_path=SEARCH_PATH
    )
    asyncio.run(made.create())
    return made


def merged_by_git(store: ObjectStore, base: str, one: str, other: str) -> str | None:
    """Return git's merge of two trees, or None after conflicts."""
    folder = store.folder
    root = git(folder, "commit-tree", base, "-m", "base")
    sides = [git(folder, "commit-tree", tree, "-p", root, "-m", "x") for tree in (one, other)]
    result = subprocess.run(
        ["git", "merge-tree", "--write-tree", *sides],
        cwd=folder,
        env={"PATH": SEARCH_PATH, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
    )
    assert result.returncode in (0, 1), result.stderr
    return result.stdout.split("\n")[0] if result.returncode == 0 else None


def git_merges_trees() -> bool:
    output = subprocess.run(["git", "version"], capture_output=True, text=True).stdout
    major, minor = (int(part) for part in output.split(" ")[2].split(".")[:2])
    return (major, minor) >= (2, 38)


@pytest.mark.skipif(not git_merges_trees(), reason="this git cannot merge without a work tree")
@settings(deadline=None, max_examples=count(ci=12, full=800))
@given(base=_TREE.filter(is_tree), one=_TREE.filter(is_tree), other=_TREE.filter(is_tree))
def test_merge_agrees_with_git(shared: ObjectStore, base: Files, one: Files, other: Files) -> None:
    trees = [tree_of(shared, without_common_lines(files)) for files in (base, one, other)]
    ours = merged(shared, *trees[1:], base=trees[0])
    assert (ours.tree or None) == merged_by_git(shared, *trees)
    assert bool(ours.conflicts) == (not ours.tree)


async def branches(workspace: TrackedFolder, *edits: Mapping[str, str | None]) -> list[str]:
    """Return the trees of branches that write files, or remove files without a content."""
    trees: list[str] = []
    for number, files in enumerate(edits):
        fork = await workspace.fork(str(number), workspace.base.candidate)
        write(
            fork.folder, {name: content for name, content in files.items() if content is not None}
        )
        for name in (name for name, content in files.items() if content is None):
            (fork.folder / name).unlink()
        trees.append(await fork.snapshot("done"))
    return trees


async def test_taking_over_leaves_ignored_files_alone(project: Project) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"x.log": "ignored"})
    [tree] = await branches(workspace, {"new": "new", "x.log": "of the branch"})
    await workspace.adopt([tree], base=workspace.base.candidate)
    found = contents(workspace.folder)
    assert (found["new"], found["x.log"]) == (b"new", b"ignored")
