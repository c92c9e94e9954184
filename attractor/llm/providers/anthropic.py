"""Adapter for Anthropic's Messages API."""

import uuid
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Self

from attractor.llm.client import AdapterTimeout
from attractor.llm.providers.anthropic_request import write_request
from attractor.llm.providers.anthropic_response import AnthropicStream, read_response, step
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.http import Endpoint, Transport
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream

_BASE_URL = "https://api.anthropic.com"
_VERSION = "2023-06-01"
_TIMEOUT = AdapterTimeout()


class AnthropicAdapter:
    """Calls Anthropic's Messages API."""

    name = "anthropic"

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = _BASE_URL,
        default_headers: Mapping[str, str] | None = None,
        timeout: AdapterTimeout | float = _TIMEOUT,
    ) -> None:
        given = {name.lower(): value for name, value in (default_headers or {}).items()}
        # Requests may add further ones.
        self._betas = given.pop("anthropic-beta", "")
        headers = {"x-api-key": api_key, "anthropic-version": _VERSION, **given}
        # Unlike OpenAI's, Anthropic's base URL does not include the version.
        root = base_url.rstrip("/").removesuffix("/v1")
        self._transport = Transport(Endpoint(self.name, root, api_key, headers, timeout))

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Read ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL."""
        key = environ.get("ANTHROPIC_API_KEY", "").strip()
        if not key:
            return None
        base_url = environ.get("ANTHROPIC_BASE_URL") or _BASE_URL
        return cls(api_key=key, base_url=base_url, timeout=timeout)

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer."""
        written = write_request(request, provider=self.name, betas=self._betas)
        known = {"provider": self.name, "model": request.model}
        read = partial(read_response, warnings=written.warnings, **known)
        answer = await self._transport.post(
            "v1/messages", written.body, read, headers=written.headers
        )
        return answer.with_model(request.model)

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Stream the answer to a request."""
        written = write_request(request, provider=self.name, betas=self._betas)
        body = {**written.body, "stream": True}
        opening = self._transport.stream("v1/messages", body, headers=written.headers)

        def begin(headers: Mapping[str, str]) -> AnthropicStream:
            origin = StreamOrigin(self.name, headers, written.warnings)
            return AnthropicStream(origin, request.model, uuid.uuid4().hex)

        return read_stream(
            opening, StreamReader(begin, step), provider=self.name, model=request.model
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Return whether the provider supports a tool choice."""
        return mode in {"auto", "none", "required", "named"}

    async def probe(self) -> None:
        """Request the list of models."""
        await self._transport.get("v1/models")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


part = AnthropicAdapter
