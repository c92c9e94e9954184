"""What every workspace does alike; those that keep trees, also with files.

`Trees` of test_attempts.py stands in where every stage is to look as if it changed something.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor.base.errors import AttractorError
from attractor.engine.no_workspace import NoEnvironment, NoWorkspace
from attractor.engine.seams import Workspace
from attractor.environments.environment import Promises
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.workspaces.dimension import Dimension
from attractor.workspaces.in_place import make_in_place
from tests.workspaces.projects import (
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    everything,
    write,
)

T = TypeVar("T")
Make = Callable[[Path], Awaitable[Workspace]]
MakeTrees = Callable[[Path], Awaitable[Dimension]]
FILES = {"größe 🐍.txt": "grüße\n", "a/b/c": "deep", "empty": "", "big": "x" * 2_000_000}


async def isolated(below: Path) -> Dimension:
    return await Project.made(below).workspace()


async def in_place(below: Path) -> Dimension:
    folder = below / "folder"
    write(folder, {"todo.py": "print('todo')\n", "docs/read me.txt": "read me\n"})
    return await make_in_place(
        folder, state=below / "state", run_id=RUN, search_path=SEARCH_PATH, environment=environment
    )


async def without_environment(below: Path) -> Workspace:
    return NoWorkspace()


async def with_environment(below: Path) -> Workspace:
    return NoWorkspace(MemoryExecutionEnvironment({"x": "text"}))


keepers = pytest.mark.parametrize("make", [isolated, in_place])
everybody = pytest.mark.parametrize(
    "make", [isolated, in_place, without_environment, with_environment]
)


def run(scene: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(scene, 60))


@everybody
def test_what_nobody_touched_has_one_tree_and_no_changes(make: Make, tmp_path: Path) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        base, place = workspace.base, workspace.environment
        first = await workspace.snapshot("one")
        assert first == base.candidate
        assert await workspace.snapshot("größe 🐍\n") == first
        await workspace.restore(first, set_aside=tmp_path / "aside")
        assert list(await workspace.changed(first, first)) == []
        assert not (tmp_path / "aside").exists()
        # Many may ask at the same time.
        taken = await asyncio.gather(*(workspace.snapshot(str(number)) for number in range(5)))
        assert set(taken) == {first}
        assert workspace.base == base
        assert workspace.environment is place

    run(scene())


@everybody
def test_a_tree_that_is_not_there_is_not_exported(make: Make, tmp_path: Path) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        with pytest.raises(AttractorError):
            await workspace.export("1" * 40, tmp_path / "copy")
        assert not (tmp_path / "copy").exists() or not list((tmp_path / "copy").iterdir())

    run(scene())


@everybody
def test_closing_is_harmless_when_repeated_and_takes_nothing_away(
    make: Make, tmp_path: Path
) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        tree = await workspace.snapshot("one")
        await workspace.close()
        await workspace.close()
        assert await workspace.snapshot("after") == tree
        await workspace.close()

    run(scene())


@keepers
def test_a_tree_comes_back_whatever_happened_since(make: MakeTrees, tmp_path: Path) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        write(workspace.folder, FILES)
        tree, before = await workspace.snapshot("one"), contents(workspace.folder)
        assert tree != workspace.base.candidate
        (workspace.folder / "todo.py").unlink()
        write(workspace.folder, {"empty": "no more", "a/new": "new"})
        other = await workspace.snapshot("two")
        assert sorted(await workspace.changed(tree, other)) == ["a/new", "empty", "todo.py"]
        assert sorted(await workspace.changed(other, tree)) == ["a/new", "empty", "todo.py"]
        await workspace.restore(tree)
        assert contents(workspace.folder) == before
        assert await workspace.snapshot("again") == tree

    run(scene())


@keepers
def test_what_a_restore_takes_away_goes_aside(make: MakeTrees, tmp_path: Path) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        write(workspace.folder, {"half.txt": "half an edit\n"})
        await workspace.restore(workspace.base.candidate, set_aside=tmp_path / "aside" / "deep")
        left = "".join(one.read_text() for one in (tmp_path / "aside" / "deep").iterdir())
        assert "+half an edit" in left
        assert "half.txt" not in contents(workspace.folder)

    run(scene())


@keepers
def test_an_export_is_the_tree_as_it_was_and_leaves_the_folder(
    make: MakeTrees, tmp_path: Path
) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        write(workspace.folder, FILES)
        tree, before = await workspace.snapshot("one"), contents(workspace.folder)
        write(workspace.folder, {"empty": "changed since"})
        untouched = everything(workspace.folder)
        await workspace.export(tree, tmp_path / "out" / "copy")
        assert contents(tmp_path / "out" / "copy") == before
        assert everything(workspace.folder) == untouched

    run(scene())


@keepers
def test_a_tree_that_is_not_there_changes_nothing(make: MakeTrees, tmp_path: Path) -> None:
    async def scene() -> None:
        workspace = await make(tmp_path)
        write(workspace.folder, FILES)
        before = contents(workspace.folder)
        with pytest.raises(AttractorError):
            await workspace.restore("1" * 40)
        with pytest.raises(AttractorError):
            await workspace.changed("1" * 40, workspace.base.candidate)
        assert contents(workspace.folder) == before

    run(scene())


def test_where_there_is_no_environment_one_can_begin_and_end_but_do_nothing() -> None:
    async def scene() -> None:
        place = NoEnvironment()
        await place.cleanup()
        await place.initialize()
        assert place.promises() == Promises()
        for doing in (
            place.read_file("x"),
            place.write_file("x", "text"),
            place.file_exists("x"),
            place.exec_command("true", timeout_ms=1),
            place.start_service("true"),
        ):
            with pytest.raises(AttractorError) as caught:
                await doing
            assert caught.value.hint
        await place.cleanup()
        await place.cleanup()

    run(scene())
