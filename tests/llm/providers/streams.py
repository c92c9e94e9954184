"""Parses bytes as a provider's stream, and writes streams as a provider does."""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    Response,
    SDKError,
    StreamAccumulator,
    StreamEvent,
    StreamEventType,
    Warning,
)
from attractor.llm.providers import (
    anthropic_response as anthropic_stream,
    chat_response,
    chat_response as chat_stream,
    gemini_response as gemini_stream,
    openai_response as openai_stream,
)
from attractor.llm.transport.fields import stream_fields
from attractor.llm.transport.http import StreamReply, read_server_events
from attractor.llm.transport.stream_reading import StreamOrigin, StreamReader, read_stream
from tests.llm.providers.answers import require_whole

WARNED = (Warning("odd"),)
HEADERS = {
    "content-type": "text/event-stream",
    "x-ratelimit-remaining-requests": "9",
    "anthropic-ratelimit-requests-remaining": "9",
}


def folding(provider: str, headers: Mapping[str, str] = HEADERS) -> StreamReader[Any]:
    origin = StreamOrigin(provider, headers, WARNED)
    if provider == "openai":
        begun = openai_stream.OpenAIStream(origin, "asked", "seed")
        return StreamReader(lambda _: begun, openai_stream.step)
    if provider == "anthropic":
        state = anthropic_stream.AnthropicStream(origin, "asked", "seed")
        return StreamReader(lambda _: state, anthropic_stream.step)
    if provider == "openai_compatible":
        speaker = chat_response.ChatDialect(provider, "asked")
        nothing = chat_stream.ChatStream(origin, speaker, "seed")
        step, end = chat_stream.step, chat_stream.end
        return StreamReader(lambda _: nothing, step, end)
    empty = gemini_stream.GeminiStream(origin, "gemini-3", "seed")
    return StreamReader(lambda _: empty, gemini_stream.step, gemini_stream.end)


def fold(provider: str, *events: Json) -> list[StreamEvent]:
    """Return the result of a complete stream."""
    how = folding(provider)
    state = how.begin(HEADERS)
    received: list[StreamEvent] = []
    for event in events:
        state, more = how.step(state, stream_fields(event, provider=provider, path="an event"))
        received.extend(more)
    return [*received, *how.end(state)]


def whole(events: Iterable[StreamEvent]) -> Response:
    accumulator = StreamAccumulator()
    for event in events:
        accumulator.process(event)
    return accumulator.response()


def brief(events: Iterable[StreamEvent]) -> list[str]:
    """Return each event as its type and its content."""
    return [" ".join(filter(None, [str(one.type), _said(one)])) for one in events]


def _said(event: StreamEvent) -> str | None:
    call = event.tool_call
    if call is not None:
        written = json.dumps(call.arguments) if call.raw_arguments is None else call.raw_arguments
        return f"{call.id} {call.name} {written}"
    return event.delta or event.reasoning_delta or event.text


def sse(events: Iterable[Json | JsonObject]) -> bytes:
    """Write events as a server does."""
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in events)


def stream_of(provider: str, content: bytes) -> AsyncGenerator[StreamEvent]:
    """Return the result of some bytes."""

    @asynccontextmanager
    async def opening() -> AsyncGenerator[StreamReply]:
        response = httpx.Response(200, headers=HEADERS, content=content)
        yield StreamReply(read_server_events(response, provider=provider, timeout=10), HEADERS)

    return read_stream(opening(), folding(provider), provider=provider, model="asked")


async def hear(events: AsyncIterable[StreamEvent]) -> tuple[Sequence[StreamEvent], SDKError | None]:
    """Return the events of a stream, and the error at its end."""
    received: list[StreamEvent] = []
    try:
        async for event in events:
            received.append(event)
    except SDKError as error:
        return received, error
    return received, None


async def require_heard(events: AsyncIterable[StreamEvent]) -> None:
    """Require a complete answer at the end, or an error of ours, which is also the last event."""
    answer, error = await hear(events)
    if error is None:
        require_whole(whole(answer))
    elif answer:
        assert (answer[-1].type, answer[-1].error) == (StreamEventType.ERROR, error)
