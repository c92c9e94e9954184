"""Carries JSON to a provider and back over HTTP, in time, and never shows a key."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import field

import httpx

from attractor import __version__
from attractor.base.canonical import Json, JsonObject, parse_json
from attractor.base.errors import NotCanonical
from attractor.base.late_dataclass import dataclass
from attractor.llm.adapter import AdapterTimeout
from attractor.llm.errors import (
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    error_from_status_code,
)
from attractor.llm.fields import Fields
from attractor.llm.headers import read_retry_after

_LONGEST_MESSAGE = 500
_HIDDEN = "[key]"
_SHORTEST_SECRET = 8


@dataclass(frozen=True)
class Endpoint:
    """Where a provider answers, and what opens it."""

    provider: str
    base_url: str
    api_key: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout: AdapterTimeout

    def __post_init__(self) -> None:
        # Checked here because the HTTP library's own error would show the key.
        if not self.api_key or not self.api_key.isascii() or not self.api_key.isprintable():
            raise ConfigurationError(
                f"the key of {self.provider} is empty or holds what no header can carry",
                hint="look for a blank, a line end or a character that was not copied well",
            )
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"the base URL of {self.provider} does not begin with http:// or https://",
                hint="write it like https://api.example.com/v1",
            )


@dataclass(frozen=True)
class Reply:
    """A provider's good answer."""

    body: Fields
    headers: Mapping[str, str]


class Transport:
    """Posts JSON to one provider; safe for many requests at the same time."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._opened: httpx.AsyncClient | None = None
        try:
            self._url = httpx.URL(endpoint.base_url)
        except httpx.InvalidURL:
            # Without the cause: its words could hold a password.
            raise ConfigurationError(f"the base URL of {endpoint.provider} is none") from None

    async def post(
        self, path: str, body: JsonObject, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request and return the answer, or raise what its status stands for."""
        content = self._written(body)
        response = await self._send(
            path, content, {"content-type": "application/json"} | dict(headers or {})
        )
        if not response.is_success:
            raise self._error(response)
        try:
            answer = parse_json(response.content)
        except NotCanonical as cause:
            raise self._unreadable(cause.message) from None
        return Reply(Fields(answer, provider=self._endpoint.provider), response.headers)

    async def close(self) -> None:
        """Give up the connections; a request after that opens new ones."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    @property
    def _http(self) -> httpx.AsyncClient:
        """Connections are opened for the provider that is asked, not for every one with a key."""
        if self._opened is None:
            endpoint = self._endpoint
            self._opened = httpx.AsyncClient(
                base_url=self._url,
                headers={"user-agent": f"attractor/{__version__}", **endpoint.headers},
                timeout=httpx.Timeout(None, connect=endpoint.timeout.connect),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                # Certificates take 30 ms to load and no redirect leads to where they are needed.
                verify=self._url.scheme == "https",
                # The environment is handed in, also where it would name a proxy.
                trust_env=False,
            )
        return self._opened

    async def _send(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        provider, limit = self._endpoint.provider, self._endpoint.timeout
        try:
            async with asyncio.timeout(limit.request):
                return await self._http.post(path, content=content, headers=headers)
        except TimeoutError as cause:
            raise RequestTimeoutError(
                f"{provider} did not answer in {limit.request:g} s"
            ) from cause
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
        raw = _object_in(self._hide(response.text))
        told = raw.get("error")
        details = told if isinstance(told, dict) else raw
        message = details.get("message") or told or response.text.strip() or response.reason_phrase
        code = details.get("code") or details.get("type")
        return error_from_status_code(
            response.status_code,
            self._hide(str(message))[:_LONGEST_MESSAGE],
            provider=self._endpoint.provider,
            error_code=str(code) if code else None,
            retry_after=read_retry_after(response.headers),
            raw=raw or None,
        )

    def _unreadable(self, why: str) -> ServerError:
        provider = self._endpoint.provider
        return ServerError(
            f"{provider} answered with what nobody can read: {self._hide(why)[:_LONGEST_MESSAGE]}",
            provider=provider,
            status_code=200,
        )

    def _hide(self, text: str) -> str:
        # Some gateways repeat the key they refuse. A stand-in's key may be a letter in any word.
        key = self._endpoint.api_key
        return text.replace(key, _HIDDEN) if len(key) >= _SHORTEST_SECRET else text


def _object_in(text: str) -> dict[str, Json]:
    """Return the JSON object a text is, or an empty one."""
    try:
        value = parse_json(text)
    except NotCanonical:
        return {}
    return value if isinstance(value, dict) else {}
