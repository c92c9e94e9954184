"""A provider twin: an HTTP server with the APIs of all providers, which answers by a script."""

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
from attractor.twins.errors import RecordingError, Rejection, UnknownEndpoint
from attractor.twins.exchange.wire import (
    CountsTokens,
    ListsModels,
    Wire,
    nearest_wire,
    wire_registry,
)
from attractor.twins.recordings.recording import RecordingFile, Recordings
from attractor.twins.script.script import Script
from attractor.twins.server.control_api import control_application
from attractor.twins.server.hosting import (
    LOOPBACK,
    Addresses,
    Delivery,
    ErrorReporter,
    Ports,
    hosted,
    read_body,
)
from attractor.twins.server.provider_state import (
    KEEP,
    BoundedLog,
    IncomingRequest,
    LoggedRequest,
    ModelEndpoint,
    OnRequest,
    ProviderState,
    RequestLog,
    TwinMemory,
    count_prompt,
    describe_model,
    list_models,
)
from attractor.twins.server.proxy import Forwarder, is_address

Endpoint = Callable[[Request], Awaitable[ASGIApp]]

_ONE_MODEL = "/{model:path}"


def provider_application(state: ProviderState, forwarder: Forwarder | None = None) -> ASGIApp:
    """Serve every wire at its paths, or forward and record the requests."""
    dispatcher = _Dispatcher(state, forwarder)
    wires = list(state.wires.values())
    post_routes = [
        Route(path, dispatcher.endpoint(wire), methods=["POST"])
        for wire in wires
        for path in (wire.path, *wire.other_paths)
    ]
    post_routes += [
        Route(path, dispatcher.endpoint(wire, count_prompt(wire)), methods=["POST"])
        for wire in wires
        if isinstance(wire, CountsTokens)
        for path in wire.count_paths
    ]
    listing = [wire for wire in wires if isinstance(wire, ListsModels)]
    routes = [*post_routes, *_model_routes(dispatcher, listing, post_routes)]
    known = ", ".join(f"{_method(route)} {route.path.replace(':path}', '}')}" for route in routes)

    async def unknown_endpoint(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        wire = nearest_wire(wires, request.url.path, request.headers)
        message = f"unknown endpoint {request.method} {request.url.path}"
        # The answer to HEAD has no content, and clients only probe the connection with it.
        if request.method != "HEAD":
            message += f"; known endpoints: {known}"
        cause = HTTPException(404) if _is_unknown_model_method(request) else error
        rejection: Rejection = UnknownEndpoint(cause.status_code, message)
        body = b""
        try:
            body = await read_body(request)
        except Rejection as too_large:
            rejection = too_large
        incoming = dispatcher.incoming(request, wire, body)
        reply = state.reject(incoming, rejection, cause.headers)
        return Response(reply.body, reply.status, reply.headers)

    application = Starlette(routes=routes, exception_handlers={HTTPException: unknown_endpoint})
    # A redirect would not be in the format of any provider.
    application.router.redirect_slashes = False
    return application


def _is_unknown_model_method(request: Request) -> bool:
    """Return whether a request calls an unknown method after a model, in Google's notation."""
    # A known method has its own route; this path matched the route for one model.
    return request.method == "POST" and ":" in request.url.path.rpartition("/")[2]


class _Dispatcher:
    """Reads requests, and returns the applications that answer them."""

    def __init__(self, state: ProviderState, forwarder: Forwarder | None) -> None:
        self.state = state
        self.forwarder = forwarder

    def incoming(
        self, request: Request, wire: Wire, body: bytes, *, asks_model: bool = False
    ) -> IncomingRequest:
        query = request.url.query
        # Retries of one request may use another path, for a stream or without one.
        place = "/".join(request.path_params.values()) if asks_model else request.url.path
        return IncomingRequest(
            wire,
            dict(request.headers),
            body,
            self.state.log.count_attempt(f"{wire.name} {place}", body),
            request.path_params,
            f"{request.url.path}?{query}" if query else request.url.path,
            request.method,
        )

    async def answer(
        self, request: Request, wire: Wire, model_endpoint: ModelEndpoint | None
    ) -> ASGIApp:
        try:
            body = await read_body(request)
        except Rejection as too_large:
            reply = self.state.reject(self.incoming(request, wire, b""), too_large)
            return Delivery(reply, self.state.clock)
        incoming = self.incoming(request, wire, body, asks_model=model_endpoint is None)
        if self.forwarder:
            return self.forwarder.forward(incoming)
        if model_endpoint:
            reply = self.state.answer_about_models(incoming, model_endpoint)
        else:
            reply = self.state.answer(incoming)
        return Delivery(reply, self.state.clock)

    def endpoint(self, wire: Wire, model_endpoint: ModelEndpoint | None = None) -> Endpoint:
        async def answer(request: Request) -> ASGIApp:
            return await self.answer(request, wire, model_endpoint)

        return answer


def _model_routes(
    dispatcher: _Dispatcher, wires: Sequence[ListsModels], post_routes: Sequence[Route]
) -> Iterator[Route]:
    """Yield the routes for the list of models and for a single model.

    Headers select the provider.
    """
    for path in dict.fromkeys(path for wire in wires for path in wire.models_paths):
        listing = [wire for wire in wires if path in wire.models_paths]
        for full_path, endpoint in ((path, list_models), (path + _ONE_MODEL, describe_model)):
            answer = _by_headers(dispatcher, listing, endpoint, post_routes)
            yield Route(full_path, answer, methods=["GET"])


def _by_headers(
    dispatcher: _Dispatcher,
    wires: Sequence[ListsModels],
    endpoint: Callable[[ListsModels], ModelEndpoint],
    post_routes: Sequence[Route],
) -> Endpoint:
    async def models(request: Request) -> ASGIApp:
        # A method after a model also matches the path of one model.
        if any(route.path_regex.match(request.url.path) for route in post_routes):
            raise HTTPException(405, headers={"Allow": "POST"})
        wire = next((wire for wire in wires if wire.matches_headers(request.headers)), wires[-1])
        return await dispatcher.answer(request, wire, endpoint(wire))

    return models


def _method(route: Route) -> str:
    return "GET" if route.methods and "GET" in route.methods else "POST"


_HINT = "write --to https://HOST for all APIs, or --to API=https://HOST for one"
# To record any other wire, --to is required.
_KNOWN = {
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "openai": "https://api.openai.com",
    "openai_chat": "https://api.openai.com",
}


def provider_addresses(options: Sequence[str], wires: Registry[Wire]) -> Mapping[str, str]:
    """Return the provider's address for each wire, from the options `WIRE=URL` and `URL`."""
    addresses = {name: url for name, url in _KNOWN.items() if name in wires}
    by_wire: dict[str, str] = {}
    for option in options:
        name, equals, url = option.partition("=")
        if not equals or "/" in name:
            addresses |= dict.fromkeys(wires, option)
        elif name in wires:
            by_wire[name] = url
        else:
            raise UnknownName("wire", name, wires)
    addresses |= by_wire
    for url in addresses.values():
        if not is_address(url):
            raise RecordingError(f"invalid address of a provider: {url!r}", hint=_HINT)
    return {
        name: url.rstrip("/").removesuffix(wires[name].base_path).rstrip("/")
        for name, url in addresses.items()
    }


class ProviderTwin:
    """Serves all wires and a control API within `async with`.

    The twin answers by scripts in order, then by recordings. When recording, it forwards requests
    to the providers and records the exchanges.
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
        on_request: OnRequest | None = None,
        on_error: Callable[[AttractorError], None] | None = None,
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        # Random, so that redaction of this key hides no other text.
        self._key = f"twin-{secrets.token_hex(16)}"
        self.clock = clock or SystemClock()
        self._wires: Registry[Wire] = wire_registry()
        self.state = ProviderState(
            [script] if isinstance(script, Script) else script,
            self._wires,
            log=RequestLog(BoundedLog(keep)),
            memory=TwinMemory(recordings),
            clock=self.clock,
            on_request=on_request,
        )
        self._record = record
        self._reporter = ErrorReporter(on_error)
        if record and (self.state.scripts or recordings is not None):
            raise RecordingError(
                "a script or recordings to replay cannot be combined with recording"
            )
        self.providers = provider_addresses(providers, self._wires) if record else dict[str, str]()
        self._host, self._ports = host, Ports(port, control_port)
        self._addresses = Addresses("", "")
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """The URL for clients, without the base path of a wire."""
        return self._addresses.url

    @property
    def control_url(self) -> str:
        """The URL of the control API, which requires the token."""
        return self._addresses.control_url

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """The requests in the log."""
        return self.state.log.requests.entries

    @property
    def errors(self) -> Sequence[AttractorError]:
        """Errors that were not sent to any client."""
        return self._reporter.errors

    @property
    def dropped(self) -> int:
        """The number of older requests that were dropped from the log."""
        return self.state.log.requests.dropped

    def base_url(self, wire: str) -> str:
        """Return the base URL for clients of a wire."""
        return self.url + self._wires[wire].base_path

    def environ(self) -> Mapping[str, str]:
        """Return the environment variables that point clients at this twin.

        The API keys are placeholders; they are omitted while real providers are recorded.
        """
        environ: dict[str, str] = {}
        for name, wire in self._wires.items():
            *urls, key = wire.variables
            environ |= dict.fromkeys(urls, self.base_url(name))
            environ |= {} if self._record else {key: self._key}
        return environ

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            forwarder = None
            if self._record:
                forwarder = await stack.enter_async_context(
                    Forwarder(self.state, self._record, self.providers, reporter=self._reporter)
                )
            clients = provider_application(self.state, forwarder)
            control = control_application(self.state, self.token, is_recording=bool(forwarder))
            hosting = hosted(clients, control, self._ports, host=self._host)
            self._addresses = await stack.enter_async_context(hosting)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._stack.aclose()
