"""Carries JSON to a provider and back over HTTP, in time, and never shows a key."""

import json
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import field
from typing import TypeVar

import anyio
import httpx

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm.adapter import AdapterTimeout
from attractor.llm.errors import (
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    ProviderError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    error_from_status_code,
)
from attractor.llm.fields import Fields, object_in
from attractor.llm.headers import read_retry_after
from attractor.llm.per_loop import PerLoop
from attractor.llm.server_events import read_server_events

_LONGEST_MESSAGE = 500
_HIDDEN = "[key]"
_SHORTEST_SECRET = 8
R = TypeVar("R")
ReadError = Callable[[ProviderError], SDKError]


def as_it_is(error: ProviderError) -> SDKError:
    """Leave an error as its status has it."""
    return error


@dataclass(frozen=True)
class Endpoint:
    """Where a provider answers, and what opens it; no key where none is asked for."""

    provider: str
    base_url: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout: AdapterTimeout | float

    def __post_init__(self) -> None:
        # Checked here because the HTTP library's own error would show the key.
        key = self.api_key
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise ConfigurationError(
                f"the key of {self.provider} is empty or holds what no header can carry",
                hint="look for a blank, a line end or a character that was not copied well",
            )
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"the base URL of {self.provider} does not begin with http:// or https://",
                hint="write it like https://api.example.com/v1",
            )

    @property
    def limits(self) -> AdapterTimeout:
        """How long it is waited for; a number is for a whole answer."""
        given = self.timeout
        return given if isinstance(given, AdapterTimeout) else AdapterTimeout(request=given)


@dataclass(frozen=True)
class Reply:
    """A provider's good answer."""

    body: Fields
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Incoming:
    """A provider's good answer that is still coming in."""

    events: AsyncGenerator[Fields]
    headers: Mapping[str, str]


class Transport:
    """Posts JSON to one provider; safe for many requests at the same time.

    Every event loop has connections of its own, which end with it.
    `read_error` looks for what a provider's errors say beyond their status.
    """

    def __init__(self, endpoint: Endpoint, *, read_error: ReadError = as_it_is) -> None:
        self._endpoint = endpoint
        self._read_error = read_error
        # Opened for the provider that is asked, not for every one with a key.
        self._connections = PerLoop(self._open, httpx.AsyncClient.aclose)
        try:
            self._url = httpx.URL(endpoint.base_url)
        except httpx.InvalidURL:
            # Without the cause: its words could hold a password.
            raise ConfigurationError(f"the base URL of {endpoint.provider} is none") from None

    async def post(
        self,
        path: str,
        body: JsonObject,
        read: Callable[[Reply], R],
        *,
        headers: Mapping[str, str] | None = None,
    ) -> R:
        """Send one request and return what is read of the answer, or raise what it failed of."""
        response = await self._send(path, body, headers or {})
        if not response.is_success:
            raise self._error(response)
        try:
            answer = parse_json(response.content)
        except NotCanonical as cause:
            raise self._unreadable(cause.message) from None
        with self._concealing():
            return read(Reply(Fields(answer, provider=self._endpoint.provider), response.headers))

    @asynccontextmanager
    async def stream(
        self, path: str, body: JsonObject, *, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Incoming]:
        """Send one request and hear its answer as it comes, until the block ends."""
        accept = {"accept": "text/event-stream", **(headers or {})}
        response = await self._send(path, body, accept, is_stream=True)
        try:
            if not response.is_success:
                async with self._in_time():
                    await response.aread()
                raise self._error(response)
            provider, wait = self._endpoint.provider, self._endpoint.limits.stream_read
            events = read_server_events(response, provider=provider, wait=wait)
            with self._concealing():
                async with aclosing(events):
                    yield Incoming(events, response.headers)
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Give up the connections; a request after that opens new ones."""
        await self._connections.close()

    def _open(self) -> httpx.AsyncClient:
        endpoint = self._endpoint
        return httpx.AsyncClient(
            base_url=self._url,
            headers={"user-agent": f"attractor/{__version__}", **endpoint.headers},
            timeout=httpx.Timeout(None, connect=endpoint.limits.connect),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            # Certificates take 30 ms to load and no redirect leads to where they are needed.
            verify=self._url.scheme == "https",
            # The environment is handed in, also where it would name a proxy.
            trust_env=False,
        )

    async def _send(
        self, path: str, body: JsonObject, headers: Mapping[str, str], *, is_stream: bool = False
    ) -> httpx.Response:
        content = self._written(body)
        sent = {"content-type": "application/json", **headers}
        async with self._in_time():
            http = await self._connections.find()
            request = http.build_request("POST", path, content=content, headers=sent)
            return await http.send(request, stream=is_stream)

    @asynccontextmanager
    async def _in_time(self) -> AsyncGenerator[None]:
        provider, limit = self._endpoint.provider, self._endpoint.limits
        with self._own_errors():
            try:
                with anyio.fail_after(limit.request):
                    yield
            except TimeoutError as cause:
                raise RequestTimeoutError(
                    f"{provider} did not answer in {limit.request:g} s"
                ) from cause

    @contextmanager
    def _own_errors(self) -> Generator[None]:
        provider, limit = self._endpoint.provider, self._endpoint.limits
        try:
            yield
        except httpx.ConnectTimeout as cause:
            raise RequestTimeoutError(
                f"{provider} at {self._place} took no connection in {limit.connect:g} s"
            ) from cause
        except httpx.DecodingError as cause:
            raise self._unreadable("its compression is broken") from cause
        except (httpx.LocalProtocolError, UnicodeError):
            raise ConfigurationError(f"a header for {provider} cannot be sent") from None
        except httpx.RequestError as cause:
            told = f"{type(cause).__name__}: {cause}".rstrip(": ")
            raise NetworkError(f"{provider} at {self._place}: {self._hide(told)}") from cause

    @property
    def _place(self) -> str:
        """The host and port, without a user or password that the URL may hold."""
        url = self._url
        return url.host if url.port is None else f"{url.host}:{url.port}"

    def _written(self, body: JsonObject) -> bytes:
        try:
            # Not sorted: a model reads the properties of a tool in the order they are written.
            return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as cause:
            raise InvalidRequestError(
                f"the request to {self._endpoint.provider} cannot be written as JSON: {cause}",
                provider=self._endpoint.provider,
            ) from cause

    def _error(self, response: httpx.Response) -> SDKError:
        raw = self._hidden(object_in(response.text))
        told = raw.get("error")
        details = told if isinstance(told, dict) else raw
        message = details.get("message") or told or response.text.strip() or response.reason_phrase
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

    def _unreadable(self, why: str) -> ServerError:
        provider = self._endpoint.provider
        return ServerError(
            f"{provider} answered with what nobody can read: {self._hide(why)[:_LONGEST_MESSAGE]}",
            provider=provider,
            status_code=200,
        )

    @contextmanager
    def _concealing(self) -> Generator[None]:
        """Take the key out of an error that is read from a good answer."""
        try:
            yield
        except SDKError as error:
            told = self._hide(error.message)
            error.message, error.args = told, (told,)
            if isinstance(error, ProviderError):
                error.error_code = error.error_code and self._hide(error.error_code)
                error.raw = error.raw and self._hidden(error.raw)
            raise

    def _hidden(self, told: JsonObject) -> dict[str, Json]:
        """Return an object without the key, however it was escaped on its way."""
        return object_in(self._hide(json.dumps(told, ensure_ascii=False)))

    def _hide(self, text: str) -> str:
        # Some gateways repeat the key they refuse. A stand-in's key may be a letter in any word.
        key = self._endpoint.api_key or ""
        return text.replace(key, _HIDDEN) if len(key) >= _SHORTEST_SECRET else text
