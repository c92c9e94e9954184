"""Turns a provider's server-sent events into stream events (7.7)."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import replace
from typing import Generic, NamedTuple, TypeVar

import anyio

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import SDKError, StreamError
from attractor.llm.response import Response, Warning, said_by
from attractor.llm.stream_events import StreamEvent, StreamEventType
from attractor.llm.transport.fields import Fields
from attractor.llm.transport.http import LONGEST_END, Incoming, malformed

S = TypeVar("S")
# Usage may come behind the last of an answer; a server that then says no more is not waited for.
_LONGEST_REST = 2.0


@dataclass(frozen=True)
class Origin:
    """What is known of a stream beside its events."""

    provider: str
    headers: Mapping[str, str]
    warnings: Sequence[Warning] = ()


class Step(NamedTuple, Generic[S]):
    """What a server event leads to: the next state, and what is told of it."""

    state: S
    events: Sequence[StreamEvent] = ()


@dataclass(frozen=True)
class Folding(Generic[S]):
    """How one provider's stream is read: pure functions over a state.

    `end` says what there is to tell when the server has said all, where that is what ends it;
    `is_whole`, that nothing of the answer itself can come any more.
    """

    begin: Callable[[Mapping[str, str]], S]
    step: Callable[[S, Fields], Step[S]]
    end: Callable[[S], Sequence[StreamEvent]]
    is_whole: Callable[[S], bool] = lambda state: False


async def stream_events(
    opening: AbstractAsyncContextManager[Incoming],
    folding: Folding[S],
    *,
    provider: str,
    model: str,
) -> AsyncGenerator[StreamEvent]:
    """Yield what is told, up to the FINISH; an error is raised, after an event if one came before.

    The connection is closed by the time that an error is told.
    """
    has_begun = False
    try:
        async with opening as incoming, aclosing(_folded(incoming, folding, provider)) as events:
            async for event in events:
                has_begun = True
                yield _by(model, event)
    except SDKError as error:
        if has_begun:
            yield StreamEvent(StreamEventType.ERROR, error=error)
        raise


async def _folded(
    incoming: Incoming, folding: Folding[S], provider: str
) -> AsyncGenerator[StreamEvent]:
    state = folding.begin(incoming.headers)
    while (one := await _next(incoming, is_whole=folding.is_whole(state))) is not None:
        state, events = folding.step(state, one)
        for event in events:
            if event.type == StreamEventType.FINISH:
                await _read_to_the_end(incoming)
                yield event
                return
            yield event
    last = folding.end(state)
    for event in last:
        yield event
    if not last:
        raise StreamError(f"the stream of {provider} ended before its answer did")


async def _next(incoming: Incoming, *, is_whole: bool) -> Fields | None:
    """Return what comes next; behind a whole answer it is waited for a short while only."""
    if not is_whole:
        return await anext(incoming.events, None)
    with anyio.move_on_after(_LONGEST_REST):
        return await anext(incoming.events, None)
    return None


async def _read_to_the_end(incoming: Incoming) -> None:
    """Let the connection serve again: nothing of what may still come is part of the answer."""
    with suppress(SDKError), anyio.move_on_after(LONGEST_END):
        async for _ in incoming.events:
            pass


def _by(model: str, event: StreamEvent) -> StreamEvent:
    answer = event.response
    return replace(event, response=said_by(model, answer)) if answer else event


def finish(response: Response) -> StreamEvent:
    """Return the event that ends a stream."""
    return StreamEvent(
        StreamEventType.FINISH,
        finish_reason=response.finish_reason,
        usage=response.usage,
        response=response,
    )


def pass_on(raw: JsonObject) -> StreamEvent:
    """Return the event for what only this provider says."""
    return StreamEvent(StreamEventType.PROVIDER_EVENT, raw=raw)


def fields_of(value: Json | JsonObject, *, provider: str, path: str = "the answer") -> Fields:
    """Return what checks a part of a stream."""
    return Fields(value, provider=provider, path=path, malformed=malformed)
