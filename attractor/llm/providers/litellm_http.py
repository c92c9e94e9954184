"""Carries what litellm sends, and keeps what the provider itself answered.

litellm tells errors with loss: of a status, of a header, of what kind of trouble the network had.
Here the requests of one call are seen as they go out, so that the provider's own word can be told.
"""

import json
import re
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from functools import partial

import httpx

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.transport.http import PerLoop

_END_OF_EVENT = re.compile(rb"\r?\n\r?\n")
# What stands between and behind events.
_NOTHING = (b"", b"[DONE]")
_DESCRIBE_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


class ImageLeftOut(httpx.RequestError):
    """litellm made a request that lacks an image it was given."""


class Pool:
    """The connections of one adapter, opened when they are first needed; a loop has its own."""

    def __init__(self) -> None:
        # Certificates take 30 ms to load.
        self._safe = PerLoop(partial(_open, is_safe=True), httpx.AsyncHTTPTransport.aclose)
        self._plain = PerLoop(partial(_open, is_safe=False), httpx.AsyncHTTPTransport.aclose)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send one request; its answer is still to be read."""
        connections = self._safe if request.url.scheme == "https" else self._plain
        return await (await connections.find()).handle_async_request(request)

    async def close(self) -> None:
        """Give up the connections; a request after that opens new ones."""
        await self._safe.close()
        await self._plain.close()


def _open(*, is_safe: bool) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.AsyncHTTPTransport(verify=is_safe, limits=limits)


@dataclass
class Exchange:
    """What went to and fro in one call: the newest answer of the provider, or what kept it off."""

    pool: Pool
    connect: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str = ""
    trouble: httpx.RequestError | None = None
    complaint: JsonObject | None = None
    incoming: httpx.AsyncByteStream | None = None
    # What has to be in the request, as base64 or an address.
    images: Sequence[str] = ()

    @contextmanager
    def watching(self) -> Generator[None]:
        """Take for this call what is sent while the block lasts."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    async def carry(self, request: httpx.Request) -> httpx.Response:
        """Send one request of this call."""
        if self.trouble is not None:
            # Some of litellm's clients try again where the network failed.
            raise self.trouble
        # What comes in is read here too.
        request.headers["accept-encoding"] = "identity"
        # How long to wait for the rest is decided where the whole is waited for.
        request.extensions = {**request.extensions, "timeout": {"connect": self.connect}}
        try:
            self._require_images(request, await request.aread())
            response = await self.pool.send(request)
            self.status, self.headers = response.status_code, response.headers
            if response.is_success:
                self.incoming = response.stream = _Watched(response, self)
                return response
            return await self._read_error(response)
        except httpx.RequestError as trouble:
            self.trouble = trouble
            raise

    def _require_images(self, request: httpx.Request, content: bytes) -> None:
        """Keep a request back that lacks an image: litellm leaves it out without a word.

        What is no JSON asks for something else, such as a token.
        """
        if "json" not in request.headers.get("content-type", ""):
            return
        for image in self.images:
            if image.encode() not in content and json.dumps(image).encode() not in content:
                raise ImageLeftOut("an image is not in it", request=request)

    async def close(self) -> None:
        """Close the connection of an answer that is still coming in."""
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


class _Watched(httpx.AsyncByteStream):
    """The body of an answer, that says so when it breaks off, or cannot be read, or complains."""

    def __init__(self, response: httpx.Response, exchange: Exchange) -> None:
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream, self._exchange = stream, exchange
        kind = response.headers.get("content-type", "")
        self._has_events = kind.startswith("text/event-stream")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = _events(self._stream) if self._has_events else self._stream
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

    def _look_at(self, event: bytes) -> None:
        """Find what litellm would pass over: an event nobody can read, and an error in one."""
        value = _read(event)
        if isinstance(value, dict) and (value.get("error") or value.get("type") == "error"):
            self._exchange.complaint = value


async def _events(stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    """Yield one event after the other, and at last what is none."""
    rest = b""
    async for piece in stream:
        rest += piece
        while found := _END_OF_EVENT.search(rest):
            yield rest[: found.end()]
            rest = rest[found.end() :]
    if rest:
        yield rest


def _read(event: bytes) -> Json:
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    data = b"\n".join(line.removeprefix(b"data:").strip() for line in lines)
    try:
        return None if data in _NOTHING else json.loads(data)
    except ValueError as cause:
        raise httpx.DecodingError(f"an event is no JSON: {cause}") from None


class Carrier(httpx.AsyncBaseTransport):
    """What litellm sends by: it hands every request to the call that it belongs to."""

    def __init__(self) -> None:
        # For a program that also uses litellm by itself.
        self._strays = Pool()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        exchange = _CURRENT.get()
        if exchange is None:
            return await self._strays.send(request)
        return await exchange.carry(request)


def is_watched() -> bool:
    """Tell whether a call of ours is being made here."""
    return _CURRENT.get() is not None


_CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
