import asyncio
import os
import random
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

from attractor.workspaces.folders import remove_abandoned_folders
from attractor.workspaces.run_store import recorded_folders
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.prepared import begin_prepared, plain
from tests.workspaces import fork_child, snapshot_child
from tests.workspaces.projects import Project, contents, git


def killed_at_some_moment(below: Path, program: ModuleType = snapshot_child) -> list[str]:
    """Run a program and kill it at some moment after its first output; return its output."""
    child = begin_prepared(
        [str(below)],
        folder=below,
        variables=plain(os.environ),
        stdout=subprocess.PIPE,
        program=program.__file__ or "",
    )
    assert child.stdout is not None
    with child.stdout:
        said = child.stdout.readline()
        # Any moment is tested on purpose: there is no event to wait for.
        time.sleep(random.uniform(0, 0.3))
        child.kill()
        said += child.stdout.read()
    child.wait(PATIENCE_S)
    return said.splitlines()


@pytest.mark.crash
def test_a_kill_leaves_the_last_tree_and_the_next_snapshot_is_right(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    asyncio.run(workspace.close())
    for _ in range(count(ci=3, full=20)):
        said = killed_at_some_moment(project.state.parent)
        asyncio.run(check_after_kill(project, said))


async def check_after_kill(project: Project, said: list[str]) -> None:
    number, tree = said[-1].split(" ")
    workspace = await project.workspace_again()
    store = workspace.store.folder
    git(store, "fsck", "--strict", "--no-dangling", *(line.split(" ")[1] for line in said))
    assert not list(store.glob("objects/**/*tmp*"))
    left = contents(workspace.folder)
    # Unfinished changes are kept, and the last tree is restored.
    half_done = await workspace.snapshot("after the kill")
    await workspace.restore(tree)
    assert contents(workspace.folder)["number"] == number.encode()
    assert await workspace.snapshot("restored") == tree
    await workspace.restore(half_done)
    assert contents(workspace.folder) == left
    assert (
        await workspace.snapshot("half done") == half_done == tree_by_git(workspace.folder, store)
    )
    await workspace.close()


def tree_by_git(folder: Path, store: Path) -> str:
    """Return git's tree id of all files, ignored ones included."""
    variables = {"GIT_DIR": str(store), "GIT_INDEX_FILE": str(store / "an index")}
    (store / "an index").unlink(missing_ok=True)
    git(folder, "--work-tree=.", "add", "-A", "-f", variables=variables)
    tree = git(folder, "write-tree", variables=variables)
    (store / "an index").unlink()
    return tree


@pytest.mark.crash
def test_kill_leaves_every_fork_complete_or_recreated(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    asyncio.run(workspace.close())
    trees: dict[str, str] = {}
    for _ in range(count(ci=3, full=20)):
        said = killed_at_some_moment(project.state.parent, fork_child)
        trees |= dict(line.split(" ") for line in said)
        asyncio.run(check_forks(project, trees))


async def check_forks(project: Project, trees: dict[str, str]) -> None:
    workspace = await project.workspace_again()
    place = project.state / "workspaces"
    remove_abandoned_folders(place, lambda: recorded_folders(project.state))
    kept = set(place.iterdir())
    taken = [tree for tree in trees.values() if tree != "-"]
    git(workspace.store.folder, "fsck", "--strict", "--no-dangling", *taken)
    for name, tree in trees.items():
        fork = await workspace.fork(name, workspace.base.candidate)
        if tree == "-":
            # The fork was about to be discarded: it is unchanged, or new.
            assert (fork.folder in kept) or await fork.snapshot("new") == workspace.base.candidate
            continue
        assert fork.folder in kept
        await fork.restore(tree)
        assert await fork.snapshot("restored") == tree
        git(fork.folder, "status", "--porcelain")
    await workspace.close()
