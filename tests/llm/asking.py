"""Asks a twin by any provider's adapter, the way an application would."""

import asyncio
from collections.abc import Sequence
from typing import Any

from attractor.base.canonical import JsonObject
from attractor.llm import (
    AdapterTimeout,
    Client,
    Message,
    Middleware,
    Request,
    Response,
    ToolDefinition,
)
from attractor.twins.provider_twin import ProviderTwin, in_background
from attractor.twins.script import parse_script

MODELS = {
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-3-flash-preview",
    "openai": "gpt-5.2",
}
PROVIDERS = list(MODELS)
QUICK = AdapterTimeout(connect=10, request=0.2)
PATIENT = AdapterTimeout(connect=10, request=30)

SHELL = ToolDefinition(
    "shell",
    "Run a command.",
    {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
)


def speaking(script: str):
    """Serve a script, given as TOML, for as long as a `with` block lasts."""
    return in_background(ProviderTwin(parse_script(script)))


def a_request(provider: str, *messages: Message | str, **more: Any) -> Request:
    """Make a request for a provider's model; a text is the user's."""
    said = [Message.user(one) if isinstance(one, str) else one for one in messages]
    return Request(model=MODELS[provider], provider=provider, messages=said, **more)


def ask(
    twin: ProviderTwin,
    request: Request,
    *,
    timeout: AdapterTimeout = PATIENT,
    middleware: Sequence[Middleware] = (),
) -> Response:
    """Send one request to a twin."""

    async def asking() -> Response:
        made = Client.from_env(twin.environ(), timeout=timeout, middleware=middleware)
        async with made as client:
            return await client.complete(request)

    return asyncio.run(asking())


def last_body(twin: ProviderTwin) -> JsonObject:
    """Return the body of the newest request that a twin got."""
    body = twin.requests[-1].body
    assert isinstance(body, dict)
    return body
