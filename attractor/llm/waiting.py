"""The synchronous edge: each function waits for its async twin, in an event loop of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, Unpack

from attractor.base.canonical import JsonObject
from attractor.base.event_loops import require_no_loop
from attractor.llm.client import Client
from attractor.llm.default_client import get_default_client
from attractor.llm.generate_result import GenerateResult
from attractor.llm.generating import generate
from attractor.llm.generating_objects import generate_object
from attractor.llm.generation import GenerateOptions

T = TypeVar("T")


def generate_sync(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> GenerateResult:
    """Ask a model as `generate` does, and wait for its answer."""
    require_no_loop("generate")
    return _wait_for(generate(model, prompt, **options), options)


def generate_object_sync(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> GenerateResult:
    """Ask a model for an object as `generate_object` does, and wait for it."""
    require_no_loop("generate_object")
    return _wait_for(generate_object(model, prompt, schema=schema, **options), options)


def _wait_for(work: Coroutine[Any, Any, T], options: GenerateOptions) -> T:
    return asyncio.run(_alone(work, options.get("client") or get_default_client()))


async def _alone(work: Coroutine[Any, Any, T], client: Client | None) -> T:
    """Leave no connection of a loop that ends here to the next one."""
    try:
        return await work
    finally:
        if client is not None:
            await client.close()
