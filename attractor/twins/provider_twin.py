"""A provider twin: a real HTTP server that speaks every provider's wire and follows a script."""

import asyncio
import secrets
import socket
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Self

from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.twins.applications import control_application, provider_application
from attractor.twins.errors import ScriptError
from attractor.twins.request_log import LoggedRequest, RequestLog
from attractor.twins.script import Script
from attractor.twins.serving import listen, serve
from attractor.twins.wire import Wire, wire_registry

_HOST = "127.0.0.1"
_ANY_KEY = "key-for-the-twin"


class ProviderTwin:
    """Serves a script from `async with` to its end, for its clients and for whoever controls it."""

    def __init__(
        self,
        script: Script,
        *,
        host: str = _HOST,
        port: int = 0,
        control_port: int = 0,
        token: str | None = None,
    ) -> None:
        self.script = script
        self.token = token or secrets.token_urlsafe(24)
        self._wires: Registry[Wire] = wire_registry()
        _check_wires(script, self._wires)
        self._log = RequestLog()
        self._places = (host, port), (host, control_port)
        self._addresses: list[str] = []
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where clients reach it, without a wire's own base path."""
        return self._addresses[0]

    @property
    def control_url(self) -> str:
        """Where `/requests` is, for whoever has the token."""
        return self._addresses[1]

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """What it was asked so far."""
        return self._log.entries

    def base_url(self, wire: str) -> str:
        """Return what a client of a provider takes as its base URL."""
        return self.url + self._wires[wire].base_path

    def environ(self) -> Mapping[str, str]:
        """Return the environment variables that send a provider's clients here."""
        made: dict[str, str] = {}
        for name, wire in self._wires.items():
            *urls, key = wire.variables
            made |= dict.fromkeys(urls, self.base_url(name)) | {key: _ANY_KEY}
        return made

    async def __aenter__(self) -> Self:
        wires = list(self._wires.values())
        applications = (
            provider_application(self.script, wires, self._log),
            control_application(self._log, self.token),
        )
        async with AsyncExitStack() as stack:
            for application, (host, port) in zip(applications, self._places, strict=True):
                listener = stack.enter_context(listen(host, port))
                self._addresses.append(_address(listener))
                await stack.enter_async_context(serve(application, listener))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._stack.aclose()


@contextmanager
def in_background(twin: ProviderTwin) -> Generator[ProviderTwin]:
    """Serve a twin from a thread of its own, for code that is not asynchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="provider-twin")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(twin.__aenter__(), loop).result()
        try:
            yield twin
        finally:
            asyncio.run_coroutine_threadsafe(twin.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _check_wires(script: Script, wires: Registry[Wire]) -> None:
    """A rule for a wire nobody speaks would never answer."""
    for rule in script.rules:
        wire = rule.when.wire
        if wire is not None and wire not in wires:
            unknown = UnknownName("wire", wire, wires)
            raise ScriptError(f"{rule.name!r}: {unknown.message}", hint=unknown.hint)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
