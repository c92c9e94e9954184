"""A service twin: an HTTP server in place of a service, with a control API."""

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Self, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.base.errors import AttractorError, UsageError
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Duration, Reply, ScriptTable
from attractor.twins.server.control_api import ControlRoute, control_app, request_routes
from attractor.twins.server.hosting import (
    Addresses,
    Delivery,
    ErrorReporter,
    Ports,
    hosted,
    read_body,
)
from attractor.twins.server.provider_state import KEEP
from attractor.twins.server.smtp import Letter, smtp_server
from attractor.twins.services.dispatch import OnServedRequest, ServedRequest, ServiceDispatcher
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.recordings import ExchangeFile, ServiceRecorder
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.route import WHEN, FaultRule
from attractor.twins.services.service import Service
from attractor.twins.services.state import format_time


def service_application(
    dispatcher: ServiceDispatcher, recorder: ServiceRecorder | None = None
) -> ASGIApp:
    """Answer every request in place of the service, or forward and record every request."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path, query = (scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
        target = f"{path}?{query}" if query else path
        service_request = ServiceRequest(request.method, target, dict(request.headers))
        try:
            service_request = replace(service_request, content=await read_body(request))
        except Rejection as too_large:
            reply = dispatcher.refuse(service_request, too_large)
            await Delivery(reply)(scope, receive, send)
            return
        if recorder:
            await recorder.forward(service_request)(scope, receive, send)
            return
        # In a thread: a handler may be slow, and requests wait for each other.
        reply = await asyncio.to_thread(dispatcher.answer, service_request)
        await Delivery(reply)(scope, receive, send)

    return answer


T = TypeVar("T", bound=ScriptTable)

_FILTERS = ("method", "route")
_OWN_KEYS = frozenset({"next", "route"})


def control_application(
    dispatcher: ServiceDispatcher, token: str, *, is_recording: bool = False
) -> Starlette:
    """Serve the control API, which requires the token."""
    control = _Control(dispatcher, is_recording=is_recording)
    routes = [
        *request_routes(dispatcher.log, _FILTERS),
        ControlRoute("GET", "/state", control.state),
        ControlRoute("GET", "/clock", control.time),
        ControlRoute("POST", "/reset", control.reset),
        ControlRoute("POST", "/clock", control.clock),
        ControlRoute("POST", "/faults", control.faults),
    ]
    return control_app(routes, token)


class _Control:
    """The endpoints of the control API; an endpoint waits in a thread while a handler runs."""

    def __init__(self, dispatcher: ServiceDispatcher, *, is_recording: bool) -> None:
        self._dispatcher = dispatcher
        self._is_recording = is_recording

    async def state(self, request: Request) -> Response:
        self._refuse_while_recording("state")
        return JSONResponse({"state": await asyncio.to_thread(self._dispatcher.state)})

    async def time(self, request: Request) -> Response:
        self._refuse_while_recording("clock")
        return JSONResponse({"now": format_time(self._dispatcher.now)})

    async def reset(self, request: Request) -> Response:
        await asyncio.to_thread(self._dispatcher.reset)
        return JSONResponse({"reset": True})

    async def clock(self, request: Request) -> Response:
        self._refuse_while_recording("clock")
        change = _read(_ClockChange, await read_body(request))
        if change.advance is not None:
            await asyncio.to_thread(self._dispatcher.advance, change.advance)
        elif change.set is not None:
            await asyncio.to_thread(self._dispatcher.set_clock, change.set)
        return await self.time(request)

    async def faults(self, request: Request) -> Response:
        self._refuse_while_recording("faults")
        order = _read(_FaultOrder, await read_body(request))
        await asyncio.to_thread(
            self._dispatcher.arm, order.rule, requests=order.next, route=order.route
        )
        return JSONResponse({"armed": order.rule.kind, "next": order.next})

    def _refuse_while_recording(self, name: str) -> None:
        if self._is_recording:
            raise HTTPException(409, f"a recording twin has no {name}, because the service answers")


def _time(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class _ClockChange(ScriptTable):
    """A change of the clock."""

    advance: Duration | None = None
    set: Annotated[AwareDatetime | None, BeforeValidator(_time)] = None

    @model_validator(mode="after")
    def _has_one_change(self) -> Self:
        if (self.advance is None) == (self.set is None):
            raise ValueError("pass either advance, such as '1h', or set, a time with a Z")
        return self


class _FaultOrder(ScriptTable):
    """A fault for the next requests."""

    rule: FaultRule
    next: int = Field(default=1, ge=1)
    route: str = ""

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        table = cast("dict[str, Any]", value)
        own = {name: value for name, value in table.items() if name in _OWN_KEYS}
        rest = {name: value for name, value in table.items() if name not in _OWN_KEYS}
        if keys := [name for name in WHEN if name in rest]:
            raise ValueError(
                f"unsupported key {keys[0]}: a fault set here applies to the next requests, "
                "whatever they contain"
            )
        return {**own, "rule": rest}


def _read(model: type[T], body: bytes) -> T:
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as cause:
        error = cause.errors()[0]
        place = ".".join(str(step) for step in error["loc"] if step not in ("rule", "fault"))
        hint = 'send {"advance": "1h"} to /clock, or {"kind": "status", "status": 503} to /faults'
        message = error["msg"].removeprefix("Value error, ")
        raise UsageError(f"{place or 'the body'}: {message}", hint=hint) from cause


class _Mailbox:
    """Takes letters of SMTP as requests of the service, which decides and logs them."""

    def __init__(self, dispatcher: ServiceDispatcher) -> None:
        self._dispatcher = dispatcher
        self._table = dispatcher.service.table

    def accepts(self, credentials: str) -> bool:
        """Return whether a client with these credentials may send letters."""
        request = self._request(credentials, {})
        return not self._table.auth or any(one.accepts(request) for one in self._table.auth)

    def deliver(self, letter: Letter) -> Reply:
        """Answer the request of a letter."""
        record: dict[str, Json] = {"from": letter.sender, "to": list(letter.to)}
        record |= {"subject": letter.subject, "body": letter.body}
        return self._dispatcher.answer(self._request(letter.credentials, record))

    def _request(self, credentials: str, record: Json) -> ServiceRequest:
        headers = {"content-type": "application/json"}
        if credentials:
            headers["authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        return ServiceRequest("POST", self._table.smtp, headers, json.dumps(record).encode())


class ServiceTwin:
    """Serves a service and a control API within `async with`.

    The twin answers as declared in the service file. When recording, it forwards requests to the
    real service and records the exchanges.
    """

    def __init__(
        self,
        service: Service,
        *,
        port: int = 0,
        control_port: int = 0,
        token: str | None = None,
        seed: int | None = None,
        on_request: OnServedRequest | None = None,
        keep: int = KEEP,
        record: ExchangeFile | None = None,
        to: str = "",
        on_error: Callable[[AttractorError], None] | None = None,
    ) -> None:
        self.service = service
        self.token = token or secrets.token_urlsafe(24)
        self._dispatcher = ServiceDispatcher(service, seed=seed, on_request=on_request, keep=keep)
        self._reporter = ErrorReporter(on_error)
        self._recorder: ServiceRecorder | None = None
        if record or to:
            if record is None or not to:
                message = "to record, a file and the address of the service are required"
                raise RecordingError(message, hint="pass both record and to")
            if service.table.smtp:
                message = f"letters of {service.name} cannot be recorded"
                raise RecordingError(message, hint="serve it without --record")
            self._recorder = ServiceRecorder(self._dispatcher, record, to, reporter=self._reporter)
        self._ports = Ports(port, control_port)
        self._addresses = Addresses("", "")
        self.smtp_port = 0
        """The port of its SMTP server; 0 if the service has none."""
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """The URL for clients."""
        return self._addresses.url

    @property
    def control_url(self) -> str:
        """The URL of the control API, which requires the token."""
        return self._addresses.control_url

    @property
    def requests(self) -> Sequence[ServedRequest]:
        """The requests in the log."""
        return self._dispatcher.requests

    @property
    def to(self) -> str:
        """The address of the real service while it is recorded."""
        return self._recorder.base if self._recorder else ""

    @property
    def errors(self) -> Sequence[AttractorError]:
        """Errors that were not sent to any client."""
        return self._reporter.errors

    @property
    def dropped(self) -> int:
        """The number of older requests that were dropped from the log."""
        return self._dispatcher.log.dropped

    @property
    def state(self) -> Mapping[str, Json]:
        """A copy of the state."""
        return self._dispatcher.state()

    def environ(self) -> Mapping[str, str]:
        """Return the environment variables that point clients at this twin.

        The API key is the key of the twin; it is omitted while the real service is recorded.
        """
        table = self.service.table
        names = {
            "url": self.url,
            "port": urlsplit(self.url).port,
            "smtp_port": self.smtp_port,
            "key": table.auth[0].key if table.auth else "",
            "name": table.name,
        }
        templates = {
            name: value
            for name, value in table.environ.items()
            if not (self._recorder and "key" in value.names)
        }
        return {name: value.text(names) for name, value in templates.items()}

    def health(self) -> Mapping[str, object]:
        """Return status, service, number of requests and time."""
        return {
            "status": "ok" if self.url else "down",
            "service": self.service.name,
            "requests": self._dispatcher.log.count,
            "now": format_time(self._dispatcher.now),
        }

    def reset(self) -> None:
        """Reset state, clock, counters, random numbers, armed faults and log."""
        self._dispatcher.reset()

    def advance(self, by: timedelta) -> datetime:
        """Advance the clock, and return the new time."""
        return self._dispatcher.advance(by)

    def arm(self, rule: FaultRule, *, requests: int = 1, route: str = "") -> None:
        """Apply a fault to the next requests of one route or of all routes."""
        self._dispatcher.arm(rule, requests=requests, route=route)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._recorder:
                await stack.enter_async_context(self._recorder)
            clients = service_application(self._dispatcher, self._recorder)
            is_recording = self._recorder is not None
            control = control_application(self._dispatcher, self.token, is_recording=is_recording)
            hosting = hosted(clients, control, self._ports)
            self._addresses = await stack.enter_async_context(hosting)
            if self.service.table.smtp:
                box = _Mailbox(self._dispatcher)
                server = smtp_server(0, box.accepts, box.deliver)
                self.smtp_port = await stack.enter_async_context(server)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._stack.aclose()
        self._addresses = Addresses("", "")
