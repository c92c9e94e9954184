"""Delivers a reply over a connection, at its pace and with its trouble."""

import asyncio
from datetime import timedelta

from starlette.types import Receive, Scope, Send

from attractor.twins.reply import Ending, Reply
from attractor.twins.serving import drop_connection


class Delivery:
    """A reply on its way, as an application that answers one request."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, unless its client goes away."""
        reply = self._reply
        if await _leaves_within(reply.delay, receive):
            return
        if reply.begins and not await _sends(reply, receive, send):
            return
        if reply.ending is Ending.SILENT:
            await _until_gone(receive)
        elif reply.ending is Ending.COMPLETE:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif not reply.begins:
            drop_connection(scope)
            await _until_gone(receive)
        # The server closes a connection whose reply was left before it was complete.


async def _sends(reply: Reply, receive: Receive, send: Send) -> bool:
    """Send all there is to send, and tell whether the client stayed."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for number, piece in enumerate(reply.pieces):
        if number and await _leaves_within(reply.pause, receive):
            return False
        # Whoever else is served has a turn, and it is heard that a client went away.
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    return True


async def _leaves_within(pause: timedelta, receive: Receive) -> bool:
    """Wait for a while, and tell whether the client went away meanwhile."""
    if not pause:
        return False
    try:
        async with asyncio.timeout(pause.total_seconds()):
            await _until_gone(receive)
    except TimeoutError:
        return False
    return True


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
