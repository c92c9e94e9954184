"""Serves the two faces of a twin: one for its clients, one for whoever controls it."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, NamedTuple, TypeVar

from starlette.types import ASGIApp

from attractor.twins.serving import listen, serve

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
