"""Posts JSON to providers over HTTP within time limits, and keeps keys out of errors."""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Generic, NamedTuple, TypeVar

import anyio
import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
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
from attractor.llm.response import RateLimitInfo
from attractor.llm.transport.fields import Fields, object_in

# The names each provider uses, ours on the left.
OPENAI_LIMITS: Mapping[str, str] = {
    "requests_remaining": "x-ratelimit-remaining-requests",
    "requests_limit": "x-ratelimit-limit-requests",
    "tokens_remaining": "x-ratelimit-remaining-tokens",
    "tokens_limit": "x-ratelimit-limit-tokens",
    "requests_reset": "x-ratelimit-reset-requests",
    "tokens_reset": "x-ratelimit-reset-tokens",
}
ANTHROPIC_LIMITS: Mapping[str, str] = {
    "requests_remaining": "anthropic-ratelimit-requests-remaining",
    "requests_limit": "anthropic-ratelimit-requests-limit",
    "tokens_remaining": "anthropic-ratelimit-tokens-remaining",
    "tokens_limit": "anthropic-ratelimit-tokens-limit",
    "requests_reset": "anthropic-ratelimit-requests-reset",
    "tokens_reset": "anthropic-ratelimit-tokens-reset",
}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")


class _Reset(NamedTuple):
    """When something is counted anew, as far as it is told."""

    at: datetime | None = None
    after: float | None = None

    @property
    def order(self) -> tuple[float, datetime]:
        """What the later one of two has more of."""
        return -1.0 if self.after is None else self.after, self.at or _LONG_AGO


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the provider asks to wait, told in seconds or as a date."""
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is not None:
        return seconds
    until, now = _http_date(text), _http_date(headers.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def read_rate_limit(headers: Mapping[str, str], names: Mapping[str, str]) -> RateLimitInfo | None:
    """Return what the provider says is left, None when it says nothing."""
    told = {ours: headers[theirs] for ours, theirs in names.items() if theirs in headers}
    if not told:
        return None
    now = _http_date(headers.get("date", ""))
    requests_left = _count(told.get("requests_remaining"))
    tokens_left = _count(told.get("tokens_remaining"))
    requests = _reset(told.get("requests_reset", ""), now)
    tokens = _reset(told.get("tokens_reset", ""), now)
    used_up = [one for left, one in ((requests_left, requests), (tokens_left, tokens)) if left == 0]
    reset = max(used_up or [requests], key=lambda one: one.order)
    return RateLimitInfo(
        requests_remaining=requests_left,
        requests_limit=_count(told.get("requests_limit")),
        tokens_remaining=tokens_left,
        tokens_limit=_count(told.get("tokens_limit")),
        reset_at=reset.at,
        reset_after=reset.after,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _reset(text: str, now: datetime | None) -> _Reset:
    """Read when something is counted anew: told as a date, or as a span such as `6m0s` from now."""
    span = _SPAN.fullmatch(text)
    if text and span:
        hours, minutes, seconds, milliseconds = (float(one or 0) for one in span.groups())
        after = ((hours * 60 + minutes) * 60 + seconds) + milliseconds / 1000
        return _Reset(_later(now, after), after if math.isfinite(after) else None)
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return _Reset()
    at = told if told.tzinfo else told.replace(tzinfo=UTC)
    return _Reset(at, max(0.0, (at - now).total_seconds()) if now else None)


def _later(now: datetime | None, seconds: float) -> datetime | None:
    try:
        return now + timedelta(seconds=seconds) if now else None
    except OverflowError:
        return None


T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes one thing for each event loop that asks for it, and closes it when the loop ends."""

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._ends: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    async def find(self) -> T:
        """Return the one of the loop that runs here."""
        loop = asyncio.get_running_loop()
        if loop not in self._ends:
            self._ends[loop] = self._until_the_end(loop)
            await anext(self._ends[loop])
        if loop not in self._made:
            self._made[loop] = self._make()
        return self._made[loop]

    async def close(self) -> None:
        """Close the one of the loop that runs here; who asks again gets a new one."""
        # Not by its generator: when the loop ends, who is closed may close others that way too.
        made = self._made.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await self._close(made)

    async def _until_the_end(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None]:
        """Wait for the end of the loop, which closes every generator that is still open."""
        try:
            yield
        finally:
            del self._ends[loop]
            await self.close()


# What some providers send behind the last event.
_DONE = "[DONE]"
LONGEST_END = 0.25
"""How many seconds the end of a connection is worth when the answer is there."""

_LONGEST_MESSAGE = 500


async def read_server_events(
    response: httpx.Response, *, provider: str, wait: float
) -> AsyncGenerator[Fields]:
    """Yield every event's object, none of them waited for longer than so many seconds."""
    # A mark of the byte order may stand before the first event.
    response.encoding = "utf-8-sig"
    async with aclosing(EventSource(response).aiter_sse()) as events:
        while (event := await _next(events, provider, wait)) is not None:
            if event.data == _DONE:
                await _let_end(events)
                return
            if event.data:
                yield _read(event.data, provider)


async def _let_end(events: AsyncGenerator[ServerSentEvent]) -> None:
    """Let the connection serve again; nothing of what may still come says anything."""
    with suppress(SSEError, httpx.RequestError), anyio.move_on_after(LONGEST_END):
        async for _ in events:
            pass


async def _next(
    events: AsyncGenerator[ServerSentEvent], provider: str, wait: float
) -> ServerSentEvent | None:
    try:
        # Not by asyncio: its time-out would break off the closing of another connection, too.
        with anyio.fail_after(wait):
            return await anext(events, None)
    except TimeoutError as cause:
        raise RequestTimeoutError(f"{provider} streamed nothing more for {wait:g} s") from cause
    except SSEError as cause:
        raise ServerError(
            f"{provider} answered with what is no stream",
            provider=provider,
            status_code=200,
            hint="check the provider's base URL: can what stands there stream?",
        ) from cause
    except httpx.DecodingError as cause:
        raise StreamError(f"the compression of {provider}'s stream is broken") from cause
    except httpx.RequestError as cause:
        kind = type(cause).__name__
        raise StreamError(f"the stream of {provider} was cut: {kind}") from cause


def _read(data: str, provider: str) -> Fields:
    try:
        value = parse_json(data)
    except NotCanonical as cause:
        told = f"{provider} streamed an event that nobody can read: {cause.message}"
        raise StreamError(told[:_LONGEST_MESSAGE]) from None
    return Fields(value, provider=provider, path="an event", malformed=malformed)


def malformed(provider: str, fault: str) -> StreamError:
    """Return the error of a stream that holds what it never should."""
    return StreamError(f"{provider} streamed what it never should: {fault}")


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
