"""The end of servers of asyncio."""

import asyncio
from collections.abc import Iterable

_TURNS = 3


async def accept_no_more(servers: Iterable[asyncio.Server]) -> None:
    """Let the connections that were accepted begin: a server that is closed before leaks them."""
    loop = asyncio.get_running_loop()
    for server in servers:
        for listener in server.sockets:
            loop.remove_reader(listener.fileno())
    for _ in range(_TURNS):
        await asyncio.sleep(0)
