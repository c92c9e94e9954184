"""unified-llm 8.10, the integration smoke test: with a twin, and `live` with the providers.

With the providers it costs money: `pytest -m live tests/spec/test_llm_8_10_smoke.py`.
"""

import asyncio
import os
import struct
import zlib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

import pytest

from attractor.base.json import Json
from attractor.llm import (
    Client,
    ContentKind,
    ContentPart,
    GenerateResult,
    ImageData,
    Message,
    NotFoundError,
    Role,
    StreamEventType,
    Tool,
    generate,
    generate_object,
    get_latest_model,
    stream,
)
from tests.llm.asking import MODELS, PROVIDERS, speaking
from tests.llm.generated import PERSON

T = TypeVar("T")
SCRIPT = """
[[rules]]
when = { model = "nonexistent-model-xyz" }
answer.fault = { kind = "status", status = 404 }
[[rules]]
when = { first_user = "Say hello" }
answer.text = "Hello, it is good to see you."
[[rules]]
when = { first_user = "haiku" }
answer.text = "Old silent code waits\\na bug jumps into the log\\nthe sound of red tests"
[[rules]]
when = { first_user = "weather", step = 1, tool_result = { regex = "72.*Francisco\\n72.*York" } }
answer.text = "It is 72F and sunny in San Francisco as well as in New York."
[[rules]]
when = { first_user = "weather", step = 0 }
answer.tool_calls = [
    { name = "get_weather", arguments = { city = "San Francisco" } },
    { name = "get_weather", arguments = { city = "New York" } },
]
[[rules]]
when = { first_user = "What do you see?" }
answer.text = "A red square."
[[rules]]
when = { first_user = "Alice is 30" }
answer.text = '{"name": "Alice", "age": 30}'
"""
CITY: dict[str, Json] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
KEYS = {"anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY", "openai": "OPENAI_API_KEY"}


@pytest.fixture(params=["twin", pytest.param("live", marks=pytest.mark.live)])
def environ(request: pytest.FixtureRequest, provider: str) -> Iterator[Mapping[str, str]]:
    """Return variables with the address of a twin, or with the key of the provider."""
    if request.param == "twin":
        with speaking(SCRIPT) as twin:
            yield twin.environ()
    elif provider in Client.from_env(os.environ).providers:
        yield os.environ
    else:
        pytest.skip(f"{KEYS[provider]} is not set, so {provider} cannot be asked")


pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


def smoke(environ: Mapping[str, str], work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    async def working() -> T:
        async with Client.from_env(environ) as client:
            return await work(client)

    return asyncio.run(working())


def test_8_10_1_basic_generation(provider: str, environ: Mapping[str, str]) -> None:
    latest = get_latest_model(provider)
    assert latest

    async def work(client: Client) -> GenerateResult:
        prompt = "Say hello in one sentence."
        return await generate(latest.id, prompt, max_tokens=100, provider=provider, client=client)

    result = smoke(environ, work)
    assert result.text
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0
    assert result.finish_reason.reason == "stop"


def test_8_10_2_streaming(provider: str, environ: Mapping[str, str]) -> None:
    async def work(client: Client) -> None:
        result = stream(MODELS[provider], "Write a haiku.", provider=provider, client=client)
        chunks = [one.delta or "" async for one in result if one.type == StreamEventType.TEXT_DELTA]
        assert len(chunks) > 1
        assert "".join(chunks) == (await result.response()).text

    smoke(environ, work)


def test_8_10_3_parallel_tool_calls(provider: str, environ: Mapping[str, str]) -> None:
    def get_weather(city: str) -> str:
        return f"72F and sunny in {city}"

    async def work(client: Client) -> GenerateResult:
        return await generate(
            MODELS[provider],
            "What is the weather in San Francisco and New York?",
            provider=provider,
            tools=[Tool("get_weather", "Get the weather of a city.", CITY, get_weather)],
            max_tool_rounds=3,
            client=client,
        )

    result = smoke(environ, work)
    assert len(result.steps) >= 2
    assert "San Francisco" in result.text
    assert "New York" in result.text


def red_square() -> bytes:
    """Return a PNG of 32 times 32 points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)
    points = zlib.compress((b"\0" + b"\xff\0\0" * 32) * 32)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", points) + chunk(b"IEND", b"")
    )


def test_8_10_4_image_input(provider: str, environ: Mapping[str, str]) -> None:
    image = ImageData(data=red_square(), media_type="image/png")
    said = [
        ContentPart(ContentKind.TEXT, text="What do you see?"),
        ContentPart(ContentKind.IMAGE, image=image),
    ]

    async def work(client: Client) -> GenerateResult:
        messages = [Message(Role.USER, said)]
        return await generate(MODELS[provider], messages=messages, provider=provider, client=client)

    assert smoke(environ, work).text


def test_8_10_5_structured_output(provider: str, environ: Mapping[str, str]) -> None:
    async def work(client: Client) -> GenerateResult:
        return await generate_object(
            MODELS[provider],
            "Extract: Alice is 30 years old",
            schema=PERSON,
            provider=provider,
            client=client,
        )

    assert smoke(environ, work).output == {"name": "Alice", "age": 30}


def test_8_10_6_error_handling(provider: str, environ: Mapping[str, str]) -> None:
    async def work(client: Client) -> None:
        with pytest.raises(NotFoundError):
            await generate("nonexistent-model-xyz", "test", provider=provider, client=client)

    smoke(environ, work)
