"""What the clients of a provider twin see: every wire at its paths."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from attractor.twins.delivery import Delivery
from attractor.twins.exchange import Arrival
from attractor.twins.forwarding import Forwarder
from attractor.twins.state import State
from attractor.twins.wire import ListsModels, Wire

Endpoint = Callable[[Request], Awaitable[ASGIApp]]


def provider_application(state: State, forwarder: Forwarder | None = None) -> Starlette:
    """Answer every wire at its paths, or ask its provider and record what that answers."""
    wires = list(state.wires.values())
    routes = [
        Route(path, _answers(state, wire, forwarder), methods=["POST"])
        for wire in wires
        for path in _paths(wire)
    ]
    listing = [wire for wire in wires if isinstance(wire, ListsModels)]
    shown = dict.fromkeys(path for wire in listing for path in wire.models_paths)
    routes += [
        Route(path, _lists(state, listing, path, forwarder), methods=["GET"]) for path in shown
    ]
    spoken = ", ".join(f"POST {path}" for wire in wires for path in _paths(wire))
    told = {"error": {"message": f"this twin speaks {spoken} and nothing else"}}

    async def not_spoken(request: Request, error: Exception) -> Response:
        return JSONResponse(told, 404)

    return Starlette(routes=routes, exception_handlers={404: not_spoken, 405: not_spoken})


def _paths(wire: Wire) -> Sequence[str]:
    return [wire.path, *wire.other_paths]


def _answers(state: State, wire: Wire, forwarder: Forwarder | None) -> Endpoint:
    async def answer(request: Request) -> ASGIApp:
        body = await request.body()
        attempt = state.log.count_attempt(f"{wire.name} {request.url.path}", body)
        headers = dict(request.headers)
        arrival = Arrival(wire, headers, body, attempt, request.path_params, _target(request))
        if forwarder:
            return forwarder.forward(arrival)
        return Delivery(state.answer(arrival), state.clock)

    return answer


def _lists(
    state: State, wires: Sequence[ListsModels], path: str, forwarder: Forwarder | None
) -> Endpoint:
    here = [wire for wire in wires if path in wire.models_paths]

    async def models(request: Request) -> ASGIApp:
        wire = next((one for one in here if one.is_meant(request.headers)), here[-1])
        headers = dict(request.headers)
        arrival = Arrival(wire, headers, b"", target=_target(request), method="GET")
        if forwarder:
            return forwarder.forward(arrival)
        return Delivery(state.answer_models(arrival, wire), state.clock)

    return models


def _target(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
