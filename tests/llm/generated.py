"""Generates with a twin, as a program without an event loop does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attractor.base.json import JsonObject
from attractor.llm import Client, GenerateResult, Tool, generate_object_sync, generate_sync
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import MODELS

T = TypeVar("T")
PERSON: JsonObject = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
NUMBERS: JsonObject = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a"],
}


def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


def noting(done: list[int]) -> Tool:
    """Make a tool that adds numbers, and records the results."""

    def note(a: int, b: int) -> None:
        done.append(a + b)

    return adder(note)


def adder(execute: Callable[..., object] | None = add) -> Tool:
    """Make a tool that adds numbers, or calls a given function."""
    return Tool("add", "Add two numbers.", NUMBERS, execute)


def generated(
    twin: ProviderTwin, provider: str = "openai", prompt: str | None = "go", **options: Any
) -> GenerateResult:
    """Generate a text by a provider's model."""
    client = Client.from_env(twin.environ())
    return generate_sync(MODELS[provider], prompt, provider=provider, client=client, **options)


def an_object(
    twin: ProviderTwin, provider: str = "openai", schema: JsonObject = PERSON, **options: Any
) -> GenerateResult:
    """Generate a person by a provider's model."""
    client = Client.from_env(twin.environ())
    return generate_object_sync(
        MODELS[provider], "Who?", schema=schema, provider=provider, client=client, **options
    )


def within(twin: ProviderTwin, work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Use a client in an event loop."""

    async def working() -> T:
        async with Client.from_env(twin.environ()) as client:
            return await work(client)

    return asyncio.run(working())
