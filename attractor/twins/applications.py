"""The two faces of a provider twin: what its clients see, and what whoever controls it sees."""

import asyncio
import hmac
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.twins.answer import FaultKind
from attractor.twins.exchange import Arrival, Reply, list_models, reply_to
from attractor.twins.request_log import RequestLog
from attractor.twins.script import Script
from attractor.twins.wire import ListsModels, Wire


def provider_application(script: Script, wires: Sequence[Wire], log: RequestLog) -> Starlette:
    """Answer every wire at its path, as the script says."""
    routes = [_route(script, wire, log) for wire in wires]
    routes += [_list(script, wire, log) for wire in wires if isinstance(wire, ListsModels)]
    spoken = ", ".join(f"POST {wire.path}" for wire in wires)
    told = {"error": {"message": f"this twin speaks {spoken} and nothing else"}}

    async def not_spoken(request: Request, error: Exception) -> Response:
        return JSONResponse(told, 404)

    return Starlette(routes=routes, exception_handlers={404: not_spoken, 405: not_spoken})


def control_application(log: RequestLog, token: str) -> Starlette:
    """Show what was asked, to whoever has the token."""

    async def requests(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return JSONResponse({"error": "this needs the twin's token"}, 401)
        return JSONResponse({"requests": [one.record() for one in log.entries]})

    return Starlette(routes=[Route("/requests", requests, methods=["GET"])])


def _route(script: Script, wire: Wire, log: RequestLog) -> Route:
    async def answer(request: Request) -> ASGIApp:
        body = await request.body()
        attempt = log.count_attempt(f"{wire.name} {request.url.path}", body)
        arrival = Arrival(wire, dict(request.headers), body, attempt, request.path_params)
        reply = reply_to(arrival, script)
        log.add(arrival, reply)
        await asyncio.sleep(reply.delay.total_seconds())
        return _Sent(reply)

    return Route(wire.path, answer, methods=["POST"])


def _list(script: Script, wire: ListsModels, log: RequestLog) -> Route:
    async def models(request: Request) -> ASGIApp:
        arrival = Arrival(wire, dict(request.headers), b"")
        reply = list_models(wire, arrival.headers, script)
        log.add(arrival, reply)
        return _Sent(reply)

    return Route(wire.models_path, models, methods=["GET"])


class _Sent:
    """A reply on its way: whole, cut off in the middle, or never."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._reply
        if reply.trouble is FaultKind.HANG:
            await _until_gone(receive)
        elif reply.trouble is FaultKind.CUT:
            await _cut(reply, send)
        else:
            headers = {"content-type": "application/json", **reply.headers}
            await Response(reply.body, reply.status, headers)(scope, receive, send)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(reply: Reply, send: Send) -> None:
    """Promise a whole body and send half: the server closes a connection that is left like this."""
    length = str(len(reply.body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    half = reply.body[: len(reply.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
