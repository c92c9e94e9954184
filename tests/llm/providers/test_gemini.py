import asyncio
from dataclasses import replace
from typing import Any

import pytest

from attractor.llm import RateLimitError
from attractor.llm.providers.gemini import GeminiAdapter
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import MODELS, PATIENT, SHELL, a_request, ask, last_body
from tests.llm.transport.test_http import answering, http


def asked_of(base_url: str, model: str = MODELS["gemini"]) -> None:
    """Ask one thing of an adapter made by hand."""

    async def asking() -> None:
        adapter = GeminiAdapter(api_key="key-0123456789", base_url=base_url, timeout=PATIENT)
        try:
            await adapter.complete(replace(a_request("gemini", "hello"), model=model))
        finally:
            await adapter.close()

    asyncio.run(asking())


def test_what_google_asks_to_wait_stands_in_the_body() -> None:
    body = (
        b'{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED", "details": ['
        b'{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}'
    )
    with (
        answering(http(body, "429 Too Many Requests")) as (url, _),
        pytest.raises(RateLimitError) as caught,
    ):
        asked_of(url)
    assert (caught.value.retry_after, caught.value.error_code) == (34.5, "RESOURCE_EXHAUSTED")


def test_structured_output_and_safety_are_asked_for_by_options(provider_twin: StartTwin) -> None:
    twin = provider_twin("rules = [{ answer = { text = '{\"n\": 1}' } }]")
    schema: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    options: dict[str, Any] = {
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
        "tools": [{"googleSearch": {}}],
    }
    request = a_request(
        "gemini", "count", temperature=0.5, tools=[SHELL], provider_options={"gemini": options}
    )
    assert ask(twin, request).text == '{"n": 1}'
    sent: Any = last_body(twin)
    assert sent["generationConfig"] == {"temperature": 0.5, **options["generationConfig"]}
    assert (sent["safetySettings"], sent["cachedContent"]) == (
        options["safetySettings"],
        "cachedContents/1",
    )
    assert [list(tool) for tool in sent["tools"]] == [["functionDeclarations"], ["googleSearch"]]
