"""What the clients of a provider twin see: every wire at its paths."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from attractor.twins.delivery import Delivery
from attractor.twins.errors import NotSpoken
from attractor.twins.exchange import Arrival
from attractor.twins.forwarding import Forwarder
from attractor.twins.meant_wire import meant_wire
from attractor.twins.state import State
from attractor.twins.telling import Telling, all_models, one_model, token_count
from attractor.twins.wire import CountsTokens, ListsModels, Wire

Endpoint = Callable[[Request], Awaitable[ASGIApp]]

_ONE = "/{model:path}"


def provider_application(state: State, forwarder: Forwarder | None = None) -> ASGIApp:
    """Answer every wire at its paths, or ask its provider and record what that answers."""
    desk = _Desk(state, forwarder)
    wires = list(state.wires.values())
    posted = [
        *_answering(desk, wires),
        *_counting(desk, [one for one in wires if isinstance(one, CountsTokens)]),
    ]
    listing = [one for one in wires if isinstance(one, ListsModels)]
    routes = [*posted, *_listing(desk, listing, posted)]
    spoken = ", ".join(f"{_method(one)} {one.path.replace(':path}', '}')}" for one in routes)

    async def not_spoken(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        arrival = await desk.arrival(request, meant_wire(wires, request.url.path, request.headers))
        asked = f"{request.method} {request.url.path}"
        told = f"this twin does not speak {asked}; it speaks {spoken}"
        found = HTTPException(404) if _calls_unknown(request) else error
        reply = state.refuse(arrival, NotSpoken(found.status_code, told), found.headers)
        return Response(reply.body, reply.status, reply.headers)

    application = Starlette(routes=routes, exception_handlers={HTTPException: not_spoken})
    # A client that is sent elsewhere would be told in nobody's shape.
    application.router.redirect_slashes = False
    return application


def _calls_unknown(request: Request) -> bool:
    """Tell whether this calls what Google writes behind a model, and none of it is known."""
    # It would have been answered; now it looks like another method for just that model.
    return request.method == "POST" and ":" in request.url.path.rpartition("/")[2]


class _Desk:
    """Takes requests in, and hands out what answers them."""

    def __init__(self, state: State, forwarder: Forwarder | None) -> None:
        self.state = state
        self.forwarder = forwarder

    async def arrival(self, request: Request, wire: Wire) -> Arrival:
        body = await request.body()
        query = request.url.query
        return Arrival(
            wire,
            dict(request.headers),
            body,
            self.state.log.count_attempt(f"{wire.name} {request.url.path}", body),
            request.path_params,
            f"{request.url.path}?{query}" if query else request.url.path,
            request.method,
        )

    async def answer(self, request: Request, wire: Wire, telling: Telling | None) -> ASGIApp:
        arrival = await self.arrival(request, wire)
        if self.forwarder:
            return self.forwarder.forward(arrival)
        state = self.state
        reply = state.tell(arrival, telling) if telling else state.answer(arrival)
        return Delivery(reply, state.clock)

    def endpoint(self, wire: Wire, telling: Telling | None = None) -> Endpoint:
        async def answer(request: Request) -> ASGIApp:
            return await self.answer(request, wire, telling)

        return answer


def _answering(desk: _Desk, wires: Sequence[Wire]) -> Iterator[Route]:
    for wire in wires:
        for path in (wire.path, *wire.other_paths):
            yield Route(path, desk.endpoint(wire), methods=["POST"])


def _counting(desk: _Desk, wires: Sequence[CountsTokens]) -> Iterator[Route]:
    for wire in wires:
        for path in wire.count_paths:
            yield Route(path, desk.endpoint(wire, token_count(wire)), methods=["POST"])


def _listing(desk: _Desk, wires: Sequence[ListsModels], posted: Sequence[Route]) -> Iterator[Route]:
    """Yield where models are listed, and each by itself; headers say by which provider."""
    for path in dict.fromkeys(path for wire in wires for path in wire.models_paths):
        here = [one for one in wires if path in one.models_paths]
        for place, telling in ((path, all_models), (path + _ONE, one_model)):
            yield Route(place, _by_headers(desk, here, telling, posted), methods=["GET"])


def _by_headers(
    desk: _Desk,
    wires: Sequence[ListsModels],
    telling: Callable[[ListsModels], Telling],
    posted: Sequence[Route],
) -> Endpoint:
    async def models(request: Request) -> ASGIApp:
        # What is called of a model stands where a model's own name could.
        if any(one.path_regex.match(request.url.path) for one in posted):
            raise HTTPException(405, headers={"Allow": "POST"})
        wire = next((one for one in wires if one.is_meant(request.headers)), wires[-1])
        return await desk.answer(request, wire, telling(wire))

    return models


def _method(route: Route) -> str:
    return "GET" if route.methods and "GET" in route.methods else "POST"
