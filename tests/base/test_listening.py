"""The end of servers of asyncio."""

import asyncio
import gc
import socket
import warnings

from attractor.base.listening import accept_no_more


def test_server_that_accepts_no_more_leaks_no_connection() -> None:
    async def serve() -> None:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        clients.extend(socket.create_connection(server.sockets[0].getsockname()) for _ in range(9))
        # The loop accepts, and the tasks of the connections have not begun.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await accept_no_more([server])
        server.close()

    clients = list[socket.socket]()
    with warnings.catch_warnings(record=True, action="always") as leaks:
        asyncio.run(serve())
        gc.collect()
    for client in clients:
        client.close()
    assert [str(one.message) for one in leaks] == []
