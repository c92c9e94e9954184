"""A service twin: a real HTTP server that stands in for somebody else's service."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlsplit

from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.twins.bounded_log import KEEP
from attractor.twins.complaints import Complaints
from attractor.twins.hosting import Addresses, Ports, hosted
from attractor.twins.services.applications import service_application
from attractor.twins.services.clocks import written_time
from attractor.twins.services.control import control_application
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.recorder import Recorder
from attractor.twins.services.recording_files import ExchangeFile
from attractor.twins.services.request_log import ServedRequest
from attractor.twins.services.service import Service
from attractor.twins.services.stand_in import Onlooker, StandIn
from attractor.twins.services.trouble import Trouble


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
