"""Serves the two addresses of a twin, and sends each reply with its timing and fault."""

import asyncio
import errno
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
from ipaddress import ip_address
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError, MachineryError
from attractor.base.listening import accept_no_more
from attractor.twins.errors import PortInUse, Rejection
from attractor.twins.exchange.answer import Reply, ReplyEnd

_BACKLOG = 2048
_DROP = "attractor.drop"


class _Server(uvicorn.Server):
    """A uvicorn server that reports when it is ready, and stops without delay."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop_requested = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stop_requested.wait()

    def drop(self, client: tuple[str, int]) -> None:
        """Close the connection of a client without delay."""
        for connection in list(self.server_state.connections):
            transport = connection.transport
            if tuple(transport.get_extra_info("peername")[:2]) == tuple(client):
                transport.abort()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await accept_no_more(self.servers)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            # Before its task is cancelled, which would send an error.
            connection.transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listen(host: str, port: int) -> socket.socket:
    """Listen on a port (0: any free port)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # Connections inherit this option; without it, a body waits 40 ms for the confirmation of
        # its headers.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        return listener
    except OSError as cause:
        if cause.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from cause
        raise MachineryError(
            f"cannot listen on port {port} of {host}: {cause}", hint="use another port, or 0"
        ) from cause


def drop_connection(scope: Scope) -> None:
    """Close the connection of a request without a response."""
    scope[_DROP]()


@asynccontextmanager
async def serve(application: ASGIApp, listener: socket.socket) -> AsyncGenerator[None]:
    """Serve until the block ends, then drop open connections."""

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
            # A dropped connection is not an error to log.
            log_level=logging.CRITICAL,
            access_log=False,
            server_header=False,
            # With the machine's time, replies would not be reproducible.
            date_header=False,
            # Longer than the time limit of any client, so that the twin never closes a reused
            # connection.
            timeout_keep_alive=75,
            # `drop` needs the real address of the client.
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
        server.stop_requested.set()
        await serving
        listener.close()


MAX_BODY = 64 * 1024 * 1024
"""The largest body of a request to a twin."""


async def read_body(request: Request) -> bytes:
    """Return the body of a request, or reject a body that is too large.

    It is read to its end, because a client may read no response before.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY:
            pieces.clear()
        else:
            pieces.append(piece)
    if size > MAX_BODY:
        raise Rejection(413, f"the body is too large: {size} bytes, at most {MAX_BODY}")
    return b"".join(pieces)


def _require_own_host(application: ASGIApp, own: str) -> ASGIApp:
    """Refuse requests to the name of another host.

    A web page can let its own name lead to this machine, and then read the twin.
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", own)
        if _is_own_host(host, own):
            await application(scope, receive, send)
            return
        message = f"unknown host {host!r}: use an IP address or localhost"
        await JSONResponse({"error": {"message": message}}, 421)(scope, receive, send)

    return checked


def _is_own_host(host: str, own: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name in (own, "localhost"):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


LOOPBACK = "127.0.0.1"
T = TypeVar("T", bound=AbstractAsyncContextManager[Any])


class Addresses(NamedTuple):
    """The URLs of a twin."""

    url: str
    control_url: str


class Ports(NamedTuple):
    """The ports of a twin (0: any free port)."""

    port: int = 0
    control_port: int = 0


@asynccontextmanager
async def hosted(
    clients: ASGIApp, control: ASGIApp, ports: Ports, *, host: str = LOOPBACK
) -> AsyncGenerator[Addresses]:
    """Serve both addresses until the block ends."""
    async with AsyncExitStack() as stack:
        addresses: list[str] = []
        for application, port in zip((clients, control), ports, strict=True):
            listener = stack.enter_context(listen(host, port))
            name, number = listener.getsockname()[:2]
            addresses.append(
                f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"
            )
            guarded = _require_own_host(application, host)
            await stack.enter_async_context(serve(guarded, listener))
        yield Addresses(*addresses)


@contextmanager
def in_background(twin: T) -> Generator[T]:
    """Serve a twin from its own thread, for synchronous code."""
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


class Delivery:
    """An ASGI application that sends one reply."""

    def __init__(self, reply: Reply, clock: Clock | None = None) -> None:
        self._reply = reply
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the reply, or stop when the client disconnects."""
        reply = self._reply
        if await self._disconnects_within(reply.delay, receive):
            return
        if reply.begins and not await self._send(receive, send):
            return
        if reply.ending is ReplyEnd.SILENT:
            await until_disconnected(receive)
        elif reply.ending is ReplyEnd.COMPLETE:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not reply.begins:
            drop_connection(scope)
            await until_disconnected(receive)
        # For DROPPED, the server closes the connection of an incomplete response.

    async def _send(self, receive: Receive, send: Send) -> bool:
        """Send all pieces, and return whether the client stayed connected."""
        reply = self._reply
        headers = [
            (name.encode(), value.encode("latin-1")) for name, value in reply.headers.items()
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for number, piece in enumerate(reply.pieces):
            if await self._disconnects_within(reply.pause_before(number), receive):
                return False
            # Other requests get a turn, and a disconnect is noticed.
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        return True

    async def _disconnects_within(self, pause: timedelta, receive: Receive) -> bool:
        """Wait, and return whether the client disconnected meanwhile."""
        if not pause:
            return False
        gone = asyncio.ensure_future(until_disconnected(receive))
        waited = asyncio.ensure_future(self._clock.sleep(pause))
        try:
            await asyncio.wait({gone, waited}, return_when=asyncio.FIRST_COMPLETED)
            return gone.done()
        finally:
            gone.cancel()
            waited.cancel()
            await asyncio.gather(gone, waited, return_exceptions=True)


async def until_disconnected(receive: Receive) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass


class ErrorReporter:
    """Collects and reports errors that cannot be sent to a client."""

    def __init__(self, on_error: Callable[[AttractorError], None] | None = None) -> None:
        self.errors: list[AttractorError] = []
        self._on_error = on_error

    def try_to(self, action: Callable[[], object]) -> bool:
        """Call a function, and return whether the call succeeded."""
        try:
            action()
        except AttractorError as error:
            self.errors.append(error)
            if self._on_error:
                self._on_error(error)
            return False
        return True
