"""Local servers and gateways, by the Chat Completions that they all speak (7.10)."""

import uuid
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Self

from attractor.llm.adapter import AdapterTimeout
from attractor.llm.providers.chat_response import Speaker, read_response
from attractor.llm.providers.chat_stream import ChatStream, end, is_whole, step
from attractor.llm.providers.openai_compatible_request import write_request
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.said_by import said_by
from attractor.llm.stream_event import StreamEvent
from attractor.llm.streaming import Folding, Origin, stream_events
from attractor.llm.transport import Endpoint, Transport

_TIMEOUT = AdapterTimeout()
_PATH = "chat/completions"


class OpenAICompatibleAdapter:
    """Speaks Chat Completions, as vLLM, Ollama, llama.cpp, OpenRouter, Groq and many others do."""

    name = "openai_compatible"

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        timeout: AdapterTimeout | float = _TIMEOUT,
    ) -> None:
        # A server of one's own often asks for no key.
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        headers = {**key, **(default_headers or {})}
        endpoint = Endpoint(self.name, base_url, api_key or None, headers, timeout)
        self._transport = Transport(endpoint)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Make one from OPENAI_COMPATIBLE_BASE_URL and, if need be, OPENAI_COMPATIBLE_API_KEY."""
        base_url = environ.get("OPENAI_COMPATIBLE_BASE_URL", "").strip()
        if not base_url:
            return None
        key = environ.get("OPENAI_COMPATIBLE_API_KEY", "").strip()
        return cls(base_url=base_url, api_key=key, timeout=timeout)

    async def complete(self, request: Request) -> Response:
        """Ask and wait for the whole answer."""
        body, warnings = write_request(request, provider=self.name)
        speaker = Speaker(self.name, request.model)
        read = partial(read_response, warnings=warnings, speaker=speaker)
        answer = await self._transport.post(_PATH, body, read)
        return said_by(request.model, answer)

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Ask and hear the answer piece by piece."""
        body, warnings = write_request(request, provider=self.name, is_stream=True)
        opening = self._transport.stream(_PATH, body)

        def begin(headers: Mapping[str, str]) -> ChatStream:
            origin = Origin(self.name, headers, warnings)
            return ChatStream(origin, Speaker(self.name, request.model), uuid.uuid4().hex)

        return stream_events(
            opening, Folding(begin, step, end, is_whole), provider=self.name, model=request.model
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Tell whether the interface knows a tool choice."""
        return mode in {"auto", "none", "required", "named"}

    async def close(self) -> None:
        """Give up the connections."""
        await self._transport.close()


part = OpenAICompatibleAdapter
