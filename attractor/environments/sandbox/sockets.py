"""Forwards connections into and out of a sandbox, and reads the output of commands from pipes."""

import asyncio
import ctypes
import os
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.environments.errors import PortUnusable

Connect = Callable[[], Awaitable[socket.socket]]

LOOPBACK = "127.0.0.1"

_PIECE = 64 * 1024
RESET = struct.pack("ii", 1, 0)
# Time for a file descriptor to become free.
_RETRY_S = 0.05


@dataclass(frozen=True)
class Address:
    """A host and a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse `host:port`; the host may be in brackets."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(
                f"invalid address {text!r}", hint="write host:port, such as 127.0.0.1:8080"
            )
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    async def connect(self) -> socket.socket:
        """Return a connection to the address."""
        loop = asyncio.get_running_loop()
        *others, last = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, address in others:
            with suppress(OSError):
                return await connect_socket(socket.socket(family, kind, protocol), address)
        family, kind, protocol, _, address = last
        return await connect_socket(socket.socket(family, kind, protocol), address)


async def connect_socket(made: socket.socket, address: tuple[Any, ...]) -> socket.socket:
    """Connect a socket and return it; if connecting fails, close the socket."""
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


def listen(made: socket.socket, port: int, *, is_shared: bool = False) -> socket.socket:
    """Listen on a port of the loopback (0: any free port); if this fails, close the socket.

    Processes of the same person may listen on a shared port at once: each gets some connections.
    """
    try:
        if is_shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
        made.listen()
        made.setblocking(False)
    except (OSError, OverflowError) as cause:
        made.close()
        hint = "choose a free port, at least 1024"
        raise PortUnusable(f"cannot listen on port {port}: {cause}", hint=hint) from cause
    return made


# Missing in Python's module of sockets; a program of one instruction: "return 1".
_ATTACH_REUSEPORT_CBPF = 51
_SECOND = struct.pack("HBBI", 0x06, 0, 0, 1)


def take_new_connections(second: socket.socket) -> None:
    """Direct new connections to the second listener of a shared port, from now on.

    So the first one can take its last connections and close: a listener that is closed resets the
    connections that the kernel gave it meanwhile. A listener that is alone gets all connections.
    """
    program = ctypes.create_string_buffer(_SECOND)
    filter_ = struct.pack("HP", 1, ctypes.addressof(program))
    second.setsockopt(socket.SOL_SOCKET, _ATTACH_REUSEPORT_CBPF, filter_)


@asynccontextmanager
async def forwarded(
    listener: socket.socket, connect: Connect, *, stopping: asyncio.Event | None = None
) -> AsyncGenerator[None]:
    """Forward every connection until the block ends, then close all connections.

    After `stopping`, the listener is closed, and accepted connections stay open.
    """
    forwarding = asyncio.create_task(_forward_all(listener, connect, stopping or asyncio.Event()))
    try:
        yield
    finally:
        forwarding.cancel()
        with listener:
            # Awaiting the task itself, and suppressing its end, would lose a cancellation of ours.
            await asyncio.wait([forwarding])
        if not forwarding.cancelled():
            forwarding.result()


async def _forward_all(listener: socket.socket, connect: Connect, stopping: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:

        def forward(near: socket.socket) -> None:
            tasks.create_task(_forward(near, connect))

        accepting = tasks.create_task(_accept(listener, forward))
        await stopping.wait()
        accepting.cancel()
        await asyncio.wait([accepting])
        # Closing the listener would reset connections that the kernel has accepted.
        with listener, suppress(BlockingIOError):
            while True:
                near, _ = listener.accept()
                near.setblocking(False)
                forward(near)


async def _accept(listener: socket.socket, take: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            near, _ = await asyncio.get_running_loop().sock_accept(listener)
        except OSError:
            await asyncio.sleep(_RETRY_S)
            continue
        take(near)


async def _forward(near: socket.socket, connect: Connect) -> None:
    with near:
        try:
            far = await connect()
        except (OSError, AttractorError, UnicodeError):
            # Nothing listens there, the sandbox is gone, or the name is no host: signal a reset.
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return
        with far:
            for end in (near, far):
                # Otherwise the second piece of a response waits 40 ms for an acknowledgment.
                if end.family == socket.AF_INET:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_copy(near, far))
                ways.create_task(_copy(far, near))


async def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy one direction of a connection to its end, and forward the end."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while piece := await loop.sock_recv(source, _PIECE):
            await loop.sock_sendall(sink, piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


# Time limit for a process left over that fills the pipe faster than it is read.
_DRAIN_S = 0.5


class PipeReader:
    """The reading end of a pipe; never waits for a process that holds the pipe open."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._loop.add_reader(self._reader, self._read)

    @property
    def writer(self) -> int:
        """The writing end."""
        return self._writer

    def close_writer(self) -> None:
        """Close the writing end in this process."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    async def drain(self) -> None:
        """Read all data that is already in the pipe."""
        until = monotonic() + _DRAIN_S
        while self._read() and monotonic() < until:
            await asyncio.sleep(0)

    def close(self) -> None:
        """Close both ends; harmless when repeated."""
        self.close_writer()
        if self._reader >= 0:
            self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _read(self) -> bool:
        """Read one piece, and return whether a piece was available."""
        if self._reader < 0:
            return False
        try:
            piece = os.read(self._reader, _PIECE)
        except BlockingIOError:
            return False
        if piece:
            self._take(piece)
        else:
            self.close()
        return bool(piece)
