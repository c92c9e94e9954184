"""Adapter for servers and gateways with a Chat Completions API (7.10)."""

import json
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Self

from attractor.base.json import Json, parse_object
from attractor.llm.client import AdapterTimeout
from attractor.llm.errors import (
    ContextLengthError,
    ProviderError,
    SDKError,
    ServerError,
    StreamError,
)
from attractor.llm.providers.chat_request import (
    NAMED,
    write_choice,
    write_messages,
    write_settings,
    write_tools,
)
from attractor.llm.providers.chat_response import (
    ChatDialect,
    ChatStream,
    end,
    is_whole,
    read_response,
    step,
)
from attractor.llm.providers.openai_request import (
    NOT_ENFORCED_EVERYWHERE,
    OpenAIRequest,
    is_enforceable,
    name_schema,
)
from attractor.llm.providers.unsupported import unsent_names
from attractor.llm.request import NOT_ENFORCED, Request, format_instruction, merge_options
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent, replay
from attractor.llm.transport.http import Endpoint, Transport
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream

_USAGE: Json = {"include_usage": True}


def write_request(request: Request, *, provider: str, is_stream: bool = False) -> OpenAIRequest:
    """Translate a request; options for this provider override other settings."""
    wanted, words = request.response_format, ""
    if wanted is not None and wanted.type == "json":
        # Some servers require the word JSON in the prompt for this format.
        words = format_instruction(wanted)
    messages: Json = list(write_messages(request, provider, words=words))
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
        # Stream options are rejected in other requests.
        merged.pop("stream_options", None)
    return OpenAIRequest(merged, list(_warnings(request)))


def _warnings(request: Request) -> Iterator[Warning]:
    for name in unsent_names(request.messages, sent=NAMED):
        message = f"{name} is not sent, because instructions are sent as one message"
        yield Warning(message, "unsupported_parameter")
    for name in request.metadata:
        message = (
            f"metadata {name!r} is not sent: many Chat Completions servers reject it "
            "(provider_options can add it)"
        )
        yield Warning(message, "unsupported_parameter")
    if request.tool_choice is not None and not request.tools:
        message = f"the tool choice {request.tool_choice.mode!r} is not sent without tools"
        yield Warning(message, "unsupported_parameter")
    wanted = request.response_format
    if wanted is not None and wanted.strict and not is_enforceable(wanted):
        yield Warning(NOT_ENFORCED_EVERYWHERE, NOT_ENFORCED)


_TIMEOUT = AdapterTimeout()
_PATH = "chat/completions"
_AGAIN = "sent_again"
_REMEDY = "start the server with a larger context window, shorten the prompt, or use another model"
# Characters, of a text in English.
_TOKEN = 4
# The names of vLLM, OpenRouter, Groq and llama.cpp.
_WINDOWS = ("max_model_len", "context_length", "context_window", "n_ctx")


def _with_remedy(error: ProviderError) -> SDKError:
    if isinstance(error, ContextLengthError):
        error.hint = _REMEDY
    return error


def find_window(listed: str, model: str) -> int | None:
    """Return the context window of a model in a server's list of models, if it is there."""
    models = (parse_object(listed) or {}).get("data")
    for entry in models if isinstance(models, list) else ():
        if isinstance(entry, dict) and entry.get("id") == model:
            meta = entry.get("meta")
            fields = {**entry, **(meta if isinstance(meta, dict) else {})}
            sizes = (fields.get(name) for name in _WINDOWS)
            return next((size for size in sizes if isinstance(size, int) and size > 0), None)
    return None


class OpenAICompatibleAdapter:
    """Calls the Chat Completions API of vLLM, Ollama, llama.cpp, OpenRouter, Groq or others."""

    name = "openai_compatible"

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        timeout: AdapterTimeout | float = _TIMEOUT,
    ) -> None:
        # Local servers often need no key.
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        headers = {**key, **(default_headers or {})}
        self._endpoint = Endpoint(self.name, base_url, api_key or None, headers, timeout)
        self._transport = self._connect()

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Read OPENAI_COMPATIBLE_BASE_URL and the optional OPENAI_COMPATIBLE_API_KEY."""
        base_url = environ.get("OPENAI_COMPATIBLE_BASE_URL", "").strip()
        if not base_url:
            return None
        key = environ.get("OPENAI_COMPATIBLE_API_KEY", "").strip()
        return cls(base_url=base_url, api_key=key, timeout=timeout)

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer."""
        return await self._complete(request, self._transport)

    def _connect(self) -> Transport:
        return Transport(self._endpoint, read_error=_with_remedy)

    async def _complete(self, request: Request, transport: Transport) -> Response:
        body, warnings = write_request(request, provider=self.name)
        speaker = ChatDialect(self.name, request.model)
        read = partial(read_response, warnings=warnings, speaker=speaker)
        answer = await transport.post(_PATH, body, read)
        return answer.with_model(request.model)

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Stream the answer to a request; send it again without a stream if the stream is empty.

        llama-cpp-python sends an empty stream if the prompt is above the window.
        """
        has_begun = False
        try:
            async with aclosing(self._stream(request)) as events:
                async for event in events:
                    has_begun = True
                    yield event
        except StreamError:
            if has_begun:
                raise
        else:
            return
        answer = await self._complete_or_explain(request)
        again = Warning("the stream was empty, so the request was sent again without one", _AGAIN)
        for event in replay(replace(answer, warnings=[*answer.warnings, again])):
            yield event

    async def _complete_or_explain(self, request: Request) -> Response:
        """Return the whole answer; if the server fails at a prompt above its window, say so."""
        # The server may close the connection of the empty stream at any moment.
        transport = self._connect()
        try:
            return await self._complete(request, transport)
        except ServerError as error:
            window = find_window(await transport.get("models"), request.model)
            size = len(json.dumps(write_request(request, provider=self.name)[0])) // _TOKEN
            if window is None or size < window:
                raise
            raise ContextLengthError(
                f"the prompt has about {size} tokens, and the window of {request.model} has "
                f"{window}, as the server lists; it failed with: {error.message}",
                provider=self.name,
                hint=_REMEDY,
            ) from error
        finally:
            await transport.close()

    def _stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        body, warnings = write_request(request, provider=self.name, is_stream=True)
        opening = self._transport.stream(_PATH, body)

        def begin(headers: Mapping[str, str]) -> ChatStream:
            origin = StreamOrigin(self.name, headers, warnings)
            return ChatStream(origin, ChatDialect(self.name, request.model), uuid.uuid4().hex)

        return read_stream(
            opening,
            StreamReader(begin, step, end, is_whole),
            provider=self.name,
            model=request.model,
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Return whether the API supports a tool choice."""
        return mode in {"auto", "none", "required", "named"}

    async def probe(self) -> None:
        """Request the list of models."""
        await self._transport.get("models")

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


part = OpenAICompatibleAdapter
