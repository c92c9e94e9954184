"""Forwards a request to the real server, and records the exchange."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol, Self
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.twins.errors import Rejection
from attractor.twins.exchange.reply import STREAM, Reply
from attractor.twins.recordings.files import RecordingFile
from attractor.twins.recordings.recording import VERSION, Recording, headers_that_matter, pieces_of
from attractor.twins.recordings.redaction import without_keys
from attractor.twins.server.hosting import Complaints, Delivery, drop_connection, until_gone
from attractor.twins.server.provider_state import State, described
from attractor.twins.server.replies import Arrival, refusal

# Those that are about one connection, and those that the next one says itself.
_OF_A_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "host", "server", "accept-encoding", "content-encoding"),
    }
)


PATIENCE = httpx.Timeout(connect=10, read=600, write=60, pool=None)


@dataclass(frozen=True)
class Came:
    """An answer as it came: its bytes with the seconds since the request, and whether all did."""

    status: int
    headers: httpx.Headers
    chunks: Sequence[tuple[float, bytes]]
    is_whole: bool

    @property
    def content(self) -> bytes:
        """All its bytes."""
        return b"".join(chunk for _, chunk in self.chunks)


class Errand(Protocol):
    """One request that is passed on, and what is made of its answer."""

    @property
    def base(self) -> str:
        """Where the real server is."""
        ...

    @property
    def content(self) -> bytes:
        """What is sent there."""
        ...

    def told(self, error: Exception) -> str:
        """Say that the real server did not answer, without keys."""
        ...

    def refuse(self, told: str) -> ASGIApp:
        """Remember that there was no answer, and return what says so to the client."""
        ...

    def keep(self, came: Came) -> bool:
        """Keep an answer, and tell whether that could be done."""
        ...

    def remember(self, status: int, error: str) -> None:
        """Remember what became of the request."""
        ...


def passing_client(patience: httpx.Timeout) -> httpx.AsyncClient:
    """Return what asks real servers in the name of clients, and keeps nothing of them."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    # A cookie belongs to the client that got it.
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(timeout=patience, limits=limits, trust_env=False, cookies=cookies)


def is_address(url: str) -> bool:
    """Tell whether this says where a server is, and nothing else."""
    parts = urlsplit(url)
    is_plain = not (parts.query or parts.fragment or parts.username)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain


class Passage:
    """One exchange on its way between a client and the real server."""

    def __init__(self, errand: Errand, client: httpx.AsyncClient, clock: Clock) -> None:
        self._errand = errand
        self._client = client
        self._clock = clock
        self._began = clock.monotonic()
        self._chunks: list[tuple[float, bytes]] = []
        self._status = 0
        self._last = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, unless the client goes away."""
        passing = asyncio.ensure_future(self._pass_on(scope, receive, send))
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait({passing, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not passing.done():
                told = "its client left before the end: not recorded"
                self._errand.remember(self._status, told)
        finally:
            gone.cancel()
            passing.cancel()
            await asyncio.gather(gone, passing, return_exceptions=True)
        if not passing.cancelled():
            passing.result()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._client.send(self._request(scope), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            await self._errand.refuse(self._errand.told(error))(scope, receive, send)
            return
        self._status = response.status_code
        try:
            trouble = await self._copy(response, send)
        finally:
            await response.aclose()
        came = Came(response.status_code, response.headers, self._chunks, not trouble)
        kept = self._errand.keep(came)
        self._errand.remember(came.status, trouble if kept else "it could not be recorded")
        if trouble or not kept:
            drop_connection(scope)
            await until_gone(receive)
        else:
            await send({"type": "http.response.body", "body": self._last, "more_body": False})

    async def _copy(self, response: httpx.Response, send: Send) -> str:
        """Pass the answer on as it comes, and tell what broke it off if anything did."""
        headers = [(one.lower(), said) for one, said in response.headers.raw]
        own = set(_OF_A_CONNECTION)
        if "content-encoding" in response.headers:
            # What is passed on is no longer packed, and so has another length.
            own.add("content-length")
        passed = [(name, said) for name, said in headers if name.decode() not in own]
        start = {"type": "http.response.start", "status": response.status_code}
        await send({**start, "headers": passed})
        came, length = 0, int(dict(passed).get(b"content-length", -1))
        try:
            async for chunk in response.aiter_bytes():
                self._chunks.append((self._clock.monotonic() - self._began, chunk))
                came += len(chunk)
                if came == length:
                    # With it the client has all there is, which is not before it is recorded.
                    self._last = chunk
                else:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.HTTPError as error:
            return self._errand.told(error)
        return ""

    def _request(self, scope: Scope) -> httpx.Request:
        place = scope["raw_path"].decode("ascii")
        query = scope["query_string"].decode("ascii")
        given: list[tuple[bytes, bytes]] = scope["headers"]
        own = _OF_A_CONNECTION | {"content-length", "date"}
        return self._client.build_request(
            scope["method"],
            f"{self._errand.base}{place}{f'?{query}' if query else ''}",
            headers=[
                *(one for one in given if one[0].decode("latin-1") not in own),
                # Packed bytes could not be read in a recording.
                (b"accept-encoding", b"identity"),
            ],
            content=self._errand.content,
        )


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
