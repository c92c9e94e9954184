"""Turns a provider's server-sent events into stream events (7.7)."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

import anyio

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.errors import SDKError, StreamError
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType
from attractor.llm.transport.fields import Fields
from attractor.llm.transport.http import LONGEST_DRAIN, StreamReply

S = TypeVar("S")
# Usage may follow the end of an answer, but not every server sends it.
_LONGEST_WAIT_FOR_USAGE = 2.0


@dataclass(frozen=True)
class StreamOrigin:
    """Provider, headers and warnings of a stream."""

    provider: str
    headers: Mapping[str, str]
    warnings: Sequence[Warning] = ()


class Step(NamedTuple, Generic[S]):
    """The next state of a stream, and the stream events made from a server event."""

    state: S
    events: Sequence[StreamEvent] = ()


@dataclass(frozen=True)
class StreamReader(Generic[S]):
    """The pure functions that read the stream of one provider, each from a given state.

    `end` returns the last events if the end of the connection ends the answer (default: none,
    because a server event ends the answer). `is_complete` returns whether only usage can follow.
    """

    begin: Callable[[Mapping[str, str]], S]
    step: Callable[[S, Fields], Step[S]]
    end: Callable[[S], Sequence[StreamEvent]] = lambda state: ()
    is_complete: Callable[[S], bool] = lambda state: False


async def read_stream(
    opening: AbstractAsyncContextManager[StreamReply],
    reader: StreamReader[S],
    *,
    provider: str,
    model: str,
) -> AsyncGenerator[StreamEvent]:
    """Yield stream events up to FINISH.

    An error after the first event is also yielded as an ERROR event. The connection is closed
    before the ERROR event is yielded.
    """
    has_begun = False
    try:
        async with opening as reply, aclosing(_translate(reply, reader, provider)) as events:
            async for event in events:
                has_begun = True
                if event.response:
                    event = replace(event, response=event.response.with_model(model))
                yield event
    except SDKError as error:
        if has_begun:
            yield StreamEvent(StreamEventType.ERROR, error=error)
        raise


async def _translate(
    reply: StreamReply, reader: StreamReader[S], provider: str
) -> AsyncGenerator[StreamEvent]:
    state = reader.begin(reply.headers)
    while (fields := await _next(reply, is_complete=reader.is_complete(state))) is not None:
        state, events = reader.step(state, fields)
        for event in events:
            if event.type == StreamEventType.FINISH:
                await _drain(reply)
                yield event
                return
            yield event
    last = reader.end(state)
    for event in last:
        yield event
    if not last:
        raise StreamError(f"the stream of {provider} ended before its answer was complete")


async def _next(reply: StreamReply, *, is_complete: bool) -> Fields | None:
    if not is_complete:
        return await anext(reply.events, None)
    with anyio.move_on_after(_LONGEST_WAIT_FOR_USAGE):
        return await anext(reply.events, None)
    return None


async def _drain(reply: StreamReply) -> None:
    """Read the rest, so that the connection can be reused."""
    with suppress(SDKError), anyio.move_on_after(LONGEST_DRAIN):
        async for _ in reply.events:
            pass


def finish_event(response: Response) -> StreamEvent:
    """Return the last event of a stream."""
    return StreamEvent(
        StreamEventType.FINISH,
        finish_reason=response.finish_reason,
        usage=response.usage,
        response=response,
    )


def provider_event(raw: JsonObject) -> StreamEvent:
    """Return an event in the provider's own format."""
    return StreamEvent(StreamEventType.PROVIDER_EVENT, raw=raw)
