import asyncio
from dataclasses import replace

import pytest

from attractor.llm import RateLimitError
from attractor.llm.providers.gemini import GeminiAdapter
from tests.llm.asking import MODELS, PATIENT, a_request
from tests.llm.transport.test_http import answering, http


def asked_of(base_url: str, model: str = MODELS["gemini"]) -> None:
    """Send one request through a new adapter."""

    async def asking() -> None:
        adapter = GeminiAdapter(api_key="key-0123456789", base_url=base_url, timeout=PATIENT)
        try:
            await adapter.complete(replace(a_request("gemini", "hello"), model=model))
        finally:
            await adapter.close()

    asyncio.run(asking())


def test_retry_delay_is_read_from_the_body() -> None:
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
