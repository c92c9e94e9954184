"""The environments that a contract must hold for."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from tests.environments.places import KEEP, OPERATOR, make_walls, why_no_sandbox


@pytest.fixture(scope="session")
def sandbox_allowed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where no sandbox can be had."""
    if why := why_no_sandbox(tmp_path_factory.mktemp("trial")):
        pytest.skip(f"no sandbox here: {why}")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def _make(kind: str, workspace: Path, request: pytest.FixtureRequest) -> ExecutionEnvironment:
    if kind == "memory":
        return MemoryExecutionEnvironment()
    if kind == "local":
        return LocalExecutionEnvironment(workspace, environ=OPERATOR, keep=KEEP)
    request.getfixturevalue("sandbox_allowed")
    return SandboxedExecutionEnvironment(workspace, make_walls(), keep=KEEP)


@pytest.fixture(params=["memory", "local", "sandboxed"])
def environment(request: pytest.FixtureRequest, workspace: Path) -> ExecutionEnvironment:
    """An environment with files."""
    return _make(request.param, workspace, request)


@pytest.fixture(params=["local", "sandboxed"])
def machine(request: pytest.FixtureRequest, workspace: Path) -> ExecutionEnvironment:
    """An environment with files and commands."""
    return _make(request.param, workspace, request)


@pytest.fixture
async def env(environment: ExecutionEnvironment) -> AsyncGenerator[ExecutionEnvironment]:
    """An environment with files, between its first call and its last."""
    await environment.initialize()
    yield environment
    await environment.cleanup()


@pytest.fixture
async def shell(machine: ExecutionEnvironment) -> AsyncGenerator[ExecutionEnvironment]:
    """An environment with files and commands, between its first call and its last."""
    await machine.initialize()
    yield machine
    await machine.cleanup()
