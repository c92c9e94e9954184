"""Reads server-sent events from an answer as it arrives (7.7)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import anyio
import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from attractor.base.errors import NotCanonical
from attractor.base.json import parse_json
from attractor.llm.errors import RequestTimeoutError, ServerError, StreamError
from attractor.llm.transport.fields import Fields, stream_fields

LONGEST_DRAIN = 0.25
"""Seconds to read the rest of a connection so that it can be reused."""

# The last event of some providers.
_DONE = "[DONE]"
_LONGEST_MESSAGE = 500


async def read_server_events(
    response: httpx.Response, *, provider: str, timeout: float
) -> AsyncGenerator[Fields]:
    """Yield the object of every event; `timeout` is in seconds for each event."""
    # The stream may begin with a byte order mark.
    response.encoding = "utf-8-sig"
    async with aclosing(EventSource(response).aiter_sse()) as events:
        while (event := await _next(events, provider, timeout)) is not None:
            if event.data == _DONE:
                await _drain(events)
                return
            if event.data:
                yield _parse(event.data, provider)


async def _drain(events: AsyncGenerator[ServerSentEvent]) -> None:
    """Read the rest, so that the connection can be reused."""
    with suppress(SSEError, httpx.RequestError), anyio.move_on_after(LONGEST_DRAIN):
        async for _ in events:
            pass


async def _next(
    events: AsyncGenerator[ServerSentEvent], provider: str, timeout: float
) -> ServerSentEvent | None:
    try:
        # An asyncio timeout would interrupt the closing of other connections too.
        with anyio.fail_after(timeout):
            return await anext(events, None)
    except TimeoutError as cause:
        raise RequestTimeoutError(f"{provider} streamed no event for {timeout:g} s") from cause
    except SSEError as cause:
        raise ServerError(
            f"the answer of {provider} is not a stream",
            provider=provider,
            status_code=200,
            hint="check the provider's base URL: does the server support streaming?",
        ) from cause
    except httpx.DecodingError as cause:
        raise StreamError(f"corrupt compression in the stream of {provider}") from cause
    except httpx.RequestError as cause:
        kind = type(cause).__name__
        raise StreamError(f"the stream of {provider} was interrupted: {kind}") from cause


def _parse(data: str, provider: str) -> Fields:
    try:
        value = parse_json(data)
    except NotCanonical as cause:
        message = f"invalid event in the stream of {provider}: {cause.message}"
        raise StreamError(message[:_LONGEST_MESSAGE]) from None
    return stream_fields(value, provider=provider, path="an event")
