"""The synchronous edge: each function waits for its async twin, in an event loop of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, Unpack

from attractor.base.callables import require_no_loop
from attractor.base.json import JsonObject
from attractor.llm.client import Client
from attractor.llm.default_client import get_default_client
from attractor.llm.generate_result import GenerateResult
from attractor.llm.generating import generate
from attractor.llm.generating_object_streams import stream_object
from attractor.llm.generating_objects import generate_object
from attractor.llm.generating_streams import stream
from attractor.llm.generation import GenerateOptions
from attractor.llm.waiting_streams import SyncObjectStreamResult, SyncStreamResult

T = TypeVar("T")
_LISTEN = "async for ... in"


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


def stream_sync(
    model: str, prompt: str | None = None, **options: Unpack[GenerateOptions]
) -> SyncStreamResult:
    """Ask a model as `stream` does, and wait for each event."""
    require_no_loop("stream", instead=_LISTEN)
    return SyncStreamResult(stream(model, prompt, **options), _client(options))


def stream_object_sync(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> SyncObjectStreamResult:
    """Ask a model for an object as `stream_object` does, and wait for more of it."""
    require_no_loop("stream_object", instead=_LISTEN)
    return SyncObjectStreamResult(
        stream_object(model, prompt, schema=schema, **options), _client(options)
    )


def _client(options: GenerateOptions) -> Client | None:
    """Return the client whose connections are to be closed; another one closes its own."""
    return options.get("client") or get_default_client()


def _wait_for(work: Coroutine[Any, Any, T], options: GenerateOptions) -> T:
    return asyncio.run(_alone(work, _client(options)))


async def _alone(work: Coroutine[Any, Any, T], client: Client | None) -> T:
    """Leave no connection of a loop that ends here to the next one."""
    try:
        return await work
    finally:
        if client is not None:
            await client.close()
