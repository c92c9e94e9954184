"""Adapter for Google's Gemini API."""

import re
import uuid
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Self

from attractor.llm.client import AdapterTimeout
from attractor.llm.providers.gemini_request import write_request
from attractor.llm.providers.gemini_response import (
    GeminiStream,
    end,
    is_whole,
    read_error,
    read_response,
    step,
)
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.http import Endpoint, Transport
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream

_BASE_URL = "https://generativelanguage.googleapis.com"
_VERSION = "v1beta"
_VERSIONED = re.compile(r"/v\d\w*$")
_TIMEOUT = AdapterTimeout()
_WHOLE = ":generateContent"
_PIECES = ":streamGenerateContent?alt=sse"
# Other tools of the provider use the second name (2.2).
_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")


class GeminiAdapter:
    """Calls Google's Gemini API."""

    name = "gemini"

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = _BASE_URL,
        default_headers: Mapping[str, str] | None = None,
        timeout: AdapterTimeout | float = _TIMEOUT,
    ) -> None:
        # A header instead of a query parameter, because URLs are logged.
        headers = {"x-goog-api-key": api_key, **(default_headers or {})}
        root = base_url.rstrip("/")
        if not _VERSIONED.search(root):
            root = f"{root}/{_VERSION}"
        endpoint = Endpoint(self.name, root, api_key, headers, timeout)
        self._transport = Transport(endpoint, read_error=read_error)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Read GEMINI_API_KEY (fallback: GOOGLE_API_KEY) and GEMINI_BASE_URL."""
        keys = [environ.get(name, "").strip() for name in _KEYS]
        key = next(filter(None, keys), "")
        if not key:
            return None
        base_url = environ.get("GEMINI_BASE_URL") or _BASE_URL
        return cls(api_key=key, base_url=base_url, timeout=timeout)

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer."""
        written = write_request(request, provider=self.name)
        known = {"provider": self.name, "model": request.model}
        read = partial(read_response, warnings=written.warnings, **known)
        answer = await self._transport.post(written.path, written.body, read)
        return answer.with_model(request.model)

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Stream the answer to a request."""
        written = write_request(request, provider=self.name)
        path = f"{written.path.removesuffix(_WHOLE)}{_PIECES}"
        opening = self._transport.stream(path, written.body)

        def begin(headers: Mapping[str, str]) -> GeminiStream:
            origin = StreamOrigin(self.name, headers, written.warnings)
            return GeminiStream(origin, request.model, uuid.uuid4().hex)

        return read_stream(
            opening,
            StreamReader(begin, step, end, is_whole),
            provider=self.name,
            model=request.model,
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Return whether the provider supports a tool choice."""
        return mode in {"auto", "none", "required", "named"}

    async def probe(self) -> None:
        """Request the list of models."""
        await self._transport.get("models")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


part = GeminiAdapter
