"""unified-llm 8.4, generation: the boxes of what is not streamed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from attractor.llm import (
    AbortController,
    AbortError,
    Client,
    ConfigurationError,
    Message,
    NoObjectGeneratedError,
    RequestTimeoutError,
    TimeoutConfig,
    generate,
)
from tests.llm.asking import MODELS, PROVIDERS, last_body, speaking
from tests.llm.generated import PERSON, adder, an_object, generated, within

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
SCRIPT = """
[[rules]]
when = { first_user = "hang" }
answer.fault = { kind = "hang" }
[[rules]]
when = { step = 1 }
answer.text = "Hello again."
[[rules]]
answer.text = "Hello."
"""


def test_8_4_generate_works_with_a_simple_prompt(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        result = generated(twin, provider, "hello")
    assert (result.text, result.finish_reason.reason) == ("Hello.", "stop")
    assert result.usage.output_tokens > 0


def test_8_4_generate_works_with_a_full_list_of_messages(provider: str) -> None:
    messages = [Message.user("hello"), Message.assistant("Hello."), Message.user("again")]
    with speaking(SCRIPT) as twin:
        result = generated(twin, provider, None, messages=messages, system="Be polite.")
        assert "Be polite." in str(last_body(twin))
    assert result.text == "Hello again."


def test_8_4_generate_rejects_a_prompt_together_with_messages(provider: str) -> None:
    with speaking(SCRIPT) as twin, pytest.raises(ConfigurationError, match="both prompt and"):
        generated(twin, provider, "hello", messages=[Message.user("hello")])
    assert len(twin.requests) == 0


STRUCTURED: dict[str, Callable[[Any], object]] = {
    "openai": lambda body: body["text"]["format"]["schema"]["properties"],
    "anthropic": lambda body: '"required": ["name", "age"]' in body["system"][-1]["text"],
    "gemini": lambda body: body["generationConfig"]["responseSchema"] == PERSON,
}


def test_8_4_generate_object_returns_parsed_and_validated_output(provider: str) -> None:
    with speaking("""rules = [{ answer.text = '{"name": "Alice", "age": 30}' }]""") as twin:
        result = an_object(twin, provider)
        assert STRUCTURED[provider](last_body(twin))
    assert result.output == {"name": "Alice", "age": 30}
    assert result.text == '{"name": "Alice", "age": 30}'


@pytest.mark.parametrize("text", ["nobody", '{"name": "Alice"}', '{"name": "Alice", "age": "30"}'])
def test_8_4_generate_object_raises_when_there_is_none_or_a_wrong_one(
    provider: str, text: str
) -> None:
    with speaking(f"rules = [{{ answer.text = '{text}' }}]") as twin:
        with pytest.raises(NoObjectGeneratedError):
            an_object(twin, provider)
        assert len(twin.requests) == 1


def test_8_4_cancellation_by_an_abort_signal(provider: str) -> None:
    controller = AbortController()

    async def work(client: Client) -> None:
        options: Any = {"provider": provider, "client": client, "tools": [adder()]}
        asking = asyncio.create_task(
            generate(MODELS[provider], "hang", abort_signal=controller.signal, **options)
        )
        while not twin.requests:
            await asyncio.sleep(0.005)
        controller.abort("nobody waits")
        with pytest.raises(AbortError, match="nobody waits"):
            await asking

    with speaking(SCRIPT) as twin:
        within(twin, work)


@pytest.mark.parametrize("timeout", [0.1, TimeoutConfig(total=0.1), TimeoutConfig(per_step=0.1)])
def test_8_4_timeouts_for_everything_and_for_a_step(
    provider: str, timeout: float | TimeoutConfig
) -> None:
    with speaking(SCRIPT) as twin, pytest.raises(RequestTimeoutError, match=r"longer than 0\.1 s"):
        generated(twin, provider, "hang", timeout=timeout)
