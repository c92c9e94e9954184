"""Build folders that branches copy from their parent."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.environments.local import LocalExecutionEnvironment
from attractor.workspaces.create.isolated import create_isolated, reopen_workspace
from attractor.workspaces.run_store import RECORD_FILE
from attractor.workspaces.setup.build_folders import LARGEST
from attractor.workspaces.tracked_folder import EnvironmentFactory, TrackedFolder
from tests.workspaces.projects import (
    AUTHOR,
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    write,
)

pytestmark = pytest.mark.anyio

BUILT = {"target/app": "built", "target/classes/a": "", "sub/target/b": "", "data/target/c": ""}
NOT_IGNORED = {"app/build.gradle": "", "app/build/target": ""}
OLD = 1_000_000_000


async def made(project: Project, make: EnvironmentFactory = environment) -> TrackedFolder:
    """Make a workspace with build folders; its environment shows each folder at the same path."""
    write(
        project.folder,
        {".gitignore": "target/\n", "Cargo.toml": "", "sub/pom.xml": "", "data/a": "", "main": "1"},
    )
    project.commit("build files")
    workspace = await create_isolated(
        await project.repository(),
        state=project.state,
        run_id=RUN,
        commit="HEAD",
        author=AUTHOR,
        environment=make,
    )
    write(workspace.folder, BUILT)
    return workspace


def names(folder: Path) -> Sequence[str]:
    return sorted(name for name in contents(folder) if "target" in name)


async def test_branch_begins_with_the_build_folders_and_times_of_its_parent(
    project: Project,
) -> None:
    workspace = await made(project)
    for name in ("main", "todo.py", "target/app"):
        os.utime(workspace.folder / name, (OLD, OLD))
    tree = await workspace.snapshot("before")
    (workspace.folder / "todo.py").write_text("print('later')\n")
    os.utime(workspace.folder / "todo.py", (OLD, OLD))
    fork = await workspace.fork("a", tree)
    assert names(fork.folder) == ["sub/target/b", "target/app", "target/classes/a"]
    times = {name: (fork.folder / name).stat().st_mtime for name in ("main", "target/app")}
    assert times == {"main": OLD, "target/app": OLD}
    # Its content is older than the file that the parent built.
    assert (fork.folder / "todo.py").stat().st_mtime > OLD
    (fork.folder / "target/app").unlink()
    assert names((await workspace.fork("a", tree)).folder) == ["sub/target/b", "target/classes/a"]
    assert names((await fork.fork("b", tree)).folder) == ["sub/target/b", "target/classes/a"]


async def test_large_build_folder_stays_and_is_reported_once(project: Project) -> None:
    workspace = await made(project)
    os.truncate(workspace.folder / "target/app", LARGEST * 3 // 2)
    told: list[str] = []
    workspace.report_to(told.append)
    tree = await workspace.snapshot("before")
    forks = [await workspace.fork(name, tree) for name in "ab"]
    if names(forks[0].folder):
        pytest.skip("the file system shares blocks")
    assert [names(fork.folder) for fork in forks] == [[], []]
    assert told == [
        "Branches begin without sub/target, target (1.5 GiB): more than 1.0 GiB is not copied, "
        "unless carry of [workspace] names it."
    ]


async def test_build_folder_that_git_does_not_ignore_reaches_branches_but_no_tree(
    project: Project,
) -> None:
    workspace = await made(project)
    write(workspace.folder, NOT_IGNORED)
    tree = await workspace.snapshot("before")
    changed = await workspace.changed(workspace.base.candidate, tree)
    assert changed == ["app/build.gradle"]
    assert "app/build/target" in names((await workspace.fork("a", tree)).folder)


async def test_workspace_of_an_earlier_version_keeps_build_folders_in_its_trees(
    project: Project,
) -> None:
    workspace = await made(project)
    write(workspace.folder, NOT_IGNORED)
    record = workspace.store.folder / RECORD_FILE
    fields = json.loads(record.read_text())
    assert fields.pop("leaves_out_builds") is True
    record.write_text(json.dumps(fields))
    workspace = await reopen_workspace(
        state=project.state, run_id=RUN, search_path=SEARCH_PATH, environment=environment
    )
    tree = await workspace.snapshot("before")
    assert await workspace.changed(workspace.base.candidate, tree) == [*sorted(NOT_IGNORED)]


async def test_build_folder_that_mentions_the_path_of_the_parent_stays(project: Project) -> None:
    workspace = await made(project, LocalExecutionEnvironment)
    write(workspace.folder, {"target/app.d": f"{workspace.folder}/main"})
    fork = await workspace.fork("a", await workspace.snapshot("before"))
    assert names(fork.folder) == ["sub/target/b"]
