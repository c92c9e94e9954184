"""Connections into and out of a container."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from attractor.environments.docker import DockerExecutionEnvironment
from attractor.environments.errors import NotSupported
from tests.environments.places import FAR_MS
from tests.environments.remotes import CONTAINER
from tests.patience import PATIENCE_S, until
from tests.ports import free_port

pytestmark = pytest.mark.anyio

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LARGE = bytes(range(256)) * 40_000


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer after the other side has closed its half."""
    said = await reader.read()
    writer.write(hashlib.sha256(said).hexdigest().encode() + said)
    await writer.drain()
    writer.close()


@asynccontextmanager
async def offered(container: DockerExecutionEnvironment, answer: Answer) -> AsyncGenerator[int]:
    """Yield a port inside whose connections are answered here."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = free_port()
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with container.offer(port, address):
            yield port


@pytest.fixture
async def container(
    workspace: Path, with_docker: dict[str, str]
) -> AsyncGenerator[DockerExecutionEnvironment]:
    environment = DockerExecutionEnvironment(CONTAINER, str(workspace), environ=with_docker)
    await environment.initialize()
    yield environment
    await environment.cleanup()


CLIENT = """
import hashlib, socket, sys
from concurrent.futures import ThreadPoolExecutor
port, number, size = map(int, sys.argv[1:])
sent = bytes(range(256)) * size
def talk(_):
    with socket.create_connection(("127.0.0.1", port)) as made:
        made.sendall(sent)
        made.shutdown(socket.SHUT_WR)
        with made.makefile("rb") as answer:
            return answer.read() == hashlib.sha256(sent).hexdigest().encode() + sent
with ThreadPoolExecutor(number) as pool:
    print(sum(pool.map(talk, range(number))))
"""


@pytest.mark.parametrize(("number", "size"), [(1, 40_000), (20, 400)])
async def test_half_closed_connections_get_their_whole_answer(
    container: DockerExecutionEnvironment, number: int, size: int
) -> None:
    await container.write_file("client.py", CLIENT)
    async with offered(container, echo) as port:
        command = f"python3 client.py {port} {number} {size}"
        assert (await container.exec_command(command, timeout_ms=FAR_MS)).stdout == f"{number}\n"


async def test_slow_reader_stops_no_other_connection(
    container: DockerExecutionEnvironment,
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline() == b"much\n":
            writer.write(LARGE)
        else:
            writer.write(b"little")
        await writer.drain()
        writer.close()

    command = """
        exec 3<>/dev/tcp/127.0.0.1/{0}; echo much >&3; sleep 0.3
        exec 4<>/dev/tcp/127.0.0.1/{0}; echo little >&4; cat <&4
        wc -c <&3
    """
    async with offered(container, answer) as port:
        result = await container.exec_command(command.format(port), timeout_ms=FAR_MS)
    assert result.stdout == f"little{len(LARGE)}\n"


@pytest.mark.parametrize("gone", ["client", "server"])
async def test_connection_ends_at_both_sides(
    container: DockerExecutionEnvironment, gone: str
) -> None:
    ended: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if gone == "server":
            writer.transport.abort()
            return
        writer.write(b"x")
        ended.append(await reader.read())
        writer.close()

    async with offered(container, answer) as port:
        talk = f"exec 3<>/dev/tcp/127.0.0.1/{port}; head -c 1 <&3; kill -9 $$"
        said = await container.exec_command(talk, timeout_ms=FAR_MS)
        assert said.stdout == ("x" if gone == "client" else "")
        if gone == "client":
            await until(lambda: ended == [b""])


async def test_service_inside_gets_half_closed_connections(
    container: DockerExecutionEnvironment,
) -> None:
    serve = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        made, _ = server.accept()
        with made, made.makefile("rb") as said:
            made.sendall(said.read()[::-1])
"""
    await container.write_file("serve.py", serve)
    service = await container.start_service("exec python3 serve.py")
    port = int(await anext(aiter(service.output())))
    async with container.reach(port) as address, asyncio.timeout(PATIENCE_S):
        for _ in range(3):
            reader, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(LARGE)
            writer.write_eof()
            assert await reader.read() == LARGE[::-1]
            writer.close()


async def test_a_container_without_python_offers_no_port(
    workspace: Path, with_docker: dict[str, str]
) -> None:
    programs = workspace.parent / "bin"
    programs.mkdir()
    for name in ("sh", "uname", "setsid", "grep"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    environ = with_docker | {"CONTAINER_PATH": str(programs)}
    environment = DockerExecutionEnvironment(CONTAINER, str(workspace), environ=environ)
    await environment.initialize()
    with pytest.raises(NotSupported, match="8080") as caught:
        async with environment.offer(8080, "127.0.0.1:80"):
            pass
    assert "Python" in caught.value.hint
    await environment.cleanup()
