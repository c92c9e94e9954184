"""Contract of Workspace: every workspace, with and without trees."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor.base.errors import AttractorError
from attractor.engine.seams import Workspace
from attractor.engine.stage.no_workspace import NoEnvironment, NoWorkspace
from attractor.environments.environment import GrepOptions, Promises
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.pipeline.children.runner import ChildWorkspace
from attractor.workspaces.create.from_folder import create_in_place
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.patience import PATIENCE_S
from tests.tables import table
from tests.workspaces.projects import (
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    everything,
    write,
)

pytestmark = pytest.mark.anyio

T = TypeVar("T")
Make = Callable[[Path], Awaitable[Workspace]]
MakeTrees = Callable[[Path], Awaitable[TrackedFolder]]
FILES = {"größe 🐍.txt": "grüße\n", "a/b/c": "deep", "empty": "", "big": "x" * 2_000_000}


async def isolated(below: Path) -> TrackedFolder:
    return await Project.made(below).workspace()


async def in_place(below: Path) -> TrackedFolder:
    folder = below / "folder"
    write(folder, {"todo.py": "print('todo')\n", "docs/read me.txt": "read me\n"})
    return await create_in_place(
        folder, state=below / "state", run_id=RUN, search_path=SEARCH_PATH, environment=environment
    )


async def without_environment(below: Path) -> Workspace:
    return NoWorkspace()


async def with_environment(below: Path) -> Workspace:
    return NoWorkspace(MemoryExecutionEnvironment({"x": "text"}))


async def making_environments(below: Path) -> Workspace:
    return NoWorkspace(another=lambda: MemoryExecutionEnvironment({"x": "text"}))


async def as_a_child(below: Path) -> Workspace:
    return ChildWorkspace(await isolated(below), "01JZ00000000000000000CH11D")


keepers = pytest.mark.parametrize("make", [isolated, in_place])
everybody = pytest.mark.parametrize(
    "make",
    [isolated, in_place, as_a_child, without_environment, with_environment, making_environments],
)


def run(scene: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scene, PATIENCE_S))


@everybody
async def test_unchanged_folder_has_one_tree(make: Make, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    base, place = workspace.base, workspace.environment
    first = await workspace.snapshot("one")
    assert first == base.candidate
    assert await workspace.snapshot("größe 🐍\n") == first
    await workspace.restore(first, set_aside=tmp_path / "aside")
    assert list(await workspace.changed(first, first)) == []
    assert await workspace.patch(first, first) == ""
    assert await workspace.diff(first, first, most=10) == b""
    assert not (tmp_path / "aside").exists()
    # Concurrent snapshots return the same tree.
    taken = await asyncio.gather(*(workspace.snapshot(str(number)) for number in range(5)))
    assert set(taken) == {first}
    assert workspace.base == base
    assert workspace.environment is place


@everybody
async def test_missing_tree_is_not_exported(make: Make, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    with pytest.raises(AttractorError):
        await workspace.export("1" * 40, tmp_path / "copy")
    assert not (tmp_path / "copy").exists() or not list((tmp_path / "copy").iterdir())


@everybody
async def test_closing_twice_removes_nothing(make: Make, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    tree = await workspace.snapshot("one")
    await workspace.close()
    await workspace.close()
    assert await workspace.snapshot("after") == tree
    await workspace.close()


@everybody
@pytest.mark.parametrize("shared", [False, True])
async def test_dimension_leaves_no_trace(make: Make, shared: bool, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    tree = await workspace.snapshot("one")
    fork = await workspace.fork("größe 🐍@1.1/a", tree, shared=shared)
    inner = await fork.fork("inner", tree, shared=shared)
    assert fork.base == inner.base == workspace.base
    assert await fork.snapshot("two") == await inner.snapshot("three") == tree
    assert list(await workspace.adopt([tree], base=tree)) == []
    assert list(await workspace.adopt([], base=tree)) == []
    for one in (inner, fork):
        await one.close()
    for name in ("inner", "größe 🐍@1.1/a", "größe 🐍@1.1/a", "nobody's"):
        await workspace.discard(name)
    assert await workspace.snapshot("after") == tree
    await workspace.close()


@table("make", [isolated, in_place, as_a_child, making_environments])
async def test_a_dimension_has_an_environment_of_its_own(make: Make, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    tree = await workspace.snapshot("one")
    forks = [
        workspace,
        await workspace.fork("shared", tree, shared=True),
        await workspace.fork("alone", tree),
    ]
    assert len({id(one.environment) for one in forks}) == 3
    assert all(one.environment is one.environment for one in forks)


@keepers
async def test_dimension_is_reopened_unchanged(make: MakeTrees, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    base = workspace.base.candidate
    fork = await workspace.fork("a", base)
    write(fork.folder, FILES)
    tree = await fork.snapshot("one")
    await fork.close()
    again = await workspace.fork("a", base)
    assert await again.snapshot("two") == tree
    await workspace.discard("a")
    assert await (await workspace.fork("a", base)).snapshot("new") == base


@keepers
async def test_branches_are_merged_without_conflicts(make: MakeTrees, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    base, trees = workspace.base.candidate, list[str]()
    for number in range(3):
        fork = await workspace.fork(str(number), base)
        write(fork.folder, {f"new {number}": "", "both": "same"} | {"all": str(number)})
        trees.append(await fork.snapshot("done"))
        (fork.folder / "all").unlink()
        trees.append(await fork.snapshot("undone"))
    before = contents(workspace.folder)
    assert list(await workspace.adopt(trees[::2], base=base)) == ["all"]
    assert contents(workspace.folder) == before
    assert list(await workspace.adopt(trees[1::2], base=base)) == []
    made = {f"new {number}": b"" for number in range(3)} | {"both": b"same"}
    assert contents(workspace.folder) == before | made
    # Another branch that works in the same folder keeps its files.
    write(workspace.folder, {"of another": ""})
    assert list(await workspace.adopt([base], base=trees[1])) == []
    assert set(contents(workspace.folder)) == {*before, "new 1", "new 2", "of another"}


@keepers
async def test_a_tree_comes_back_whatever_happened_since(make: MakeTrees, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    write(workspace.folder, FILES)
    tree, before = await workspace.snapshot("one"), contents(workspace.folder)
    assert tree != workspace.base.candidate
    (workspace.folder / "todo.py").unlink()
    write(workspace.folder, {"empty": "no more", "a/new": "new"})
    other = await workspace.snapshot("two")
    assert sorted(await workspace.changed(tree, other)) == ["a/new", "empty", "todo.py"]
    assert sorted(await workspace.changed(other, tree)) == ["a/new", "empty", "todo.py"]
    assert "\n+no more\n" in await workspace.patch(tree, other)
    assert "\n-no more\n" in await workspace.patch(other, tree)
    assert "[cut here" in await workspace.patch(tree, other, most=10)
    for binary in (True, False):
        diff = await workspace.diff(tree, other, most=1 << 20, binary=binary)
        assert b"\n+no more" in diff
        assert await workspace.diff(tree, other, most=10, binary=binary) == diff[:10]
    await workspace.restore(tree)
    assert contents(workspace.folder) == before
    assert await workspace.snapshot("again") == tree


@keepers
async def test_restore_sets_removed_files_aside(make: MakeTrees, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    write(workspace.folder, {"half.txt": "half an edit\n"})
    await workspace.restore(workspace.base.candidate, set_aside=tmp_path / "aside" / "deep")
    left = "".join(one.read_text() for one in (tmp_path / "aside" / "deep").iterdir())
    assert "+half an edit" in left
    assert "half.txt" not in contents(workspace.folder)


@keepers
async def test_export_contains_the_tree(make: MakeTrees, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    write(workspace.folder, FILES)
    tree, before = await workspace.snapshot("one"), contents(workspace.folder)
    write(workspace.folder, {"empty": "changed since"})
    untouched = everything(workspace.folder)
    await workspace.export(tree, tmp_path / "out" / "copy")
    assert contents(tmp_path / "out" / "copy") == before
    assert everything(workspace.folder) == untouched


@keepers
async def test_missing_tree_changes_nothing(make: MakeTrees, tmp_path: Path) -> None:
    workspace = await make(tmp_path)
    write(workspace.folder, FILES)
    before = contents(workspace.folder)
    with pytest.raises(AttractorError):
        await workspace.restore("1" * 40)
    with pytest.raises(AttractorError):
        await workspace.changed("1" * 40, workspace.base.candidate)
    assert contents(workspace.folder) == before


async def test_no_environment_only_starts_and_stops() -> None:
    place = NoEnvironment()
    await place.cleanup()
    await place.initialize()
    assert place.promises() == Promises()
    for doing in (
        place.read_file("x"),
        place.write_file("x", "text"),
        place.delete_file("x"),
        place.file_exists("x"),
        place.list_directory("x"),
        place.grep("x", "x", GrepOptions()),
        place.glob("x"),
        place.exec_command("true", timeout_ms=1),
        place.start_service("true"),
    ):
        with pytest.raises(AttractorError) as caught:
            await doing
        assert caught.value.hint
    for asking in (
        place.working_directory,
        place.platform,
        place.os_version,
        lambda: place.reach(80),
        lambda: place.offer(80, "localhost:80"),
    ):
        with pytest.raises(AttractorError):
            asking()
    await place.cleanup()
    await place.cleanup()
