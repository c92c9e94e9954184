"""Reads streams of a twin, as a program with an event loop does, or one without."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from attractor.base.json import JsonObject
from attractor.llm import (
    Client,
    GenerateResult,
    ObjectStreamResult,
    SDKError,
    StreamEvent,
    StreamEventType,
    StreamResult,
    stream,
    stream_object,
)
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import MODELS, speaking
from tests.llm.generated import PERSON
from tests.patience import PATIENCE_S

T = TypeVar("T")


def a_stream(
    client: Client, provider: str = "openai", prompt: str | None = "go", **options: Any
) -> StreamResult:
    """Return a stream of a provider's model."""
    return stream(MODELS[provider], prompt, provider=provider, client=client, **options)


def an_object_stream(
    client: Client, provider: str = "openai", schema: JsonObject = PERSON, **options: Any
) -> ObjectStreamResult:
    """Return a stream of a person from a provider's model."""
    return stream_object(
        MODELS[provider], "Who?", schema=schema, provider=provider, client=client, **options
    )


class Heard:
    """The content of a stream, and its end."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.error: SDKError | None = None
        self.result: GenerateResult | None = None

    @property
    def whole(self) -> GenerateResult:
        assert self.result is not None
        return self.result

    @property
    def types(self) -> list[str]:
        return [str(one.type) for one in self.events]

    @property
    def text(self) -> str:
        return "".join(one.delta or "" for one in self.events if one.type == "text_delta")


async def hear(events: StreamResult, *, pause: float = 0) -> Heard:
    """Read to the end, and call a function after every piece of text."""
    heard = Heard()
    try:
        async for event in events:
            heard.events.append(event)
            if pause and event.type == StreamEventType.TEXT_DELTA:
                await asyncio.sleep(pause)
        heard.result = await events.result()
    except SDKError as error:
        heard.error = error
    return heard


@asynccontextmanager
async def asking(script: str) -> AsyncGenerator[tuple[ProviderTwin, Client]]:
    """Serve a script, and open a client of it, while a block lasts."""
    with speaking(script) as twin:
        async with asyncio.timeout(PATIENCE_S), Client.from_env(twin.environ()) as client:
            yield twin, client


def with_client(twin: ProviderTwin, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Use a client of a twin, in an event loop and with a time limit."""

    async def working() -> T:
        async with Client.from_env(twin.environ()) as client:
            return await asyncio.wait_for(work(client), PATIENCE_S)

    return asyncio.run(working())


def heard(
    twin: ProviderTwin, provider: str = "openai", prompt: str | None = "go", **options: Any
) -> Heard:
    """Read the stream of a provider's model to the end."""

    async def work(client: Client) -> Heard:
        return await hear(a_stream(client, provider, prompt, **options))

    return with_client(twin, work)
