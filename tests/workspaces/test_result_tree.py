import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.workspaces.git.objects import (
    FILE,
    SUBMODULE,
    FlatTree,
    LooseObjects,
    TreeChange,
    TreeEntry,
    write_tree,
)
from attractor.workspaces.result_tree import (
    EXCLUDED,
    candidate_files,
    overlay_changes,
    protected_paths,
    result_trees,
)
from attractor.workspaces.snapshot import SkippedPath, SkipReason
from tests.counts import count
from tests.workspaces.projects import RUN, Project, contents, git, write

pytestmark = pytest.mark.anyio

ONE, TWO = TreeEntry(FILE, b"1" * 20), TreeEntry(FILE, b"2" * 20)


async def test_result_tree_keeps_excluded_files_of_the_base(project: Project) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"todo.py": "new\n", "added/x": "x"})
    (workspace.folder / "tool").unlink()
    write(workspace.folder, {"scenarios/todo/holdout/one.scenario.toml": "forged"})
    write(workspace.folder, {"runs": "a file where the records are"})
    tree = await workspace.snapshot("one")
    base = workspace.base
    [same, result] = await result_trees(
        workspace.store, base, [base.candidate, tree], excluded=EXCLUDED
    )
    assert (same.tree, same.refused) == (base.tree, ())
    assert result.refused == ()
    output = git(workspace.store.folder, "diff-tree", "-r", "--name-status", base.tree, result.tree)
    assert output == "A\tadded/x\nM\ttodo.py\nD\ttool"


async def test_exported_trial_equals_the_result_tree(project: Project) -> None:
    git(project.folder, "update-index", "--add", "--cacheinfo", f"160000,{'5' * 40},lib/sub")
    git(project.folder, "commit", "-q", "-m", "with a submodule")
    workspace = await project.workspace()
    write(workspace.folder, {"scenarios/h.txt": "hello\n", "lib/sub/x": "x", "lib/other": "o"})
    write(workspace.folder, {"runs": "a file where the records are"})
    (workspace.folder / "hello.txt").symlink_to("scenarios/h.txt")
    tree = await workspace.snapshot("one")
    [result] = await result_trees(
        workspace.store, workspace.base, [tree], excluded=workspace.excluded
    )
    assert result.refused == ()
    await workspace.export(tree, project.state / "trial")
    base, tree = (workspace.base.tree, result.tree)
    tried = contents(project.state / "trial")
    assert "scenarios/h.txt" not in tried
    assert tried["lib/other"] == b"o"
    store = project.state / "stores" / RUN
    output = git(store, "diff-tree", "-r", "--name-status", base, tree)
    assert output == "A\thello.txt\nA\tlib/other"
    [(_, snapshot)] = project.snapshots
    assert set(snapshot.skipped) == {
        SkippedPath(path, SkipReason.PROTECTED) for path in ("scenarios", "lib/sub", "runs")
    }


def test_a_candidate_has_no_submodules_and_no_modes_of_old(project: Project) -> None:
    base = {
        b"old": TreeEntry(0o100664, b"1" * 20),
        b"lib": TreeEntry(SUBMODULE, b"2" * 20),
        b"scenarios/a": ONE,
        b"x/runs/a": ONE,
        b"a/.GIT/b": ONE,
    }
    assert candidate_files(base, EXCLUDED) == {b"old": ONE, b"x/runs/a": ONE}


def test_changes_of_protected_paths_and_their_parents_are_rejected() -> None:
    base = {b"lib/sub": TreeEntry(SUBMODULE, b"2" * 20), b"secret.txt": ONE, b"a": ONE}
    changes = [
        TreeChange(b"a", ONE, TWO),
        TreeChange(b"lib", None, TWO),
        TreeChange(b"lib/sub/x", None, TWO),
        TreeChange(b"lib/other", None, TWO),
        TreeChange(b"secret.txt", None, TWO),
    ]
    laid, refused = overlay_changes(base, protected_paths(base, ["/secret.txt"]), changes)
    assert laid == base | {b"a": TWO, b"lib/other": TWO}
    assert [change.path for change in refused] == [b"lib", b"lib/sub/x", b"secret.txt"]


_PATHS = st.lists(st.sampled_from([b"a", b"b", b"scenarios", b"runs"]), min_size=1, max_size=3).map(
    b"/".join
)
_TREES = st.dictionaries(_PATHS, st.sampled_from([ONE, TWO]), max_size=6).map(
    lambda files: {path: entry for path, entry in files.items() if not _lies_in(path, files)}
)


def _lies_in(path: bytes, files: FlatTree) -> bool:
    return any(path.startswith(other + b"/") for other in files)


@settings(deadline=None, max_examples=count(ci=40, full=2000))
@given(base=_TREES, after=_TREES)
def test_result_and_candidate_have_equal_changes(base: FlatTree, after: FlatTree) -> None:
    before = candidate_files(base, EXCLUDED)
    paths = sorted(before.keys() | after.keys())
    changes = [
        TreeChange(path, before.get(path), after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]
    laid, refused = overlay_changes(base, protected_paths(base, EXCLUDED), changes)
    kept = {path: entry for path, entry in base.items() if path not in before}
    not_taken = {change.path for change in refused}
    assert kept.items() <= laid.items()
    assert laid == kept | {path: entry for path, entry in after.items() if path not in not_taken}
    assert not any(_lies_in(path, laid) for path in laid)
    assert all(path.startswith((b"scenarios", b"runs")) for path in not_taken)
    with tempfile.TemporaryDirectory() as folder:
        assert len(write_tree(LooseObjects(Path(folder), "sha1"), laid)) == 20
