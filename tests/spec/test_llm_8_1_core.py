"""unified-llm 8.1, core infrastructure."""

import asyncio
from dataclasses import replace

import pytest

from attractor.llm import (
    AnthropicAdapter,
    Client,
    Complete,
    ConfigurationError,
    GeminiAdapter,
    Message,
    OpenAIAdapter,
    Request,
    Response,
    generate_sync,
    set_default_client,
)
from tests.llm.asking import PROVIDERS, a_request, ask, speaking
from tests.tables import table

SCRIPT = """
[[rules]]
when = { wire = "openai" }
answer.text = "from openai"
[[rules]]
when = { wire = "anthropic" }
answer.text = "from anthropic"
[[rules]]
when = { wire = "gemini" }
answer.text = "from gemini"
"""


def test_8_1_client_is_constructed_from_environment_variables() -> None:
    keys = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}
    client = Client.from_env({**keys, "HOME": "/"})
    assert list(client.providers) == PROVIDERS
    assert list(Client.from_env({"OPENAI_API_KEY": "k"}).providers) == ["openai"]


def test_8_1_the_variables_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert Client.from_env().default_provider == "openai"


def test_8_1_client_is_constructed_with_explicit_adapters() -> None:
    adapters = {
        "openai": OpenAIAdapter(api_key="k", default_headers={"X-Custom": "value"}, timeout=30.0),
        "anthropic": AnthropicAdapter(api_key="k"),
        "gemini": GeminiAdapter(api_key="k"),
    }
    client = Client(providers=adapters, default_provider="openai")
    assert (client.providers, client.default_provider) == (adapters, "openai")


@table("provider", PROVIDERS)
def test_8_1_requests_are_dispatched_by_their_provider_field(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        assert ask(twin, a_request(provider, "hello")).text == f"from {provider}"


def test_8_1_the_model_name_decides_the_provider_when_none_is_named() -> None:
    with speaking(SCRIPT) as twin:
        for provider in PROVIDERS:
            request = replace(a_request(provider, "hello"), provider=None)
            assert ask(twin, request).text == f"from {provider}"
        opus = Request(model="opus", messages=[Message.user("hello")])
        response = ask(twin, opus)
        assert (response.text, response.model[:12]) == ("from anthropic", "claude-opus-")


def test_8_1_a_chosen_default_provider_is_used_when_none_is_named() -> None:
    with speaking(SCRIPT) as twin:
        client = Client.from_env(twin.environ())
        chosen = Client(providers=client.providers, default_provider="openai")
        request = replace(a_request("anthropic", "hello"), provider=None)
        assert asyncio.run(chosen.complete(request)).text == "from openai"


def test_8_1_configuration_error_when_no_provider_and_no_default() -> None:
    client = Client.from_env({})
    request = replace(a_request("openai", "hello"), provider=None)
    with pytest.raises(ConfigurationError, match="missing provider"):
        asyncio.run(client.complete(request))


def test_8_1_middleware_runs_in_order_and_in_reverse() -> None:
    passed: list[str] = []

    async def outer(request: Request, next: Complete) -> Response:
        passed.append("outer request")
        response = await next(request)
        passed.append("outer response")
        return response

    async def inner(request: Request, next: Complete) -> Response:
        passed.append("inner request")
        response = await next(request)
        passed.append("inner response")
        return response

    with speaking(SCRIPT) as twin:
        ask(twin, a_request("openai", "hello"), middleware=[outer, inner])
    assert passed == ["outer request", "inner request", "inner response", "outer response"]


def test_8_1_the_default_client_is_the_one_that_was_set() -> None:
    with speaking(SCRIPT) as twin:
        set_default_client(Client.from_env(twin.environ()))
        try:
            assert generate_sync("claude-opus-4-6", "hello").text == "from anthropic"
        finally:
            set_default_client(None)


def test_8_1_the_default_client_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with speaking(SCRIPT) as twin:
        for name, value in twin.environ().items():
            monkeypatch.setenv(name, value)
        assert generate_sync("gpt-5.2", "hello", provider="openai").text == "from openai"
