"""Serves an application on a socket for as long as a block lasts, signals left alone."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.base.errors import MachineryError

_BACKLOG = 2048
_DROP = "attractor.drop"


class _Server(uvicorn.Server):
    """A server that says when it is ready, and ends at once when it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.told_to_end = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told_to_end.wait()

    def drop(self, client: tuple[str, int]) -> None:
        """Close the connection of a client at once."""
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if tuple(transport.get_extra_info("peername")[:2]) == tuple(client):
                transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            # Before its task is ended, which would answer with an error of its own.
            connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listen(host: str, port: int) -> socket.socket:
    """Take a port, or a free one for 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # What is accepted inherits it: else a body waits 40 ms until its headers are confirmed.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        return listener
    except OSError as cause:
        raise MachineryError(
            f"the port {port} of {host} cannot be had: {cause}", hint="use another, or 0 for any"
        ) from cause


def drop_connection(scope: Scope) -> None:
    """Close the connection a request came by, without an answer."""
    scope[_DROP]()


@asynccontextmanager
async def serve(application: ASGIApp, listener: socket.socket) -> AsyncGenerator[None]:
    """Serve until the block ends; connections still open then are dropped."""

    async def droppable(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, _DROP: partial(server.drop, scope["client"])}, receive, send)

    server = _Server(
        uvicorn.Config(
            droppable,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            # A connection cut on purpose is no error worth a line.
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            # The time is the twin's own, or its answers would not be the same twice.
            date_header=False,
            # Longer than any client keeps an idle connection: none is closed while it is used anew.
            timeout_keep_alive=75,
            # Who is dropped is known by its own address, whatever its headers say.
            proxy_headers=False,
        )
    )
    serving = asyncio.create_task(server.serve([listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        yield
    finally:
        ready.cancel()
        server.told_to_end.set()
        await serving
        listener.close()
