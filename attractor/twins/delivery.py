"""Delivers a reply over a connection, at its pace and with its trouble."""

import asyncio
from datetime import timedelta

from starlette.types import Receive, Scope, Send

from attractor.base.clock import Clock, SystemClock
from attractor.twins.reply import Ending, Reply
from attractor.twins.serving import drop_connection


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
        if reply.ending is Ending.SILENT:
            await until_gone(receive)
        elif reply.ending is Ending.COMPLETE:
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
