"""All environments that must satisfy the contract."""

from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path

import pytest

from attractor.environments.container import Container, ContainerExecutionEnvironment, Daemon
from attractor.environments.docker import DockerExecutionEnvironment
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from attractor.environments.logging import LoggingExecutionEnvironment
from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.environments.sandbox.environment import SandboxedExecutionEnvironment
from attractor.environments.ssh import SshExecutionEnvironment
from tests.counts import IS_FULL
from tests.environments.containers import IMAGE, podman
from tests.environments.places import KEEP, OPERATOR, make_walls
from tests.environments.remotes import CONTAINER, Server, put_docker, server
from tests.needs import ALLOWED

__all__ = ["server"]
# Docker and SSH differ only in their start; so do the two sandboxes with files.
REMOTE = ["docker", "ssh"] if IS_FULL else ["ssh"]
MORE = ["landlock", "logging", "docker", "podman"] if IS_FULL else []
PODMAN = ["podman"] if IS_FULL else []


@pytest.fixture(scope="session")
def with_docker(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables with the stand-in for docker on the PATH."""
    return OPERATOR | put_docker(tmp_path_factory.mktemp("docker"), OPERATOR["PATH"])


@pytest.fixture(scope="session")
def with_podman(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[str, str]]:
    """Variables with a real Podman and images on the PATH."""
    with podman(tmp_path_factory.mktemp("podman")) as environ:
        yield environ


@pytest.fixture(params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> str:
    """The name of an available sandbox."""
    request.getfixturevalue(ALLOWED[request.param])
    return request.param


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
    if kind == "logging":
        return LoggingExecutionEnvironment(_make("local", workspace, request), lambda line: None)
    if kind == "docker":
        environ = request.getfixturevalue("with_docker")
        return DockerExecutionEnvironment(CONTAINER, str(workspace), environ=environ, keep=KEEP)
    if kind == "podman":
        daemon = Daemon("podman", environ=request.getfixturevalue("with_podman"))
        return ContainerExecutionEnvironment(Container(daemon, IMAGE), keep=KEEP, is_attacked=False)
    if kind == "ssh":
        server: Server = request.getfixturevalue("server")
        return SshExecutionEnvironment(
            server.host, str(workspace), environ=OPERATOR, options=server.options, keep=KEEP
        )
    request.getfixturevalue(ALLOWED[kind])
    return SandboxedExecutionEnvironment(workspace, make_walls(kind), keep=KEEP)


@pytest.fixture(params=["memory", "local", "bubblewrap", *MORE, "ssh"])
def environment(request: pytest.FixtureRequest, workspace: Path) -> ExecutionEnvironment:
    """An environment with files."""
    return _make(request.param, workspace, request)


@pytest.fixture(params=["local", *ALLOWED, *REMOTE, *PODMAN])
def machine(request: pytest.FixtureRequest, workspace: Path) -> ExecutionEnvironment:
    """An environment with files and commands."""
    return _make(request.param, workspace, request)


@pytest.fixture(params=["local", "bubblewrap", *REMOTE, *PODMAN])
async def reachable(
    request: pytest.FixtureRequest, workspace: Path
) -> AsyncGenerator[ExecutionEnvironment]:
    """A running environment whose ports can be reached."""
    environment = _make(request.param, workspace, request)
    await environment.initialize()
    yield environment
    await environment.cleanup()


@pytest.fixture
async def env(environment: ExecutionEnvironment) -> AsyncGenerator[ExecutionEnvironment]:
    """A running environment with files."""
    await environment.initialize()
    yield environment
    await environment.cleanup()


@pytest.fixture
async def shell(machine: ExecutionEnvironment) -> AsyncGenerator[ExecutionEnvironment]:
    """A running environment with files and commands."""
    await machine.initialize()
    yield machine
    await machine.cleanup()


@pytest.fixture(params=["local", "bubblewrap", "docker", "ssh", *PODMAN])
async def offering(
    request: pytest.FixtureRequest, workspace: Path
) -> AsyncGenerator[ExecutionEnvironment]:
    """A running environment that can open a port."""
    environment = _make(request.param, workspace, request)
    await environment.initialize()
    yield environment
    await environment.cleanup()


@pytest.fixture(params=REMOTE)
async def remote(
    request: pytest.FixtureRequest, workspace: Path
) -> AsyncGenerator[ExecutionEnvironment]:
    """A running environment behind a remote program."""
    environment = _make(request.param, workspace, request)
    await environment.initialize()
    yield environment
    await environment.cleanup()
