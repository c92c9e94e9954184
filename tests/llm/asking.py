"""Asks a twin through the adapter of any provider, as an application does."""

import asyncio
from collections.abc import Sequence
from typing import Any

from attractor.base.json import JsonObject
from attractor.llm import (
    AdapterTimeout,
    Client,
    Message,
    Middleware,
    Request,
    Response,
    ToolDefinition,
)
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin

_OURS = {
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-3-flash-preview",
    "openai": "gpt-5.2",
    "openai_compatible": "qwen3-coder",
}
# Providers through litellm: one by its own name, and one by the name of the model.
SERVED = {"deepseek": "deepseek-chat", "litellm": "anthropic/claude-opus-4-6"}
MODELS = {**_OURS, **SERVED}
# Providers with an adapter of their own, as the specification requires.
PROVIDERS = ["anthropic", "gemini", "openai"]
# These and local servers: every adapter except litellm's.
ADAPTERS = list(_OURS)
PATIENT = AdapterTimeout(connect=10, request=30)

SHELL = ToolDefinition(
    "shell",
    "Run a command.",
    {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
)


def speaking(script: str):
    """Serve a script, given as TOML, while a `with` block lasts."""
    return in_background(ProviderTwin(parse_script(script)))


def variables(twin: ProviderTwin) -> dict[str, str]:
    """Return environment variables that connect every adapter, litellm's too, to a twin."""
    key, base = "DEEPSEEK_API_KEY", "DEEPSEEK_API_BASE"
    return {**twin.environ(), key: "sk-of-the-one-provider", base: twin.base_url("openai_chat")}


def a_request(provider: str, *messages: Message | str, **more: Any) -> Request:
    """Make a request to a provider's model; a text is a message of the user."""
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
        made = Client.from_env(variables(twin), timeout=timeout, middleware=middleware)
        async with made as client:
            return await client.complete(request)

    return asyncio.run(asking())


def last_body(twin: ProviderTwin) -> JsonObject:
    """Return the body of the newest request to a twin."""
    body = twin.requests[-1].body
    assert isinstance(body, dict)
    return body
