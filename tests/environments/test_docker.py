"""The environment in a container."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import ProcessNotStarted
from attractor.environments.docker import DockerExecutionEnvironment
from attractor.environments.errors import RemoteLost
from tests.environments.remotes import CONTAINER


@pytest.mark.parametrize(
    ("container", "path", "error", "words"),
    [
        ("gone", None, RemoteLost, "No such container: gone"),
        ("box", "/nowhere", ProcessNotStarted, "cannot start docker"),
    ],
)
def test_missing_container_or_program_is_reported(
    container: str,
    path: str | None,
    error: type[Exception],
    words: str,
    with_docker: dict[str, str],
) -> None:
    environ = with_docker | ({"PATH": path} if path else {})
    with pytest.raises(error, match=words):
        asyncio.run(DockerExecutionEnvironment(container, environ=environ).initialize())


@pytest.mark.anyio
async def test_service_ends_even_if_its_program_does_not(
    workspace: Path, with_docker: dict[str, str], tmp_path: Path
) -> None:
    hangs, program = tmp_path / "hangs", tmp_path / "docker"
    program.write_text(
        f'#!/bin/sh\n[ ! -e {hangs} ] || {{ docker "$@" >&2; sleep 500; }}\nexec docker "$@"\n'
    )
    program.chmod(0o755)
    environment = DockerExecutionEnvironment(
        CONTAINER, str(workspace), program=str(program), environ=with_docker
    )
    await environment.initialize()
    hangs.touch()
    service = await environment.start_service("sleep 500")
    async with asyncio.timeout(30):
        await service.stop()
    hangs.unlink()
    await environment.cleanup()
