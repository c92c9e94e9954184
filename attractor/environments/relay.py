"""Connections into and out of a container, through the stdin and stdout of a program inside.

The program is `_relay.py`, in any Python from 3.9 of the container. Nothing is mounted or copied.
"""

import asyncio
import itertools
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass, field
from attractor.base.errors import AttractorError
from attractor.environments._relay import ABORT, CREDIT, DATA, HEADER, OPEN, PIECE, WINDOW
from attractor.environments.errors import NotSupported, PortUnusable, RemoteLost
from attractor.environments.sandbox.sockets import RESET, Connect

_PROGRAM = Path(__file__).with_name("_relay.py")
# Time for the program inside to end, and so to free its port.
_END_S = 5.0

Start = Callable[[Sequence[str]], Awaitable[asyncio.subprocess.Process]]
"""Starts a command at the other side, with pipes."""


@asynccontextmanager
async def relayed(
    start: Start, python: str, mode: str, port: int, ends: Connect | socket.socket
) -> AsyncGenerator[None]:
    """Run the relay with a Python inside until the block ends.

    With the mode `listen`, `ends` connects each connection from inside; with `connect`, it is the
    listener whose connections go inside.
    """
    if not python:
        raise NotSupported(
            f"the container has no python3, which passes connections of port {port} on",
            hint="use an image with Python 3.9 or newer",
        )
    program = _PROGRAM.read_text("utf-8")
    process = await start([python, "-I", "-S", "-c", program, mode, str(port)])
    relay = _Relay(process, ends)
    relaying: asyncio.Task[None] | None = None
    try:
        await relay.require_ready(port)
        relaying = asyncio.create_task(relay.run())
        yield
    finally:
        if relaying:
            relaying.cancel()
            await asyncio.wait([relaying])
            # Nothing is left to do about a lost container: its next command reports it.
            _ = relaying.cancelled() or relaying.exception()
        await relay.end()


@dataclass
class _Stream:
    """A connection: the pieces that may still be sent, those that came, and its task."""

    credit: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WINDOW))
    pieces: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue[bytes]())
    task: asyncio.Task[None] | None = None


class _Relay:
    """The outer end of a relay."""

    def __init__(self, process: asyncio.subprocess.Process, ends: Connect | socket.socket) -> None:
        assert process.stdin
        assert process.stdout
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._ends = ends
        self._streams: dict[int, _Stream] = {}

    async def require_ready(self, port: int) -> None:
        """Wait until the program inside runs."""
        word, _, reason = (await self._stdout.readline()).decode("utf-8", "replace").partition(" ")
        match word.strip():
            case "ready":
                return
            case "busy":
                raise PortUnusable(
                    f"cannot listen on port {port} of the container: {reason.strip()}",
                    hint="choose a free port, at least 1024",
                )
            case _:
                assert self._process.stderr
                said = (await self._process.stderr.read()).decode("utf-8", "replace").split()
                raise RemoteLost(f"the connection was lost: {' '.join(said) or 'no reason given'}")

    async def run(self) -> None:
        """Pass connections on until the program inside ends."""
        async with asyncio.TaskGroup() as tasks:
            if isinstance(self._ends, socket.socket):
                tasks.create_task(self._accept(tasks, self._ends))
            while True:
                head = await self._stdout.readexactly(HEADER.size)
                number, kind, size = HEADER.unpack(head)
                data = await self._stdout.readexactly(size)
                if kind == OPEN and not isinstance(self._ends, socket.socket):
                    self._add(tasks, number, self._ends)
                elif stream := self._streams.get(number):
                    _receive(stream, kind, data)

    async def end(self) -> None:
        """End the program inside, and wait until its port is free."""
        self._stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self._process.wait()

    async def _accept(self, tasks: asyncio.TaskGroup, listener: socket.socket) -> None:
        for number in itertools.count():
            near, _ = await asyncio.get_running_loop().sock_accept(listener)
            self._send(number, OPEN)

            async def take(accepted: socket.socket = near) -> socket.socket:
                return accepted

            self._add(tasks, number, take)

    def _add(self, tasks: asyncio.TaskGroup, number: int, connect: Connect) -> None:
        stream = self._streams[number] = _Stream()
        stream.task = tasks.create_task(self._carry(number, stream, connect))

    async def _carry(self, number: int, stream: _Stream, connect: Connect) -> None:
        try:
            with await connect() as end:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                try:
                    async with asyncio.TaskGroup() as ways:
                        ways.create_task(self._pull(number, stream, end))
                        ways.create_task(self._push(number, stream, end))
                except BaseException:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    raise
        except* (OSError, AttractorError, UnicodeError):
            self._send(number, ABORT)
        finally:
            del self._streams[number]

    async def _pull(self, number: int, stream: _Stream, end: socket.socket) -> None:
        piece = b"x"
        while piece:
            await stream.credit.acquire()
            piece = await asyncio.get_running_loop().sock_recv(end, PIECE)
            self._send(number, DATA, piece)
            await self._stdin.drain()

    async def _push(self, number: int, stream: _Stream, end: socket.socket) -> None:
        while piece := await stream.pieces.get():
            await asyncio.get_running_loop().sock_sendall(end, piece)
            self._send(number, CREDIT)
        end.shutdown(socket.SHUT_WR)

    def _send(self, number: int, kind: bytes, data: bytes = b"") -> None:
        self._stdin.write(HEADER.pack(number, kind, len(data)) + data)


def _receive(stream: _Stream, kind: bytes, data: bytes) -> None:
    """Do what a frame from inside says."""
    if kind == DATA:
        stream.pieces.put_nowait(data)
    elif kind == CREDIT:
        stream.credit.release()
    elif kind == ABORT and stream.task:
        stream.task.cancel()
