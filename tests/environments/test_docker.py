"""The environment in a container."""

import asyncio

import pytest

from attractor.base.errors import ProcessNotStarted
from attractor.environments.docker import DockerExecutionEnvironment
from attractor.environments.errors import NotSupported, RemoteLost


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


def test_a_running_container_cannot_get_a_port(with_docker: dict[str, str]) -> None:
    environment = DockerExecutionEnvironment("box", environ=with_docker)
    with pytest.raises(NotSupported, match="port 8080") as caught:
        environment.offer(8080, "127.0.0.1:80")
    assert caught.value.hint
