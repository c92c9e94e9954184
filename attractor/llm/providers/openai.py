"""Adapter for OpenAI's Responses API."""

import uuid
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Self

from attractor.llm.client import AdapterTimeout
from attractor.llm.providers.openai_request import write_request
from attractor.llm.providers.openai_response import OpenAIStream, read_response, step
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.http import Endpoint, Transport
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream

_BASE_URL = "https://api.openai.com/v1"
_TIMEOUT = AdapterTimeout()


class OpenAIAdapter:
    """Calls OpenAI's Responses API."""

    name = "openai"

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = _BASE_URL,
        organization: str = "",
        project: str = "",
        default_headers: Mapping[str, str] | None = None,
        timeout: AdapterTimeout | float = _TIMEOUT,
    ) -> None:
        account = {"openai-organization": organization, "openai-project": project}
        headers = {
            "authorization": f"Bearer {api_key}",
            **{name: value for name, value in account.items() if value},
            **(default_headers or {}),
        }
        self._transport = Transport(Endpoint(self.name, base_url, api_key, headers, timeout))

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Read OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID."""
        key = environ.get("OPENAI_API_KEY", "").strip()
        if not key:
            return None
        return cls(
            api_key=key,
            base_url=environ.get("OPENAI_BASE_URL") or _BASE_URL,
            organization=environ.get("OPENAI_ORG_ID", ""),
            project=environ.get("OPENAI_PROJECT_ID", ""),
            timeout=timeout,
        )

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer."""
        body, warnings = write_request(request, provider=self.name)
        known = {"provider": self.name, "model": request.model}
        read = partial(read_response, warnings=warnings, **known)
        answer = await self._transport.post("responses", body, read)
        return answer.with_model(request.model)

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Stream the answer to a request."""
        body, warnings = write_request(request, provider=self.name)
        opening = self._transport.stream("responses", {**body, "stream": True})

        def begin(headers: Mapping[str, str]) -> OpenAIStream:
            origin = StreamOrigin(self.name, headers, warnings)
            return OpenAIStream(origin, request.model, uuid.uuid4().hex)

        return read_stream(
            opening, StreamReader(begin, step), provider=self.name, model=request.model
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


part = OpenAIAdapter
