"""Asks the real provider in a client's name, passes on what comes, and records the exchange."""

from collections.abc import Mapping
from functools import partial
from typing import Self

import httpx
from starlette.types import ASGIApp

from attractor.twins.complaints import Complaints
from attractor.twins.delivery import Delivery
from attractor.twins.errors import Rejection
from attractor.twins.exchange import Arrival, refusal
from attractor.twins.hidden_keys import without_keys
from attractor.twins.passage import PATIENCE, Came, Passage, passing_client
from attractor.twins.recording import VERSION, Recording, headers_that_matter, pieces_of
from attractor.twins.recording_files import RecordingFile
from attractor.twins.reply import STREAM, Reply
from attractor.twins.state import State, described

_NAME = "recorded"


class Forwarder:
    """Forwards requests to the providers, within `async with`."""

    def __init__(
        self,
        state: State,
        file: RecordingFile,
        providers: Mapping[str, str],
        *,
        complaints: Complaints,
        patience: httpx.Timeout = PATIENCE,
    ) -> None:
        self.state = state
        self.file = file
        self._providers = providers
        self._complaints = complaints
        self._client = passing_client(patience)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._client.aclose()

    def forward(self, arrival: Arrival) -> ASGIApp:
        """Return what answers a request with its provider's answer."""
        base = self._providers.get(arrival.wire.name)
        if base is None:
            told = f"the twin knows no provider for {arrival.wire.name}: start it with --to"
            return self.refuse(arrival, Rejection(502, f"{told} {arrival.wire.name}=URL"))
        return Passage(_ToProvider(self, arrival, base), self._client, self.state.clock)

    def refuse(self, arrival: Arrival, rejection: Rejection) -> ASGIApp:
        """Return what answers with an error of the twin's own."""
        reply = refusal(arrival.wire, rejection)
        self.state.remember(arrival, described(arrival, reply))
        return Delivery(reply)

    def keep(self, recording: Recording) -> bool:
        """Keep a recording, and tell whether that could be done."""
        return self._complaints.has_done(partial(self.file.add, recording))


class _ToProvider:
    """A request that is passed on to its provider."""

    def __init__(self, forwarder: Forwarder, arrival: Arrival, base: str) -> None:
        self._forwarder = forwarder
        self._arrival = arrival
        self.base = base

    @property
    def content(self) -> bytes:
        return self._arrival.body

    def told(self, error: Exception) -> str:
        told = f"the provider at {self.base} did not answer: {type(error).__name__}: {error}"
        return self._arrival.keys.hide_text(told)

    def refuse(self, told: str) -> ASGIApp:
        return self._forwarder.refuse(self._arrival, Rejection(502, told))

    def keep(self, came: Came) -> bool:
        keys, sought = self._arrival.keys, self._arrival.sought
        headers = headers_that_matter(came.headers)
        is_stream = headers.get("content-type", "").startswith(STREAM)
        recording = Recording(
            version=VERSION,
            wire=sought.wire,
            method=sought.method,
            path=sought.path,
            query=keys.hide_text(without_keys(self._arrival.query)),
            request=sought.request,
            status=came.status,
            headers={name: keys.hide_text(said) for name, said in headers.items()},
            body=tuple(pieces_of(came.chunks, is_stream=is_stream, keys=keys)),
            ended="complete" if came.is_whole else "dropped",
        )
        return self._forwarder.keep(recording)

    def remember(self, status: int, error: str) -> None:
        reply = Reply(status, rule="" if error else _NAME, error=error)
        self._forwarder.state.remember(self._arrival, described(self._arrival, reply))
