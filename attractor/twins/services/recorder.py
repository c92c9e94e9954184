"""Asks the real service in a client's name, passes on what comes, and records the exchange."""

from typing import Self

import httpx
from pydantic import ValidationError
from starlette.types import ASGIApp

from attractor.base.clock import SystemClock
from attractor.twins.complaints import Complaints
from attractor.twins.delivery import Delivery
from attractor.twins.passage import PATIENCE, Came, Passage, is_address, passing_client
from attractor.twins.services.answering import own_error
from attractor.twins.services.errors import RecordingError, Unanswerable
from attractor.twins.services.recorded_exchanges import recorded_exchange
from attractor.twins.services.recording_files import ExchangeFile
from attractor.twins.services.request_log import Curtain, Outcome
from attractor.twins.services.requests import ServiceRequest
from attractor.twins.services.responses import Response
from attractor.twins.services.stand_in import StandIn

_ROUTE = "recorded"


class Recorder:
    """Passes requests on to the real service, within `async with`."""

    def __init__(
        self,
        stand_in: StandIn,
        file: ExchangeFile,
        to: str,
        *,
        complaints: Complaints,
        patience: httpx.Timeout = PATIENCE,
    ) -> None:
        if not is_address(to):
            hint = "write it as https://HOST"
            raise RecordingError(f"{to!r} is no address of a service", hint=hint)
        self.stand_in = stand_in
        self.base = to.rstrip("/")
        self._file = file
        self._complaints = complaints
        self._client = passing_client(patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._client.aclose()

    def forward(self, asked: ServiceRequest) -> ASGIApp:
        """Return what answers a request with the service's answer."""
        errand = _ToService(self, asked)
        try:
            # Whether it can be recorded shows before anything is asked.
            recorded_exchange(self.stand_in.service, asked, Response())
        except ValidationError as cause:
            fault = cause.errors()[0]
            place = ".".join(str(step) for step in fault["loc"])
            return errand.refuse(f"this cannot be recorded: {place}: {fault['msg']}")
        return Passage(errand, self._client, SystemClock())

    def keep(self, asked: ServiceRequest, response: Response) -> bool:
        """Keep an exchange, and tell whether that could be done."""

        def add() -> None:
            self._file.add(recorded_exchange(self.stand_in.service, asked, response))

        return self._complaints.has_done(add)


class _ToService:
    """A request that is passed on to its service."""

    def __init__(self, recorder: Recorder, asked: ServiceRequest) -> None:
        self._recorder = recorder
        self._asked = asked
        self.base = recorder.base

    @property
    def content(self) -> bytes:
        return self._asked.content

    def told(self, error: Exception) -> str:
        told = f"the service at {self.base} did not answer: {type(error).__name__}: {error}"
        return Curtain(self._recorder.stand_in.service.written.auth, self._asked).text(told)

    def refuse(self, told: str) -> ASGIApp:
        reply = own_error(Unanswerable(502, "not_recorded", told)).reply
        self._recorder.stand_in.remember(self._asked, Outcome(reply.status, why=told))
        return Delivery(reply)

    def keep(self, came: Came) -> bool:
        # Half an answer is none to hold a twin against; that it broke off is told all the same.
        headers = {name.lower(): value for name, value in came.headers.items()}
        response = Response(came.status, headers, came.content)
        return not came.is_whole or self._recorder.keep(self._asked, response)

    def remember(self, status: int, error: str) -> None:
        outcome = Outcome(status, "" if error else _ROUTE, why=error)
        self._recorder.stand_in.remember(self._asked, outcome)
