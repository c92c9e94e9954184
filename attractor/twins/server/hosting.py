"""Serves a twin's two addresses, and delivers replies with their timing and faults."""

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError, MachineryError
from attractor.twins.exchange.reply import Reply, ReplyEnd

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


LOOPBACK = "127.0.0.1"


T = TypeVar("T", bound=AbstractAsyncContextManager[Any])


class Addresses(NamedTuple):
    """Where a twin is reached."""

    url: str
    control_url: str


class Ports(NamedTuple):
    """Where a twin is to be reached; any free port for 0."""

    port: int = 0
    control_port: int = 0


@asynccontextmanager
async def hosted(
    clients: ASGIApp, control: ASGIApp, ports: Ports, *, host: str = LOOPBACK
) -> AsyncGenerator[Addresses]:
    """Serve both faces until the block ends."""
    async with AsyncExitStack() as stack:
        addresses: list[str] = []
        for application, port in zip((clients, control), ports, strict=True):
            listener = stack.enter_context(listen(host, port))
            addresses.append(_address(listener))
            await stack.enter_async_context(serve(application, listener))
        yield Addresses(*addresses)


@contextmanager
def in_background(twin: T) -> Generator[T]:
    """Serve a twin from a thread of its own, for code that is not asynchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="twin")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(twin.__aenter__(), loop).result()
        try:
            yield twin
        finally:
            asyncio.run_coroutine_threadsafe(twin.__aexit__(None, None, None), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Delivery:
    """A reply on its way, as an application that answers one request."""

    def __init__(self, reply: Reply, clock: Clock | None = None) -> None:
        self._reply = reply
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless its client goes away."""
        reply = self._reply
        if await self._leaves_within(reply.delay, receive):
            return
        if reply.begins and not await self._sends(receive, send):
            return
        if reply.ending is ReplyEnd.SILENT:
            await until_gone(receive)
        elif reply.ending is ReplyEnd.COMPLETE:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not reply.begins:
            drop_connection(scope)
            await until_gone(receive)
        # The server closes a connection whose reply was left before it was complete.

    async def _sends(self, receive: Receive, send: Send) -> bool:
        """Send all there is to send, and tell whether the client stayed."""
        reply = self._reply
        headers = [(name.encode(), said.encode("latin-1")) for name, said in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for number, piece in enumerate(reply.pieces):
            if await self._leaves_within(reply.pause_before(number), receive):
                return False
            # Whoever else is served has a turn, and it is heard that a client went away.
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        return True

    async def _leaves_within(self, pause: timedelta, receive: Receive) -> bool:
        """Wait for a while, and tell whether the client went away meanwhile."""
        if not pause:
            return False
        gone = asyncio.ensure_future(until_gone(receive))
        waited = asyncio.ensure_future(self._clock.sleep(pause))
        try:
            await asyncio.wait({gone, waited}, return_when=asyncio.FIRST_COMPLETED)
            return gone.done()
        finally:
            gone.cancel()
            waited.cancel()
            await asyncio.gather(gone, waited, return_exceptions=True)


async def until_gone(receive: Receive) -> None:
    """Wait until the client went away."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Complaints:
    """Remembers such trouble, and tells whoever wants to hear."""

    def __init__(self, hears: Callable[[AttractorError], None] | None = None) -> None:
        self.troubles: list[AttractorError] = []
        self._hears = hears

    def has_done(self, act: Callable[[], object]) -> bool:
        """Do something, and tell whether it could be done."""
        try:
            act()
        except AttractorError as error:
            self.troubles.append(error)
            if self._hears:
                self._hears(error)
            return False
        return True
