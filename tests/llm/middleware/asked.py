"""Asks scripted providers through middleware, at once and in a stream."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from attractor.llm import (
    Client,
    Message,
    Request,
    Response,
    StreamAccumulator,
    StreamEvent,
    StreamMiddleware,
)
from tests.agent.scripted import ScriptedProvider
from tests.patience import PATIENCE_S

T = TypeVar("T")
HELLO = Request(model="gpt-5.2", messages=[Message.user("hello")])
OPUS = ("anthropic", "claude-opus-4-6")


def client_of(*providers: ScriptedProvider, around: Sequence[StreamMiddleware]) -> Client:
    by_name = {one.name: one for one in providers}
    return Client(providers=by_name, default_provider=providers[0].name, middleware=around)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in an event loop, for some seconds at most."""

    async def within() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await work

    return asyncio.run(within())


def ask(
    *providers: ScriptedProvider, around: Sequence[StreamMiddleware], request: Request = HELLO
) -> Response:
    return run(client_of(*providers, around=around).complete(request))


def hear(
    *providers: ScriptedProvider, around: Sequence[StreamMiddleware], request: Request = HELLO
) -> list[StreamEvent]:
    async def hearing() -> list[StreamEvent]:
        return [one async for one in client_of(*providers, around=around).stream(request)]

    return run(hearing())


def whole(events: Sequence[StreamEvent]) -> Response:
    heard = StreamAccumulator()
    for event in events:
        heard.process(event)
    return heard.response()


def codes(response: Response) -> list[str | None]:
    return [one.code for one in response.warnings]


async def settle() -> None:
    """Let all other tasks continue until they wait, without advancing the clock."""
    for _ in range(50):
        await asyncio.sleep(0)
