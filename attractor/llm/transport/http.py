"""HTTP requests to providers, and the server-sent events of their responses."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import field
from typing import Generic, TypeVar

import anyio
import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json, parse_object
from attractor.llm.client import AdapterTimeout
from attractor.llm.errors import (
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    ProviderError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
    error_from_status_code,
)
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.headers import read_retry_after

LONGEST_DRAIN = 0.25
"""Seconds to read the rest of a connection so that it can be reused."""

# The last event of some providers.
_DONE = "[DONE]"
_LONGEST_MESSAGE = 500


async def read_server_events(
    response: httpx.Response, *, provider: str, timeout: float
) -> AsyncGenerator[Fields]:
    """Yield the object of every event; `timeout` is the longest silence in seconds."""
    # The stream may begin with a byte order mark.
    response.encoding = "utf-8-sig"
    assert isinstance(response.stream, httpx.AsyncByteStream)
    response.stream = _TimedBody(response.stream, timeout)
    async with aclosing(EventSource(response).aiter_sse()) as events:
        while (event := await _next(events, provider, timeout)) is not None:
            if event.data == _DONE:
                await _drain(events)
                return
            if event.data:
                yield _parse(event.data, provider)


class _TimedBody(httpx.AsyncByteStream):
    """The body of an answer, with a time limit for each read.

    Servers send comments while a request waits or the model thinks, which end the silence.
    """

    def __init__(self, stream: httpx.AsyncByteStream, timeout: float) -> None:
        self._stream, self._timeout = stream, timeout

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        pieces = aiter(self._stream)
        while True:
            # An asyncio timeout would interrupt the closing of other connections too.
            with anyio.fail_after(self._timeout):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _drain(events: AsyncGenerator[ServerSentEvent]) -> None:
    """Read the rest, so that the connection can be reused."""
    with suppress(SSEError, httpx.RequestError), anyio.move_on_after(LONGEST_DRAIN):
        async for _ in events:
            pass


async def _next(
    events: AsyncGenerator[ServerSentEvent], provider: str, timeout: float
) -> ServerSentEvent | None:
    try:
        return await anext(events, None)
    except TimeoutError as cause:
        raise RequestTimeoutError(f"{provider} sent no data for {timeout:g} s") from cause
    except SSEError as cause:
        raise ServerError(
            f"the answer of {provider} is not a stream",
            provider=provider,
            status_code=200,
            hint="check the provider's base URL: does the server support streaming?",
        ) from cause
    except httpx.DecodingError as cause:
        raise StreamError(f"corrupt compression in the stream of {provider}") from cause
    except httpx.RequestError as cause:
        kind = type(cause).__name__
        raise StreamError(f"the stream of {provider} was interrupted: {kind}") from cause


def _parse(data: str, provider: str) -> Fields:
    try:
        value = parse_json(data)
    except NotCanonical as cause:
        message = f"invalid event in the stream of {provider}: {cause.message}"
        raise StreamError(message[:_LONGEST_MESSAGE]) from None
    return stream_fields(value, provider=provider, path="an event")


_HIDDEN = "[key]"
_SHORTEST_SECRET = 8
T = TypeVar("T")


@dataclass(frozen=True)
class Endpoint:
    """Address, API key (if any), headers and time limits of a provider."""

    provider: str
    base_url: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout: AdapterTimeout | float

    def __post_init__(self) -> None:
        # Checked here because an error of the HTTP library would contain the key.
        key = self.api_key
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise ConfigurationError(
                f"invalid API key of {self.provider}: it is empty, or contains characters that are "
                f"not allowed in a header",
                hint="check the API key for a newline or another character that was copied by "
                "mistake",
            )
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"invalid base URL of {self.provider}: it does not start with http:// or https://",
                hint="write it like https://api.example.com/v1",
            )

    @property
    def limits(self) -> AdapterTimeout:
        """The time limits; a plain number limits the whole answer."""
        timeout = self.timeout
        return timeout if isinstance(timeout, AdapterTimeout) else AdapterTimeout(request=timeout)


@dataclass(frozen=True)
class Reply:
    """The body and headers of a successful answer."""

    body: Fields
    headers: Mapping[str, str]


@dataclass(frozen=True)
class StreamReply:
    """The events and headers of a successful answer that is still arriving."""

    events: AsyncGenerator[Fields]
    headers: Mapping[str, str]


def _unchanged(error: ProviderError) -> SDKError:
    return error


class Transport:
    """Posts JSON to one provider; allows many requests at the same time.

    Every event loop has its own connections. `read_error` adds the provider's own details to the
    error of an HTTP status.
    """

    def __init__(
        self, endpoint: Endpoint, *, read_error: Callable[[ProviderError], SDKError] = _unchanged
    ) -> None:
        self._endpoint = endpoint
        self._read_error = read_error
        self._connections = PerLoop(self._open, httpx.AsyncClient.aclose)
        try:
            self._url = httpx.URL(endpoint.base_url)
        except httpx.InvalidURL:
            # Without the cause, which may contain a password.
            raise ConfigurationError(f"invalid base URL of {endpoint.provider}") from None

    async def post(
        self,
        path: str,
        body: JsonObject,
        read: Callable[[Reply], T],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send a request and return the answer, translated by `read`."""
        response = await self._send(path, body, headers or {})
        if not response.is_success:
            raise self._error(response)
        try:
            answer = parse_json(response.content)
        except NotCanonical as cause:
            raise self._invalid_answer(cause.message) from None
        with self._hiding_key():
            return read(Reply(Fields(answer, provider=self._endpoint.provider), response.headers))

    @asynccontextmanager
    async def stream(
        self, path: str, body: JsonObject, *, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[StreamReply]:
        """Send a request and yield the answer as it arrives.

        The end of the block closes the connection.
        """
        accept = {"accept": "text/event-stream", **(headers or {})}
        response = await self._send(path, body, accept, is_stream=True)
        try:
            if not response.is_success:
                async with self._limited():
                    await response.aread()
                raise self._error(response)
            provider, timeout = self._endpoint.provider, self._endpoint.limits.stream_read
            events = read_server_events(response, provider=provider, timeout=timeout)
            with self._hiding_key():
                async with aclosing(events):
                    yield StreamReply(events, response.headers)
        finally:
            await response.aclose()

    async def get(self, path: str) -> str:
        """Send a GET request, which is free; return the body, or raise the error of the answer."""
        async with self._limited():
            response = await (await self._connections.find()).get(path)
        if not response.is_success:
            raise self._error(response)
        return response.text

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        await self._connections.close()

    def _open(self) -> httpx.AsyncClient:
        endpoint = self._endpoint
        return httpx.AsyncClient(
            base_url=self._url,
            headers={"user-agent": f"attractor/{__version__}", **endpoint.headers},
            timeout=httpx.Timeout(None, connect=endpoint.limits.connect),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            # Loading certificates takes 30 ms, and redirects are not followed.
            verify=self._url.scheme == "https",
            # Environment variables are passed in explicitly, proxies included.
            trust_env=False,
        )

    async def _send(
        self, path: str, body: JsonObject, headers: Mapping[str, str], *, is_stream: bool = False
    ) -> httpx.Response:
        try:
            # Not sorted: a model reads the properties of a tool in this order.
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as cause:
            raise InvalidRequestError(
                f"the request to {self._endpoint.provider} is not valid JSON: {cause}",
                provider=self._endpoint.provider,
            ) from cause
        all_headers = {"content-type": "application/json", **headers}
        async with self._limited():
            http = await self._connections.find()
            request = http.build_request("POST", path, content=content, headers=all_headers)
            return await http.send(request, stream=is_stream)

    @asynccontextmanager
    async def _limited(self) -> AsyncGenerator[None]:
        provider, limit = self._endpoint.provider, self._endpoint.limits
        with self._translating_errors():
            try:
                with anyio.fail_after(limit.request):
                    yield
            except TimeoutError as cause:
                raise RequestTimeoutError(
                    f"{provider} did not answer within {limit.request:g} s"
                ) from cause

    @contextmanager
    def _translating_errors(self) -> Generator[None]:
        provider, limit = self._endpoint.provider, self._endpoint.limits
        try:
            yield
        except httpx.ConnectTimeout as cause:
            raise RequestTimeoutError(
                f"cannot connect to {provider} at {self._host} within {limit.connect:g} s"
            ) from cause
        except httpx.DecodingError as cause:
            raise self._invalid_answer("corrupt compression") from cause
        except (httpx.LocalProtocolError, UnicodeError):
            raise ConfigurationError(f"invalid header for {provider}") from None
        except httpx.RequestError as cause:
            reason = f"{type(cause).__name__}: {cause}".rstrip(": ")
            raise NetworkError(f"{provider} at {self._host}: {self._hide(reason)}") from cause

    @property
    def _host(self) -> str:
        """The host and port; the URL may contain a user name and password."""
        url = self._url
        return url.host if url.port is None else f"{url.host}:{url.port}"

    def _error(self, response: httpx.Response) -> SDKError:
        raw = self._hide_in(parse_object(response.text) or {})
        error_field = raw.get("error")
        details = error_field if isinstance(error_field, dict) else raw
        message = (
            details.get("message") or error_field or response.text.strip() or response.reason_phrase
        )
        code = details.get("code") or details.get("type")
        error = error_from_status_code(
            response.status_code,
            self._hide(str(message))[:_LONGEST_MESSAGE],
            provider=self._endpoint.provider,
            error_code=str(code) if code else None,
            retry_after=read_retry_after(response.headers),
            raw=raw or None,
        )
        return self._read_error(error) if isinstance(error, ProviderError) else error

    def _invalid_answer(self, reason: str) -> ServerError:
        provider = self._endpoint.provider
        return ServerError(
            f"invalid answer of {provider}: {self._hide(reason)[:_LONGEST_MESSAGE]}",
            provider=provider,
            status_code=200,
        )

    @contextmanager
    def _hiding_key(self) -> Generator[None]:
        """Remove the API key from errors that are raised while reading a successful answer."""
        try:
            yield
        except SDKError as error:
            message = self._hide(error.message)
            error.message, error.args = message, (message,)
            if isinstance(error, ProviderError):
                error.error_code = error.error_code and self._hide(error.error_code)
                error.raw = error.raw and self._hide_in(error.raw)
            raise

    def _hide_in(self, raw: JsonObject) -> dict[str, Json]:
        """Return an object without the API key, even if the API key was escaped."""
        return parse_object(self._hide(json.dumps(raw, ensure_ascii=False))) or {}

    def _hide(self, text: str) -> str:
        return hide_keys(text, [self._endpoint.api_key or ""])


def hide_keys(text: str, keys: Iterable[str]) -> str:
    """Return a text without API keys, because some gateways repeat a rejected key."""
    for key in keys:
        # A placeholder key may be a letter of any word.
        if len(key) >= _SHORTEST_SECRET:
            text = text.replace(key, _HIDDEN)
    return text


class PerLoop(Generic[T]):
    """Makes one object per event loop on demand, and closes the object when its event loop ends."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._objects: dict[asyncio.AbstractEventLoop, T] = {}
        self._ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    async def find(self) -> T:
        """Return the object of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._ends:
            self._ends[loop] = self._close_at_end(loop)
            await anext(self._ends[loop])
        if loop not in self._objects:
            self._objects[loop] = self._make()
        return self._objects[loop]

    async def close(self) -> None:
        """Close the object of the running loop; `find` then makes a new object."""
        # The generator is not closed here, because `close` may be called while it runs at the
        # loop's end.
        closing = self._objects.pop(asyncio.get_running_loop(), None)
        if closing is not None:
            await self._close(closing)

    async def _close_at_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        """Close the object when the loop ends, because a loop then closes every open generator."""
        try:
            yield
        finally:
            del self._ends[loop]
            await self.close()
