"""Sends litellm's HTTP requests and records the provider's own answers.

The errors of litellm lose statuses, headers, and the kind of a network error.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from functools import partial

import httpx

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.transport.http import PerLoop

_END_OF_EVENT = re.compile(rb"\r?\n\r?\n")
# Data between and after events.
_NOTHING = (b"", b"[DONE]")
_DESCRIBE_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


class MissingImageError(httpx.RequestError):
    """A request of litellm lacks an image."""


class Pool:
    """The connections of an adapter, opened on demand, one pool per event loop."""

    def __init__(self) -> None:
        # Loading certificates takes 30 ms.
        self._safe = PerLoop(partial(_open, is_safe=True), httpx.AsyncHTTPTransport.aclose)
        self._plain = PerLoop(partial(_open, is_safe=False), httpx.AsyncHTTPTransport.aclose)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer is not read yet."""
        connections = self._safe if request.url.scheme == "https" else self._plain
        return await (await connections.find()).handle_async_request(request)

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        await self._safe.close()
        await self._plain.close()


def _open(*, is_safe: bool) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncHTTPTransport(verify=is_safe, limits=limits)


@dataclass
class Exchange:
    """The newest answer of a call, or the network error of the call.

    `on_data` is called for all received data of an answer.
    """

    pool: Pool
    connect: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""
    trouble: httpx.RequestError | None = None
    error_event: JsonObject | None = None
    incoming: httpx.AsyncByteStream | None = None
    # Images that the request must contain, as base64 or URL.
    images: Sequence[str] = ()
    on_data: Callable[[], None] = do_nothing

    @contextmanager
    def recording(self) -> Generator[None]:
        """Assign requests sent within the block to this call."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    async def carry(self, request: httpx.Request) -> httpx.Response:
        """Send a request of this call."""
        if self.trouble is not None:
            # Some clients of litellm retry network errors.
            raise self.trouble
        # The answer is read here too.
        request.headers["accept-encoding"] = "identity"
        # Other time limits are applied by the caller.
        request.extensions = {**request.extensions, "timeout": {"connect": self.connect}}
        try:
            self._require_images(request, await request.aread())
            response = await self.pool.send(request)
            self.status, self.headers = response.status_code, response.headers
            if response.is_success:
                self.incoming = response.stream = _RecordedBody(response, self)
                return response
            return await self._read_error(response)
        except httpx.RequestError as trouble:
            self.trouble = trouble
            raise

    def _require_images(self, request: httpx.Request, content: bytes) -> None:
        """Raise an error if a request lacks an image, because litellm may drop images silently.

        Requests that are not JSON are not checked: they have another purpose, such as fetching a
        token.
        """
        if "json" not in request.headers.get("content-type", ""):
            return
        for image in self.images:
            if image.encode() not in content and json.dumps(image).encode() not in content:
                raise MissingImageError("missing image", request=request)

    async def close(self) -> None:
        """Close the connection of an incomplete answer."""
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            await incoming.aclose()

    async def _read_error(self, response: httpx.Response) -> httpx.Response:
        try:
            content = await response.aread()
        finally:
            await response.aclose()
        self.body = response.text
        kept = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name not in _DESCRIBE_THE_BODY
        ]
        return httpx.Response(response.status_code, headers=kept, content=content)


class _RecordedBody(httpx.AsyncByteStream):
    """The body of an answer; records interruptions, invalid events and errors in the body."""

    def __init__(self, response: httpx.Response, exchange: Exchange) -> None:
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream, self._exchange = stream, exchange
        kind = response.headers.get("content-type", "")
        self._has_events = kind.startswith("text/event-stream")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = _events(self._received()) if self._has_events else self._received()
        try:
            async for piece in pieces:
                if self._has_events:
                    self._look_at(piece)
                yield piece
        except httpx.RequestError as trouble:
            self._exchange.trouble = trouble
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _received(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._exchange.on_data()
            yield piece

    def _look_at(self, event: bytes) -> None:
        """Find invalid events and errors, which litellm ignores."""
        lines = (line for line in event.splitlines() if line.startswith(b"data:"))
        data = b"\n".join(line.removeprefix(b"data:").strip() for line in lines)
        if data in _NOTHING:
            return
        try:
            value: Json = json.loads(data)
        except (ValueError, RecursionError) as cause:
            raise httpx.DecodingError(f"invalid JSON in an event: {cause}") from None
        if isinstance(value, dict) and (value.get("error") or value.get("type") == "error"):
            self._exchange.error_event = value


async def _events(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the events, and the rest of the data."""
    rest = b""
    async for piece in stream:
        rest += piece
        while found := _END_OF_EVENT.search(rest):
            yield rest[: found.end()]
            rest = rest[found.end() :]
    if rest:
        yield rest


class RecordingTransport(httpx.AsyncBaseTransport):
    """The transport of litellm, which assigns every request to its call."""

    def __init__(self) -> None:
        # For programs that also use litellm directly.
        self._strays = Pool()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        exchange = _CURRENT.get()
        if exchange is None:
            return await self._strays.send(request)
        return await exchange.carry(request)


def is_recording() -> bool:
    """Return whether a call of this adapter is running in this context."""
    return _CURRENT.get() is not None


_CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
