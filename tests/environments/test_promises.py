"""Promises are proved by attempts, and a leak is seen."""

import asyncio
import sys
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.environments.promises import Make, prove
from attractor.environments.sandboxed import SandboxedExecutionEnvironment
from tests.environments.places import OPERATOR, make_walls

ALL = Promises(
    hides_operator=True, own_network=True, own_processes=True, writes_only_workspace=True
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    (folder / "tools/bin").mkdir(parents=True)
    (folder / ".netrc").write_text("key")
    return folder


def behind(read: list[Path], hide: list[Path]) -> Make:
    walls = make_walls(read=read, hide=hide)
    return lambda folder: SandboxedExecutionEnvironment(folder, walls)


def attempt(make: Make, hide: list[Path], read: list[Path], scratch: Path) -> Promises:
    return asyncio.run(
        prove(make, python="/usr/bin/python3", hide=hide, read=read, scratch=scratch)
    )


@pytest.mark.usefixtures("sandbox_allowed")
def test_a_sandbox_keeps_every_promise(home: Path, tmp_path: Path) -> None:
    read = [home / "tools"]
    assert attempt(behind(read, [home]), [home], read, tmp_path) == ALL
    assert ALL.guards_holdouts
    assert sorted(file.name for file in tmp_path.iterdir()) == ["home"]
    assert sorted(file.name for file in home.iterdir()) == [".netrc", "tools"]


@pytest.mark.usefixtures("sandbox_allowed")
def test_a_folder_that_shows_after_all_is_seen(home: Path, tmp_path: Path) -> None:
    leaky = behind([home], [])
    promises = attempt(leaky, [home], [], tmp_path)
    assert promises == Promises(False, True, True, True)
    assert not promises.guards_holdouts


def test_a_machine_without_walls_keeps_no_promise(home: Path, tmp_path: Path) -> None:
    def make(folder: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(folder, environ=OPERATOR)

    promises = asyncio.run(
        prove(make, python=sys.executable, hide=[home], scratch=tmp_path, places=[])
    )
    assert promises == Promises()
    assert sorted(file.name for file in home.iterdir()) == [".netrc", "tools"]


def test_attempts_that_did_not_run_prove_nothing(home: Path, tmp_path: Path) -> None:
    def make(folder: Path) -> ExecutionEnvironment:
        return LocalExecutionEnvironment(folder, environ=OPERATOR)

    assert (
        asyncio.run(prove(make, python="/bin/false", hide=[home], scratch=tmp_path)) == Promises()
    )


def test_an_environment_in_memory_is_not_asked_to_promise() -> None:
    assert MemoryExecutionEnvironment().promises() == Promises()
