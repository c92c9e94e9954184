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
from attractor.twins.exchange.answer import STREAM, Reply
from attractor.twins.recordings.recording import (
    VERSION,
    Recording,
    RecordingFile,
    pieces_of,
    recorded_headers,
)
from attractor.twins.redaction import query_without_keys
from attractor.twins.server.hosting import (
    Delivery,
    ErrorReporter,
    drop_connection,
    until_disconnected,
)
from attractor.twins.server.provider_state import (
    IncomingRequest,
    ProviderState,
    error_reply,
    with_conversation,
)

# Headers that belong to one connection, and headers that the next connection sets itself.
_CONNECTION_HEADERS = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "host", "server", "accept-encoding", "content-encoding"),
    }
)


# uvicorn cannot send a greater status.
LAST_STATUS = 599

TIMEOUT = httpx.Timeout(connect=10, read=600, write=60, pool=None)


@dataclass(frozen=True)
class ReceivedResponse:
    """A response as received; each chunk has the seconds since the request."""

    status: int
    headers: httpx.Headers
    chunks: Sequence[tuple[float, bytes]]
    is_complete: bool

    @property
    def content(self) -> bytes:
        """The whole body."""
        return b"".join(chunk for _, chunk in self.chunks)


class ForwardedRequest(Protocol):
    """A request to forward; it also records the response, and logs the outcome or the failure."""

    @property
    def base(self) -> str:
        """The address of the real server."""
        ...

    @property
    def content(self) -> bytes:
        """The body to send."""
        ...

    def failure_message(self, error: Exception) -> str:
        """Return a message, without API keys, about a response that did not arrive."""
        ...

    def fail(self, message: str) -> ASGIApp:
        """Log that no response arrived, and return an application that sends the error."""
        ...

    def record(self, received: ReceivedResponse) -> bool:
        """Record a response, and return whether the recording was saved."""
        ...

    def log(self, status: int, error: str) -> None:
        """Log the outcome of the request."""
        ...


def forwarding_client(timeout: httpx.Timeout) -> httpx.AsyncClient:
    """Return a client for real servers that stores no cookies."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    # A cookie belongs to the client of the twin.
    cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False, cookies=cookies)


def is_address(url: str) -> bool:
    """Return whether a URL is the address of a server, without query or user."""
    parts = urlsplit(url)
    is_plain = not (parts.query or parts.fragment or parts.username)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain


class Relay:
    """Forwards one request to the real server, and copies the response to the client by chunks."""

    def __init__(
        self, forwarded: ForwardedRequest, client: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._forwarded = forwarded
        self._client = client
        self._clock = clock
        self._began = clock.monotonic()
        self._chunks: list[tuple[float, bytes]] = []
        self._status = 0
        self._last = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward until the end, or until the client disconnects."""
        forwarding = asyncio.ensure_future(self._forward(scope, receive, send))
        disconnected = asyncio.ensure_future(until_disconnected(receive))
        try:
            await asyncio.wait({forwarding, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            if not forwarding.done():
                message = "the client disconnected before the end of the response: not recorded"
                self._forwarded.log(self._status, message)
        finally:
            disconnected.cancel()
            forwarding.cancel()
            await asyncio.gather(disconnected, forwarding, return_exceptions=True)
        if not forwarding.cancelled():
            forwarding.result()

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._client.send(self._request(scope), stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            await self._forwarded.fail(self._forwarded.failure_message(error))(scope, receive, send)
            return
        if response.status_code > LAST_STATUS:
            await response.aclose()
            message = f"invalid status {response.status_code} from {self._forwarded.base}"
            await self._forwarded.fail(message)(scope, receive, send)
            return
        self._status = response.status_code
        try:
            problem = await self._copy(response, send)
        finally:
            await response.aclose()
        received = ReceivedResponse(
            response.status_code, response.headers, self._chunks, not problem
        )
        is_recorded = self._forwarded.record(received)
        problem = problem if is_recorded else "the response could not be recorded"
        self._forwarded.log(received.status, problem)
        if problem:
            drop_connection(scope)
            await until_disconnected(receive)
        else:
            await send({"type": "http.response.body", "body": self._last, "more_body": False})

    async def _copy(self, response: httpx.Response, send: Send) -> str:
        """Forward the response, and return the error that interrupted the response, if any."""
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        dropped = set(_CONNECTION_HEADERS)
        if "content-encoding" in response.headers:
            # The forwarded body is decompressed, and has another length.
            dropped.add("content-length")
        forwarded = [(name, value) for name, value in headers if name.decode() not in dropped]
        start = {"type": "http.response.start", "status": response.status_code}
        await send({**start, "headers": forwarded})
        size, length = 0, int(dict(forwarded).get(b"content-length", -1))
        try:
            async for chunk in response.aiter_bytes():
                self._chunks.append((self._clock.monotonic() - self._began, chunk))
                size += len(chunk)
                if size == length:
                    # The client gets the last chunk only after the exchange is recorded.
                    self._last = chunk
                else:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except httpx.HTTPError as error:
            return self._forwarded.failure_message(error)
        return ""

    def _request(self, scope: Scope) -> httpx.Request:
        place = scope["raw_path"].decode("ascii")
        query = scope["query_string"].decode("ascii")
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        dropped = _CONNECTION_HEADERS | {"content-length", "date"}
        return self._client.build_request(
            scope["method"],
            f"{self._forwarded.base}{place}{f'?{query}' if query else ''}",
            headers=[
                *(header for header in headers if header[0].decode("latin-1") not in dropped),
                # A compressed body would be unreadable in a recording.
                (b"accept-encoding", b"identity"),
            ],
            content=self._forwarded.content,
        )


_RECORDED = "recorded"


class Forwarder:
    """Forwards requests to the providers, and records the exchanges."""

    def __init__(
        self,
        state: ProviderState,
        file: RecordingFile,
        providers: Mapping[str, str],
        *,
        reporter: ErrorReporter,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self.state = state
        self.file = file
        self._providers = providers
        self._reporter = reporter
        self._client = forwarding_client(timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._client.aclose()

    def forward(self, incoming: IncomingRequest) -> ASGIApp:
        """Return an application that answers a request with its provider's response."""
        base = self._providers.get(incoming.wire.name)
        if base is None:
            wire = incoming.wire.name
            message = f"unknown provider address of {wire}: start the twin with --to {wire}=URL"
            return self.fail(incoming, Rejection(502, message))
        return Relay(_ForwardedToProvider(self, incoming, base), self._client, self.state.clock)

    def fail(self, incoming: IncomingRequest, rejection: Rejection) -> ASGIApp:
        """Return an application that sends an error of the twin."""
        reply = error_reply(incoming.wire, rejection)
        self.state.log_request(incoming, with_conversation(incoming, reply))
        return Delivery(reply)

    def record(self, recording: Recording) -> bool:
        """Save a recording, and return whether this succeeded."""
        return self._reporter.try_to(partial(self.file.add, recording))


class _ForwardedToProvider:
    """A request that is forwarded to its provider."""

    def __init__(self, forwarder: Forwarder, incoming: IncomingRequest, base: str) -> None:
        self._forwarder = forwarder
        self._incoming = incoming
        self.base = base

    @property
    def content(self) -> bytes:
        return self._incoming.body

    def failure_message(self, error: Exception) -> str:
        message = f"no response of the provider at {self.base}: {type(error).__name__}: {error}"
        return self._incoming.keys.text(message)

    def fail(self, message: str) -> ASGIApp:
        return self._forwarder.fail(self._incoming, Rejection(502, message))

    def record(self, received: ReceivedResponse) -> bool:
        keys, redacted = self._incoming.keys, self._incoming.redacted
        headers = recorded_headers(received.headers)
        is_stream = headers.get("content-type", "").startswith(STREAM)
        recording = Recording(
            version=VERSION,
            wire=redacted.wire,
            method=redacted.method,
            path=redacted.path,
            query=keys.text(query_without_keys(self._incoming.query)),
            request=redacted.request,
            status=received.status,
            headers={name: keys.text(value) for name, value in headers.items()},
            body=tuple(pieces_of(received.chunks, is_stream=is_stream, keys=keys)),
            ended="complete" if received.is_complete else "dropped",
        )
        return self._forwarder.record(recording)

    def log(self, status: int, error: str) -> None:
        reply = Reply(status, rule="" if error else _RECORDED, error=error)
        self._forwarder.state.log_request(self._incoming, with_conversation(self._incoming, reply))
