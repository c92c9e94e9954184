"""The store of a run lists the files of the run, and none of the project."""

import os
from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.workspaces.cleanup import (
    DiskUsage,
    base_refs,
    has_base_ref,
    remove_base_ref,
    remove_store,
    stored_run,
    stored_run_ids,
)
from attractor.workspaces.create.from_folder import create_in_place
from attractor.workspaces.run_store import read_record
from tests.workspaces.projects import RUN, SEARCH_PATH, Project, environment, git

pytestmark = pytest.mark.anyio


async def test_stored_run_lists_workspace_forks_and_store(project: Project) -> None:
    workspace = await project.workspace()
    fork = await workspace.fork("a", await workspace.snapshot("one"))
    found = stored_run(project.state, RUN)
    assert stored_run_ids(project.state) == [RUN]
    assert (found.workspace, found.forks) == (workspace.folder, (fork.folder,))
    assert found.store == workspace.store.folder
    assert found.repository == project.folder / ".git"


async def test_folder_worked_on_in_place_is_not_part_of_the_stored_run(project: Project) -> None:
    await create_in_place(
        project.folder,
        state=project.state,
        run_id=RUN,
        search_path=SEARCH_PATH,
        environment=environment,
    )
    found = stored_run(project.state, RUN)
    assert (found.workspace, found.forks, found.repository) == (None, (), None)


async def test_a_store_without_a_record_is_found_and_freed(project: Project) -> None:
    workspace = await project.workspace()
    (workspace.store.folder / "workspace.json").unlink()
    found = stored_run(project.state, RUN)
    assert (found.workspace, found.repository) == (None, project.folder / ".git")
    assert await remove_store(found.store)
    assert stored_run_ids(project.state) == []
    assert await remove_store(found.store)


async def test_base_ref_of_one_run_is_removed(project: Project) -> None:
    await project.workspace()
    repository = project.folder / ".git"
    git(project.folder, "update-ref", "refs/attractor/base/other", "HEAD")
    assert await base_refs(repository, search_path=SEARCH_PATH) == [RUN, "other"]
    assert await has_base_ref(repository, RUN, search_path=SEARCH_PATH)
    await remove_base_ref(repository, RUN, search_path=SEARCH_PATH)
    assert not await has_base_ref(repository, RUN, search_path=SEARCH_PATH)
    assert await base_refs(repository, search_path=SEARCH_PATH) == ["other"]


def test_state_folder_without_runs_has_no_stores(tmp_path: Path) -> None:
    assert stored_run_ids(tmp_path) == []
    (tmp_path / "stores").touch()
    for read in (lambda: stored_run_ids(tmp_path), lambda: read_record(tmp_path / "stores")):
        with pytest.raises(FileError, match="Not a directory"):
            read()


def test_shared_files_are_counted_once(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "file").write_bytes(os.urandom(1 << 16))
    os.link(tmp_path / "one" / "file", tmp_path / "two" / "file")
    (tmp_path / "two" / "link").symlink_to(tmp_path / "one")
    sizes = DiskUsage()
    assert sizes.of(tmp_path / "one") >= 1 << 16
    assert sizes.of(tmp_path / "two") < 1 << 16
    assert sizes.of(tmp_path / "nowhere") == 0
