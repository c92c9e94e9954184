"""What a client promises to middleware of any sort: an object, an async function, a plain one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

import pytest

from attractor.llm import (
    Client,
    Complete,
    Message,
    Middleware,
    Request,
    Response,
    SDKError,
    Stream,
    StreamEvent,
    StreamMiddleware,
)
from attractor.llm.errors import RateLimitError
from tests.agent.scripted import ScriptedProvider, Step, said

HELLO = Request(model="m", messages=[Message.user("hello")])


class Passing:
    """Passes everything on."""

    async def __call__(self, request: Request, next: Complete) -> Response:
        return await next(request)


async def awaiting(request: Request, next: Complete) -> Response:
    return await next(request)


def handing_on(request: Request, next: Complete) -> Awaitable[Response]:
    return next(request)


MIDDLEWARE: dict[str, Callable[[], Middleware]] = {
    "object": Passing,
    "async function": lambda: awaiting,
    "plain function": lambda: handing_on,
}
everybody = pytest.mark.parametrize("make", MIDDLEWARE.values(), ids=list(MIDDLEWARE))


def ask(provider: ScriptedProvider, *middleware: Middleware, times: int = 1) -> list[Response]:
    async def asking() -> list[Response]:
        providers = {"openai": provider}
        async with Client(
            providers=providers, default_provider="openai", middleware=middleware
        ) as client:
            return [await client.complete(HELLO) for _ in range(times)]

    return asyncio.run(asyncio.wait_for(asking(), 20))


@everybody
def test_who_passes_everything_on_changes_nothing(make: Callable[[], Middleware]) -> None:
    steps: list[Step] = [said("one"), said("two")]
    plain = ask(ScriptedProvider(*steps), times=2)
    assert ask(ScriptedProvider(*steps), make(), make(), make(), times=2) == plain


@everybody
def test_it_gets_the_request_with_its_provider_named(make: Callable[[], Middleware]) -> None:
    seen: list[str | None] = []

    async def look(request: Request, next: Complete) -> Response:
        seen.append(request.provider)
        return await next(request)

    ask(ScriptedProvider(said("one")), make(), look)
    assert seen == ["openai"]


@everybody
def test_an_error_goes_through_it_and_may_be_answered(make: Callable[[], Middleware]) -> None:
    busy = RateLimitError("busy", provider="openai", status_code=429)
    with pytest.raises(SDKError, match="busy"):
        ask(ScriptedProvider(busy), make())

    async def again(request: Request, next: Complete) -> Response:
        try:
            return await next(request)
        except SDKError:
            return await next(replace(request, model="other"))

    [answer] = ask(ScriptedProvider(busy, said("at last")), make(), again, make())
    assert (answer.text, answer.model) == ("at last", "other")


class Hearing(Passing):
    """Passes streams on too, event by event."""

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        async for event in next(request):
            yield event


class HandingOn(Passing):
    """Passes streams on as they are."""

    def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        return next(request)


STREAM_MIDDLEWARE: dict[str, Callable[[], StreamMiddleware]] = {
    "generator": Hearing,
    "plain method": HandingOn,
}
every_stream = pytest.mark.parametrize(
    "make", STREAM_MIDDLEWARE.values(), ids=list(STREAM_MIDDLEWARE)
)


def hear(provider: ScriptedProvider, *middleware: StreamMiddleware) -> list[StreamEvent]:
    async def hearing() -> list[StreamEvent]:
        client = Client(
            providers={"openai": provider}, default_provider="openai", middleware=middleware
        )
        return [event async for event in client.stream(HELLO)]

    return asyncio.run(asyncio.wait_for(hearing(), 20))


@every_stream
def test_who_passes_a_stream_on_changes_nothing(make: Callable[[], StreamMiddleware]) -> None:
    plain = hear(ScriptedProvider(said("one two")))
    assert hear(ScriptedProvider(said("one two")), make(), make(), make()) == plain
    assert ask(ScriptedProvider(said("one")), make())[0].text == "one"


@every_stream
def test_an_error_of_a_stream_goes_through_it(make: Callable[[], StreamMiddleware]) -> None:
    busy = RateLimitError("busy", provider="openai", status_code=429)
    with pytest.raises(SDKError, match="busy") as caught:
        hear(ScriptedProvider(busy), make(), make())
    assert caught.value is busy
