"""What whoever controls a service twin sees: requests, state, clock and trouble."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError, model_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from attractor.base.errors import UsageError
from attractor.twins.answer import Duration, Written
from attractor.twins.controlled import Face, controlled, request_faces
from attractor.twins.services.clocks import written_time
from attractor.twins.services.stand_in import StandIn
from attractor.twins.services.trouble import WHEN, Trouble

T = TypeVar("T", bound=Written)

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


class _Turn(Written):
    """How the clock is turned."""

    advance: Duration | None = None
    set: Annotated[AwareDatetime | None, BeforeValidator(_time)] = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.advance is None) == (self.set is None):
            raise ValueError("say either advance, such as '1h', or set, a time with a Z")
        return self


class _Arming(Written):
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
