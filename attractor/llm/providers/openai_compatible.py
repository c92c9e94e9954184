"""Local servers and gateways, by the Chat Completions that they all speak (7.10).

Writes a request as Chat Completions, in the words that most servers take (7.10).
"""

import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping
from functools import partial
from typing import Self

from attractor.base.json import Json
from attractor.llm.client import AdapterTimeout
from attractor.llm.providers.chat_request import (
    NAMED,
    write_choice,
    write_messages,
    write_settings,
    write_tools,
)
from attractor.llm.providers.chat_response import (
    ChatStream,
    Speaker,
    end,
    is_whole,
    read_response,
    step,
)
from attractor.llm.providers.openai_request import (
    NOT_EVERYWHERE_HELD,
    OpenAIRequest,
    held_to_schema,
    name_schema,
)
from attractor.llm.providers.unsupported import untold_names
from attractor.llm.request import NOT_ENFORCED, Request, format_instruction, merge_options
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.http import Endpoint, Transport
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream

_USAGE: Json = {"include_usage": True}


def write_request(request: Request, *, provider: str, is_stream: bool = False) -> OpenAIRequest:
    """Translate a request; options for this provider come last and win."""
    messages: Json = list(write_messages(request, provider, words=_words(request)))
    body: dict[str, Json] = {"model": request.model, "messages": messages}
    body |= write_settings(request, name_schema)
    if request.tools:
        body["tools"] = write_tools(request.tools)
    if request.tools and request.tool_choice is not None:
        body["tool_choice"] = write_choice(request.tool_choice)
    if is_stream:
        body |= {"stream": True, "stream_options": _USAGE}
    merged = merge_options(body, request.options_for(provider))
    if not is_stream:
        # Options for streams may be given for every request, but are refused in this one.
        merged.pop("stream_options", None)
    return OpenAIRequest(merged, list(_warnings(request)))


def _words(request: Request) -> str:
    wanted = request.response_format
    # Without a word of JSON in the request some refuse this form.
    return format_instruction(wanted) if wanted is not None and wanted.type == "json" else ""


def _warnings(request: Request) -> Iterator[Warning]:
    for one in untold_names(request.messages, told=NAMED):
        told = f"{one} is not sent: instructions go as one message"
        yield Warning(told, "unsupported_parameter")
    for name in request.metadata:
        told = (
            f"metadata {name!r} is not sent: many servers of Chat Completions refuse it "
            "(provider_options can add it)"
        )
        yield Warning(told, "unsupported_parameter")
    if request.tool_choice is not None and not request.tools:
        told = f"without tools the tool choice {request.tool_choice.mode!r} is not sent"
        yield Warning(told, "unsupported_parameter")
    wanted = request.response_format
    if wanted is not None and wanted.strict and not held_to_schema(wanted):
        yield Warning(NOT_EVERYWHERE_HELD, NOT_ENFORCED)


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
        return answer.with_model(request.model)

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Ask and hear the answer piece by piece."""
        body, warnings = write_request(request, provider=self.name, is_stream=True)
        opening = self._transport.stream(_PATH, body)

        def begin(headers: Mapping[str, str]) -> ChatStream:
            origin = StreamOrigin(self.name, headers, warnings)
            return ChatStream(origin, Speaker(self.name, request.model), uuid.uuid4().hex)

        return read_stream(
            opening,
            StreamReader(begin, step, end, is_whole),
            provider=self.name,
            model=request.model,
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Tell whether the interface knows a tool choice."""
        return mode in {"auto", "none", "required", "named"}

    async def close(self) -> None:
        """Give up the connections."""
        await self._transport.close()


part = OpenAICompatibleAdapter
