"""The two faces of a provider twin: what its clients see, and what whoever controls it sees."""

import hmac
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from attractor.twins.delivery import Delivery
from attractor.twins.exchange import Arrival, list_models, reply_to
from attractor.twins.prompt_cache import PromptCache
from attractor.twins.reply import Reply
from attractor.twins.request_log import RequestLog
from attractor.twins.script import Script
from attractor.twins.wire import ListsModels, Wire

Answers = Callable[[Arrival], Reply]


def provider_application(script: Script, wires: Sequence[Wire], log: RequestLog) -> Starlette:
    """Answer every wire at its path, as the script says."""
    prompts = PromptCache()

    def reply(arrival: Arrival) -> Reply:
        return reply_to(arrival, script, prompts)

    routes = [_route(reply, wire, path, log) for wire in wires for path in _paths(wire)]
    listing = [wire for wire in wires if isinstance(wire, ListsModels)]
    shown = dict.fromkeys(path for wire in listing for path in wire.models_paths)
    routes += [_list(script, listing, path, log) for path in shown]
    spoken = ", ".join(f"POST {path}" for wire in wires for path in _paths(wire))
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


def _paths(wire: Wire) -> Sequence[str]:
    return [wire.path, *wire.other_paths]


def _route(answers: Answers, wire: Wire, path: str, log: RequestLog) -> Route:
    async def answer(request: Request) -> ASGIApp:
        body = await request.body()
        attempt = log.count_attempt(f"{wire.name} {request.url.path}", body)
        headers = dict(request.headers)
        arrival = Arrival(wire, headers, body, attempt, request.path_params, _target(request))
        reply = answers(arrival)
        log.add(arrival, reply)
        return Delivery(reply)

    return Route(path, answer, methods=["POST"])


def _list(script: Script, wires: Sequence[ListsModels], path: str, log: RequestLog) -> Route:
    here = [wire for wire in wires if path in wire.models_paths]

    async def models(request: Request) -> ASGIApp:
        wire = next((one for one in here if one.is_meant(request.headers)), here[-1])
        arrival = Arrival(wire, dict(request.headers), b"", target=_target(request))
        reply = list_models(wire, arrival.headers, script)
        log.add(arrival, reply)
        return Delivery(reply)

    return Route(path, models, methods=["GET"])


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
