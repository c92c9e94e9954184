"""What the clients of a service twin see: the service, at every path."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.twins.delivery import Delivery
from attractor.twins.services.recorder import Recorder
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.stand_in import StandIn


def service_application(stand_in: StandIn, recorder: Recorder | None = None) -> ASGIApp:
    """Answer every request as the service would, or ask the service and record what it answers."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = ServiceRequest(
            request.method, _target(scope), dict(request.headers), await request.body()
        )
        if recorder:
            await recorder.forward(asked)(scope, receive, send)
            return
        # Away from the loop: a handler may take its time, and clients wait for their turn.
        reply = await asyncio.to_thread(stand_in.answer, asked)
        await Delivery(reply)(scope, receive, send)

    return answer


def _target(scope: Scope) -> str:
    path = scope["raw_path"].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
