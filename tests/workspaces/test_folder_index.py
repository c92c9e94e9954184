"""Several dimensions of one run: each has a folder of its own, and all have one store."""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import ExitCode, NewerFormat
from attractor.engine.seams import Base, Workspace
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.workspaces.create.from_folder import create_in_place
from attractor.workspaces.errors import ObjectMissing, RecordBroken
from attractor.workspaces.folders import remove_abandoned_folders
from attractor.workspaces.run_store import (
    WorkspaceRecord,
    open_store,
    read_record,
    recorded_folders,
    write_record,
)
from tests.tables import table
from tests.workspaces.projects import (
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    everything,
    git,
    write,
)

pytestmark = pytest.mark.anyio


def records(project: Project) -> Path:
    return project.state / "stores" / RUN / "dimensions"


async def test_fork_has_its_tree_in_its_own_folder(project: Project) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"new": "new\n", "x.log": "ignored"})
    tree, files = await workspace.snapshot("one"), contents(workspace.folder)
    write(workspace.folder, {"new": "newer\n"})
    fork = await workspace.fork("a@1.1/größe 🐍", tree)
    assert isinstance(fork, type(workspace))
    assert contents(fork.folder) == {
        name: content for name, content in files.items() if name != "x.log"
    }
    assert os.access(fork.folder / "tool", os.X_OK)
    assert fork.folder.parent == workspace.folder.parent
    assert len(fork.folder.name) == len(workspace.folder.name) == 16
    assert fork.base == workspace.base
    assert await fork.snapshot("first") == tree
    made_for = fork.environment
    assert isinstance(made_for, MemoryExecutionEnvironment)
    assert made_for.files == {"made for": str(fork.folder)}


async def test_git_in_a_fork_shows_no_history_and_no_host_path(project: Project) -> None:
    workspace = await project.workspace()
    write(workspace.folder, {"new": "new\n"})
    inside = (await workspace.fork("a", await workspace.snapshot("one"))).folder
    assert git(inside, "status", "--porcelain") == ""
    assert git(inside, "log", "--all", "--format=%s") == "The project"
    assert "secret" not in git(inside, "show", "--stat", "HEAD")
    found = b"".join(path.read_bytes() for path in (inside / ".git").rglob("*") if path.is_file())
    assert os.fsencode(project.state) not in found
    git(inside, "commit", "-q", "--allow-empty", "-m", "an agent can commit")


async def test_dimensions_do_not_share_files(project: Project) -> None:
    workspace = await project.workspace()
    base = workspace.base.candidate
    one, other = await workspace.fork("one", base), await workspace.fork("other", base)
    untouched = everything(workspace.folder)
    for path in one.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o666)
            with path.open("r+b") as file:  # in place, not by replacing the file
                file.write(b"mine")
    assert everything(workspace.folder) == untouched
    assert await other.snapshot("same") == base
    assert await workspace.snapshot("same") == base
    assert await one.snapshot("changed") != base
    git(workspace.store.folder, "fsck", "--strict", "--no-dangling")


async def test_incomplete_fork_is_recreated(project: Project) -> None:
    workspace = await project.workspace()
    base = workspace.base.candidate
    fork = await workspace.fork("a", base)
    [record] = records(project).glob("*.json")
    record.unlink()
    (fork.folder / "todo.py").unlink()
    again = await (await project.workspace_again()).fork("a", base)
    assert again.folder != fork.folder
    assert await again.snapshot("new") == base


async def test_fork_of_a_missing_tree_leaves_nothing(project: Project) -> None:
    workspace = await project.workspace()
    before = set(workspace.folder.parent.iterdir())
    with pytest.raises(ObjectMissing):
        await workspace.fork("a", "1" * 40)
    assert set(workspace.folder.parent.iterdir()) == before
    assert not list(records(project).glob("*.json"))


async def test_cancelled_fork_leaves_no_folder(project: Project) -> None:
    workspace = await project.workspace()
    before = set(workspace.folder.parent.iterdir())
    making = asyncio.create_task(workspace.fork("a", workspace.base.candidate))
    while set(workspace.folder.parent.iterdir()) == before:
        await asyncio.sleep(0)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert set(workspace.folder.parent.iterdir()) == before
    await workspace.fork("a", workspace.base.candidate)


async def test_discarding_a_fork_keeps_its_trees(project: Project, tmp_path: Path) -> None:
    workspace = await project.workspace()
    base = workspace.base.candidate
    fork = await workspace.fork("a", base)
    write(fork.folder, {"new": "new", "closed/x": "x"})
    tree = await fork.snapshot("one")
    await fork.close()
    (fork.folder / "closed").chmod(0)
    await workspace.discard("a")
    await workspace.discard("a")
    await workspace.discard("never made")
    await workspace.discard("")
    assert set(workspace.folder.parent.iterdir()) == {workspace.folder}
    await workspace.export(tree, tmp_path / "copy")
    assert contents(tmp_path / "copy")["new"] == b"new"
    assert not list(records(project).glob("*.json"))
    refs = git(workspace.store.folder, "for-each-ref", "--format=%(objectname)")
    assert tree in refs.split("\n")
    again = await workspace.fork("a", base)
    assert await again.snapshot("new") == base


async def test_a_sweep_leaves_the_folders_of_forks_alone(project: Project) -> None:
    workspace = await project.workspace()
    fork = await workspace.fork("a", workspace.base.candidate)
    folders = {workspace.folder, fork.folder}
    place = project.state / "workspaces"
    assert remove_abandoned_folders(place, lambda: recorded_folders(project.state)) == 0
    assert set(place.iterdir()) == folders


def test_broken_fork_record_is_reported(project: Project) -> None:
    workspace = asyncio.run(project.workspace())
    asyncio.run(workspace.fork("a", workspace.base.candidate))
    [record] = records(project).glob("*.json")
    for text in ("[1", "{}"):
        record.write_text(text)
        with pytest.raises(RecordBroken, match=record.name):
            asyncio.run(workspace.fork("a", workspace.base.candidate))
        with pytest.raises(RecordBroken, match=record.name):
            recorded_folders(project.state)


async def test_snapshots_name_their_dimension(project: Project) -> None:
    workspace = await project.workspace()
    fork = await workspace.fork("a", workspace.base.candidate)
    inner = await fork.fork("a/b", workspace.base.candidate)
    for one in (workspace, fork, inner):
        await one.snapshot("now")
    assert [taken.dimension for _, taken in project.snapshots] == ["", "a", "a/b"]


async def test_forks_work_at_the_same_time(project: Project) -> None:
    async def work(workspace: Workspace, number: int) -> str:
        fork = await workspace.fork(f"branch {number}", workspace.base.candidate)
        return await fork.snapshot(str(number))

    workspace = await project.workspace()
    base = workspace.base.candidate
    assert set(await asyncio.gather(*(work(workspace, one) for one in range(6)))) == {base}


async def test_fork_of_a_run_in_place_is_a_copy(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    write(folder, {"a": "a", ".gitignore": "*.log\n", "x.log": "ignored", "runs/1/x": "record"})
    workspace = await create_in_place(
        folder,
        state=tmp_path / "state",
        run_id=RUN,
        search_path=SEARCH_PATH,
        environment=environment,
    )
    before = everything(folder)
    fork = await workspace.fork("a", workspace.base.candidate)
    assert set(contents(fork.folder)) == {"a", ".gitignore"}
    write(fork.folder, {"a": "changed", "new": "new", "y.log": "ignored"})
    tree = await fork.snapshot("one")
    assert everything(folder) == before
    assert list(await workspace.adopt([tree], base=workspace.base.candidate)) == []
    assert contents(folder) == {
        "a": b"changed",
        "new": b"new",
        ".gitignore": b"*.log\n",
        "x.log": b"ignored",
        "runs/1/x": b"record",
    }
    await workspace.discard("a")
    assert not fork.folder.exists()


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@given(patterns=st.lists(_WORDS), word=_WORDS)
def test_a_record_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], word: str
) -> None:
    record = WorkspaceRecord(
        Path("/") / word.replace("\0", ""),
        Base(word, word, word),
        tuple(patterns),
        (word,),
        "sha256",
    )
    write_record(tmp_path_factory.getbasetemp(), record)
    assert read_record(tmp_path_factory.getbasetemp()) == record


@table("text", ["", "{}", '{"format":1}', "[1", "\xff"])
def test_broken_workspace_record_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "workspace.json").write_text(text, "latin-1")
    with pytest.raises(RecordBroken, match=r"workspace\.json") as broken:
        read_record(tmp_path)
    assert broken.value.exit_code == ExitCode.BROKEN


def test_workspace_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workspace.json").write_text('{"format":2}')
    with pytest.raises(NewerFormat, match=r"workspace\.json has format 2, newer than 1"):
        read_record(tmp_path)


def test_missing_workspace_is_reported(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    with pytest.raises(RecordBroken, match="run 1 has no workspace"):
        open_store(tmp_path, "1", search_path="")
