"""A service twin: a real HTTP server that stands in for somebody else's service.

What the clients of a service twin see: the service, at every path.

What whoever controls a service twin sees: requests, state, clock and trouble.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
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
from attractor.twins.exchange.answer import Duration, ScriptTable
from attractor.twins.server.control_api import Face, controlled, request_faces
from attractor.twins.server.hosting import Addresses, Complaints, Delivery, Ports, hosted
from attractor.twins.server.request_log import KEEP
from attractor.twins.services.dispatch import Onlooker, ServedRequest, StandIn
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.faults import WHEN, Trouble
from attractor.twins.services.recorder import Recorder
from attractor.twins.services.recordings import ExchangeFile
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.service import Service
from attractor.twins.services.state import written_time


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


T = TypeVar("T", bound=ScriptTable)

_FILTERS = ("method", "route")
_OWN_KEYS = frozenset({"next", "route"})


def control_application(stand_in: StandIn, token: str, *, is_recording: bool = False) -> Starlette:
    """Show and change what stands behind the service, for whoever has the token."""
    control = _Control(stand_in, is_recording=is_recording)
    faces = [
        *request_faces(stand_in.log, _FILTERS),
        Face("GET", "/state", control.state),
        Face("GET", "/clock", control.time),
        Face("POST", "/reset", control.reset),
        Face("POST", "/clock", control.clock),
        Face("POST", "/faults", control.faults),
    ]
    return controlled(faces, token)


class _Control:
    """The answers at the control address; what may have to wait for a handler waits in a thread."""

    def __init__(self, stand_in: StandIn, *, is_recording: bool) -> None:
        self._stand_in = stand_in
        self._is_recording = is_recording

    async def state(self, request: Request) -> Response:
        self._refuse_while_recording("state")
        return JSONResponse({"state": await asyncio.to_thread(self._stand_in.state)})

    async def time(self, request: Request) -> Response:
        self._refuse_while_recording("clock")
        return JSONResponse({"now": written_time(self._stand_in.now)})

    async def reset(self, request: Request) -> Response:
        await asyncio.to_thread(self._stand_in.reset)
        return JSONResponse({"reset": True})

    async def clock(self, request: Request) -> Response:
        self._refuse_while_recording("clock")
        turn = _read(_Turn, await request.body())
        if turn.advance is not None:
            await asyncio.to_thread(self._stand_in.advance, turn.advance)
        elif turn.set is not None:
            await asyncio.to_thread(self._stand_in.set_clock, turn.set)
        return await self.time(request)

    async def faults(self, request: Request) -> Response:
        self._refuse_while_recording("faults")
        arming = _read(_Arming, await request.body())
        await asyncio.to_thread(
            self._stand_in.arm, arming.trouble, requests=arming.next, route=arming.route
        )
        return JSONResponse({"armed": arming.trouble.kind, "next": arming.next})

    def _refuse_while_recording(self, what: str) -> None:
        if self._is_recording:
            raise HTTPException(409, f"a twin that records has no {what}: the service answers")


def _time(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class _Turn(ScriptTable):
    """How the clock is turned."""

    advance: Duration | None = None
    set: Annotated[AwareDatetime | None, BeforeValidator(_time)] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.advance is None) == (self.set is None):
            raise ValueError("say either advance, such as '1h', or set, a time with a Z")
        return self


class _Arming(ScriptTable):
    """Which trouble the next requests meet."""

    trouble: Trouble
    next: int = Field(default=1, ge=1)
    route: str = ""

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        table = cast("dict[str, Any]", value)
        own = {name: one for name, one in table.items() if name in _OWN_KEYS}
        rest = {name: one for name, one in table.items() if name not in _OWN_KEYS}
        if said := [name for name in WHEN if name in rest]:
            raise ValueError(f"{said[0]} has no use here: it comes to the next requests")
        return {**own, "trouble": rest}


def _read(model: type[T], body: bytes) -> T:
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as cause:
        error = cause.errors()[0]
        place = ".".join(str(step) for step in error["loc"] if step not in ("trouble", "fault"))
        hint = "see docs/reference/service-twins.md, Control"
        told = error["msg"].removeprefix("Value error, ")
        raise UsageError(f"{place or 'the body'}: {told}", hint=hint) from cause


class ServiceTwin:
    """Serves a service from `async with` to its end, for its clients and for its controller.

    It answers as the service's file says, or it asks the service itself and records what that says.
    """

    def __init__(
        self,
        service: Service,
        *,
        port: int = 0,
        control_port: int = 0,
        token: str | None = None,
        seed: int | None = None,
        onlooker: Onlooker | None = None,
        keep: int = KEEP,
        record: ExchangeFile | None = None,
        to: str = "",
        complains: Callable[[AttractorError], None] | None = None,
    ) -> None:
        self.service = service
        self.token = token or secrets.token_urlsafe(24)
        self._stand_in = StandIn(service, seed=seed, onlooker=onlooker, keep=keep)
        self._complaints = Complaints(complains)
        self._recorder = self._recorder_of(record, to) if record or to else None
        self._ports = Ports(port, control_port)
        self._addresses = Addresses("", "")
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where its clients reach it."""
        return self._addresses.url

    @property
    def control_url(self) -> str:
        """Where it is controlled, by whoever has the token."""
        return self._addresses.control_url

    @property
    def requests(self) -> Sequence[ServedRequest]:
        """What it was asked since it began or was reset, as far as it is kept."""
        return self._stand_in.requests

    @property
    def to(self) -> str:
        """Where the service itself is, while it is recorded."""
        return self._recorder.base if self._recorder else ""

    @property
    def troubles(self) -> Sequence[AttractorError]:
        """What went wrong of which no client can be told."""
        return self._complaints.troubles

    @property
    def dropped(self) -> int:
        """How many older requests are kept no more."""
        return self._stand_in.log.dropped

    @property
    def state(self) -> Mapping[str, Json]:
        """A copy of its state."""
        return self._stand_in.state()

    def environ(self) -> Mapping[str, str]:
        """Return the environment variables that send its clients here.

        The key is the twin's own; to the service itself clients come with theirs.
        """
        written = self.service.written
        names = {
            "url": self.url,
            "port": urlsplit(self.url).port,
            "key": written.auth.key if written.auth else "",
            "name": written.name,
        }
        told = {
            name: value
            for name, value in written.environ.items()
            if not (self._recorder and "key" in value.names)
        }
        return {name: value.text(names) for name, value in told.items()}

    def health(self) -> Mapping[str, object]:
        """Return how it is: which service, how many requests came so far, and its time."""
        return {
            "status": "ok" if self.url else "down",
            "service": self.service.name,
            "requests": self._stand_in.log.count,
            "now": written_time(self._stand_in.now),
        }

    def reset(self) -> None:
        """Begin anew: state, clock, counters, chance, armed trouble and log."""
        self._stand_in.reset()

    def advance(self, by: timedelta) -> datetime:
        """Let its time go by, and return the new one."""
        return self._stand_in.advance(by)

    def arm(self, trouble: Trouble, *, requests: int = 1, route: str = "") -> None:
        """Let the next requests meet trouble, those of a route or all."""
        self._stand_in.arm(trouble, requests=requests, route=route)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            if self._recorder:
                await stack.enter_async_context(self._recorder)
            clients = service_application(self._stand_in, self._recorder)
            is_recording = self._recorder is not None
            control = control_application(self._stand_in, self.token, is_recording=is_recording)
            hosting = hosted(clients, control, self._ports)
            self._addresses = await stack.enter_async_context(hosting)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._stack.aclose()
        self._addresses = Addresses("", "")

    def _recorder_of(self, record: ExchangeFile | None, to: str) -> Recorder:
        if record is None or not to:
            told = "a twin that records needs a file, and where the service is"
            raise RecordingError(told, hint="give both record and to")
        return Recorder(self._stand_in, record, to, complaints=self._complaints)
