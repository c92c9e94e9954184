"""Connections are forwarded in both directions until they end."""

import asyncio
import socket
import threading
from contextlib import suppress

import pytest

from attractor.base.errors import UsageError
from attractor.environments.errors import PortUnusable, SandboxLost
from attractor.environments.sandbox.sockets import (
    LOOPBACK,
    Address,
    forwarded,
    listen,
    take_new_connections,
)
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio


def new_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def port_of(listener: socket.socket) -> int:
    return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "address"),
    [("localhost:80", Address("localhost", 80)), ("[::1]:65535", Address("::1", 65535))],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@table("text", ["", "80", ":80", "host:", "host:0", "host:65536", "h:x", "h:²"])
def test_invalid_addresses_are_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="invalid address"):
        Address.parse(text)


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    said = await reader.read()  # until EOF: a half-closed connection must be forwarded
    writer.write(said.upper())
    await writer.drain()
    writer.close()


async def ask(port: int, said: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(said)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_many_connections_are_carried_whole_at_the_same_time() -> None:
    server = await asyncio.start_server(shout, LOOPBACK, 0)
    listener = listen(new_socket(), 0)
    async with server:
        connect = Address(LOOPBACK, port_of(server.sockets[0])).connect
        async with forwarded(listener, connect), asyncio.timeout(PATIENCE_S):
            texts = [bytes([97 + number]) * 300_000 for number in range(10)]
            found = await asyncio.gather(*(ask(port_of(listener), one) for one in texts))
            assert found == [one.upper() for one in texts]


async def test_connections_to_a_closed_port_are_reset() -> None:
    with new_socket() as unused:
        unused.bind((LOOPBACK, 0))
        listener = listen(new_socket(), 0)
        async with forwarded(listener, Address(LOOPBACK, port_of(unused)).connect):
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    assert await ask(port_of(listener), b"x") == b"reset", "closed, not reset"


async def test_connections_are_reset_after_the_end_of_the_sandbox() -> None:
    async def connect() -> socket.socket:
        raise SandboxLost

    listener = listen(new_socket(), 0)
    async with forwarded(listener, connect), asyncio.timeout(PATIENCE_S):
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await ask(port_of(listener), b"x")


async def test_at_the_end_connections_are_closed_and_the_port_is_free() -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hold, LOOPBACK, 0)
    listener = listen(new_socket(), 0)
    port = port_of(listener)
    async with server, asyncio.timeout(PATIENCE_S):
        async with forwarded(listener, Address(LOOPBACK, port_of(server.sockets[0])).connect):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(b"x")
            await writer.drain()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        listen(new_socket(), port).close()


async def test_cancellation_at_the_end_of_forwarding_is_not_lost() -> None:
    async def never() -> socket.socket:
        raise AssertionError("nobody connects")

    async def forward() -> None:
        async with forwarded(listen(new_socket(), 0), never):
            pass

    task = asyncio.create_task(forward())
    # Now it waits for the end of the forwarding.
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_port_in_use_is_reported() -> None:
    with listen(new_socket(), 0) as taken:
        with pytest.raises(PortUnusable, match=str(port_of(taken))):
            listen(new_socket(), port_of(taken))
        with pytest.raises(PortUnusable):
            listen(new_socket(), 70_000)


def test_no_connection_is_reset_when_a_listener_takes_a_shared_port_over() -> None:
    listener = listen(socket.socket(), 0, is_shared=True)
    address, faults, ended = listener.getsockname(), list[OSError](), threading.Event()

    def connect() -> None:
        while not ended.is_set():
            try:
                with socket.create_connection(address, timeout=PATIENCE_S) as near:
                    assert near.recv(1) == b"x"
            except OSError as error:
                faults.append(error)

    clients = [threading.Thread(target=connect) for _ in range(3)]
    for one in clients:
        one.start()
    for _ in range(100):
        answer_for_a_while(listener)
        successor = listen(socket.socket(), address[1], is_shared=True)
        take_new_connections(successor)
        answer_for_a_while(listener, rounds=1)
        listener.close()
        listener = successor
    ended.set()
    # A client that looked before the end connects once more.
    while any(one.is_alive() for one in clients):
        answer_for_a_while(listener)
    listener.close()
    assert faults == []


def answer_for_a_while(listener: socket.socket, *, rounds: int = 50) -> None:
    """Answer connections until none waits, in some rounds."""
    for _ in range(rounds):
        with suppress(BlockingIOError):
            while True:
                near, _ = listener.accept()
                with near:
                    near.send(b"x")
