"""Contract between client and middleware: an object, an async function, a function."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

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
    StreamEventType,
    StreamMiddleware,
    middleware,
)
from attractor.llm.errors import RateLimitError
from tests.agent.scripted import ScriptedProvider, Step, said
from tests.patience import PATIENCE_S

HELLO = Request(model="m", messages=[Message.user("hello")])


class Passing:
    """Passes everything on."""

    async def __call__(self, request: Request, next: Complete) -> Response:
        return await next(request)


async def awaiting(request: Request, next: Complete) -> Response:
    return await next(request)


def handing_on(request: Request, next: Complete) -> Awaitable[Response]:
    return next(request)


# The shipped middleware, set up without effect: the cache, too, always asks again.
SHIPPED: dict[str, Callable[[Path], StreamMiddleware]] = {
    "logging": lambda folder: middleware.Logging(content=True),
    "redaction": lambda folder: middleware.Redaction(["not said by anybody"]),
    "disk cache": lambda folder: middleware.DiskCache(folder / "kept", mode="refresh"),
    "fallback": lambda folder: middleware.Fallback([("openai", "m")]),
    "costs": lambda folder: middleware.Costs(),
    "rate limit": lambda folder: middleware.RateLimit(middleware.RateLimits()),
}
MIDDLEWARE: dict[str, Callable[[Path], Middleware]] = {
    "object": lambda folder: Passing(),
    "async function": lambda folder: awaiting,
    "plain function": lambda folder: handing_on,
    **SHIPPED,
}


@pytest.fixture(params=MIDDLEWARE.values(), ids=list(MIDDLEWARE))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Middleware]:
    return lambda: request.param(tmp_path)


def ask(provider: ScriptedProvider, *middleware: Middleware, times: int = 1) -> list[Response]:
    async def asking() -> list[Response]:
        providers = {"openai": provider}
        async with Client(
            providers=providers, default_provider="openai", middleware=middleware
        ) as client:
            return [await client.complete(HELLO) for _ in range(times)]

    return asyncio.run(asyncio.wait_for(asking(), PATIENCE_S))


def test_pass_through_middleware_changes_nothing(make: Callable[[], Middleware]) -> None:
    steps: list[Step] = [said("one"), said("two")]
    plain = ask(ScriptedProvider(*steps), times=2)
    assert ask(ScriptedProvider(*steps), make(), make(), make(), times=2) == plain


def test_middleware_gets_the_request_with_its_provider(make: Callable[[], Middleware]) -> None:
    seen: list[str | None] = []

    async def look(request: Request, next: Complete) -> Response:
        seen.append(request.provider)
        return await next(request)

    ask(ScriptedProvider(said("one")), make(), look)
    assert seen == ["openai"]


def test_middleware_passes_or_handles_an_error(make: Callable[[], Middleware]) -> None:
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
    """Also passes streams on, event by event."""

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        async for event in next(request):
            yield event


class HandingOn(Passing):
    """Passes streams on as they are."""

    def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        return next(request)


STREAM_MIDDLEWARE: dict[str, Callable[[Path], StreamMiddleware]] = {
    "generator": lambda folder: Hearing(),
    "plain method": lambda folder: HandingOn(),
    **SHIPPED,
}


@pytest.fixture(params=STREAM_MIDDLEWARE.values(), ids=list(STREAM_MIDDLEWARE))
def hearing(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], StreamMiddleware]:
    return lambda: request.param(tmp_path)


def hear(provider: ScriptedProvider, *middleware: StreamMiddleware) -> list[StreamEvent]:
    async def hearing() -> list[StreamEvent]:
        client = Client(
            providers={"openai": provider}, default_provider="openai", middleware=middleware
        )
        return [event async for event in client.stream(HELLO)]

    return asyncio.run(asyncio.wait_for(hearing(), PATIENCE_S))


def test_pass_through_middleware_changes_no_stream(hearing: Callable[[], StreamMiddleware]) -> None:
    plain = hear(ScriptedProvider(said("one two")))
    assert hear(ScriptedProvider(said("one two")), hearing(), hearing(), hearing()) == plain
    assert ask(ScriptedProvider(said("one")), hearing())[0].text == "one"


def test_middleware_passes_an_error_of_a_stream(hearing: Callable[[], StreamMiddleware]) -> None:
    busy = RateLimitError("busy", provider="openai", status_code=429)
    with pytest.raises(SDKError, match="busy") as caught:
        hear(ScriptedProvider(busy), hearing(), hearing())
    assert caught.value is busy


@pytest.mark.anyio
async def test_stopping_a_stream_closes_the_provider_stream(
    hearing: Callable[[], StreamMiddleware],
) -> None:
    left: list[str] = []

    class Endless(ScriptedProvider):
        async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
            try:
                while True:
                    yield StreamEvent(StreamEventType.TEXT_DELTA, text_id="1", delta="more ")
            finally:
                left.append("closed")

    client = Client(
        providers={"openai": Endless()},
        default_provider="openai",
        middleware=[hearing(), hearing()],
    )
    events = client.stream(HELLO)
    await anext(events)
    await events.aclose()
    assert left == ["closed"]


def test_every_shipped_middleware_is_tested() -> None:
    shipped = [getattr(middleware, name) for name in middleware.__all__]
    kinds = {one for one in shipped if hasattr(one, "stream")}
    assert {type(make(Path())) for make in SHIPPED.values()} == kinds
