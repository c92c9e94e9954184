"""A provider twin: a real HTTP server that speaks every provider's wire and follows a script.

What the clients of a provider twin see: every wire at its paths.

Where the real providers are, for a twin that records them.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError, UnknownName
from attractor.base.registry import Registry
from attractor.twins.errors import RecordingError, UnknownEndpoint
from attractor.twins.exchange.wire import CountsTokens, ListsModels, Wire, meant_wire, wire_registry
from attractor.twins.recordings.files import RecordingFile
from attractor.twins.recordings.recording import Recordings
from attractor.twins.script.script import Script
from attractor.twins.server.control_api import control_application
from attractor.twins.server.hosting import LOOPBACK, Addresses, Complaints, Delivery, Ports, hosted
from attractor.twins.server.provider_state import Hears, State
from attractor.twins.server.proxy import Forwarder, is_address
from attractor.twins.server.replies import (
    Arrival,
    Memory,
    Telling,
    all_models,
    one_model,
    token_count,
)
from attractor.twins.server.request_log import KEEP, BoundedLog, LoggedRequest, RequestLog

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
        reply = state.refuse(arrival, UnknownEndpoint(found.status_code, told), found.headers)
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


_HINT = "write --to https://HOST for every wire, or --to WIRE=https://HOST for one"
# A wire that is not named here is recorded once it is said where its provider is.
_KNOWN = {
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "openai": "https://api.openai.com",
    "openai_chat": "https://api.openai.com",
}


def providers_of(said: Sequence[str], wires: Registry[Wire]) -> Mapping[str, str]:
    """Return where each wire's provider is: as said for it, as said for all, else as is known."""
    places = {name: url for name, url in _KNOWN.items() if name in wires}
    named: dict[str, str] = {}
    for one in said:
        name, equals, url = one.partition("=")
        if not equals or "/" in name:
            places |= dict.fromkeys(wires, one)
        elif name in wires:
            named[name] = url
        else:
            raise UnknownName("wire", name, wires)
    return {name: _checked(url, wires[name]) for name, url in {**places, **named}.items()}


def _checked(url: str, wire: Wire) -> str:
    """Return a provider's address without what the paths of its wire say already."""
    if not is_address(url):
        raise RecordingError(f"{url!r} is no address of a provider", hint=_HINT)
    return url.rstrip("/").removesuffix(wire.base_path).rstrip("/")


_ANY_KEY = "key-for-the-twin"


class ProviderTwin:
    """Serves from `async with` to its end, for its clients and for whoever controls it.

    It answers by scripts, tried in their order, and then by recordings; or it asks the providers
    and records what they answer.
    """

    def __init__(
        self,
        script: Script | Sequence[Script] = (),
        *,
        host: str = LOOPBACK,
        port: int = 0,
        control_port: int = 0,
        token: str | None = None,
        recordings: Recordings | None = None,
        record: RecordingFile | None = None,
        providers: Sequence[str] = (),
        clock: Clock | None = None,
        keep: int = KEEP,
        hears: Hears | None = None,
        complains: Callable[[AttractorError], None] | None = None,
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.clock = clock or SystemClock()
        self._wires: Registry[Wire] = wire_registry()
        self.state = State(
            [script] if isinstance(script, Script) else script,
            self._wires,
            log=RequestLog(BoundedLog(keep)),
            memory=Memory(recordings),
            clock=self.clock,
            hears=hears,
        )
        self._record = record
        self._complaints = Complaints(complains)
        if record and (self.state.scripts or recordings is not None):
            raise RecordingError("a twin that records has no script and no recordings to replay")
        self.providers = providers_of(providers, self._wires) if record else dict[str, str]()
        self._host, self._ports = host, Ports(port, control_port)
        self._addresses = Addresses("", "")
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where clients reach it, without a wire's own base path."""
        return self._addresses.url

    @property
    def control_url(self) -> str:
        """Where it is looked at and controlled, by whoever has the token."""
        return self._addresses.control_url

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """What it was asked so far, as far as it is kept."""
        return self.state.log.kept.entries

    @property
    def troubles(self) -> Sequence[AttractorError]:
        """What went wrong of which no client can be told."""
        return self._complaints.troubles

    @property
    def dropped(self) -> int:
        """How many older requests are kept no more."""
        return self.state.log.kept.dropped

    def base_url(self, wire: str) -> str:
        """Return what a client of a provider takes as its base URL."""
        return self.url + self._wires[wire].base_path

    def environ(self) -> Mapping[str, str]:
        """Return the environment variables that send a provider's clients here.

        The keys are any, unless the providers themselves are asked.
        """
        made: dict[str, str] = {}
        for name, wire in self._wires.items():
            *urls, key = wire.variables
            made |= dict.fromkeys(urls, self.base_url(name))
            made |= {} if self._record else {key: _ANY_KEY}
        return made

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            forwarder = None
            if self._record:
                forwarder = await stack.enter_async_context(self._forwarder(self._record))
            clients = provider_application(self.state, forwarder)
            control = control_application(self.state, self.token, is_recording=bool(forwarder))
            hosting = hosted(clients, control, self._ports, host=self._host)
            self._addresses = await stack.enter_async_context(hosting)
            self._stack = stack.pop_all()
        return self

    def _forwarder(self, file: RecordingFile) -> Forwarder:
        return Forwarder(self.state, file, self.providers, complaints=self._complaints)

    async def __aexit__(self, *exit: object) -> None:
        await self._stack.aclose()
