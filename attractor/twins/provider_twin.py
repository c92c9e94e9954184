"""A provider twin: a real HTTP server that speaks every provider's wire and follows a script."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import AttractorError
from attractor.base.registry import Registry
from attractor.twins.applications import provider_application
from attractor.twins.bounded_log import KEEP, BoundedLog
from attractor.twins.complaints import Complaints
from attractor.twins.control import control_application
from attractor.twins.errors import RecordingError
from attractor.twins.forwarding import Forwarder
from attractor.twins.hosting import LOOPBACK, Addresses, Ports, hosted
from attractor.twins.memory import Memory
from attractor.twins.providers import providers_of
from attractor.twins.recording_files import RecordingFile
from attractor.twins.recordings import Recordings
from attractor.twins.request_log import LoggedRequest, RequestLog
from attractor.twins.script import Script
from attractor.twins.state import Hears, State
from attractor.twins.wire import Wire, wire_registry

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
