"""Reads server-sent events from an answer that is still coming in (7.7)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import anyio
import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from attractor.base.errors import NotCanonical
from attractor.base.json import parse_json
from attractor.llm.errors import RequestTimeoutError, ServerError, StreamError
from attractor.llm.fields import Fields

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
