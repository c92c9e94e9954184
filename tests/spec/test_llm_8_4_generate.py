"""unified-llm 8.4, generation, streamed and not."""

import asyncio
import json
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
    stream,
)
from tests.llm.asking import MODELS, PROVIDERS, last_body, speaking
from tests.llm.generated import PERSON, adder, an_object, generated, within
from tests.llm.heard import a_stream, an_object_stream, heard
from tests.patience import until

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


STREAMED = """
[[rules]]
[rules.answer]
text = "Once upon a time there was a model that told all it knew."
usage = { input = 11, output = 13 }
"""
TEXT = "Once upon a time there was a model that told all it knew."


def test_8_4_stream_yields_text_deltas_that_add_up_to_the_text(provider: str) -> None:
    with speaking(STREAMED) as twin:
        answer = heard(twin, provider, "hello", system="Be polite.")
        assert "Be polite." in str(last_body(twin))
    assert answer.types.count("text_delta") > 2
    assert answer.text == answer.whole.response.text == TEXT


def test_8_4_stream_yields_stream_start_and_finish_with_their_metadata(provider: str) -> None:
    with speaking(STREAMED) as twin:
        answer = heard(twin, provider, "hello")
    first, last = answer.events[0], answer.events[-1]
    assert (first.type, last.type) == ("stream_start", "finish")
    assert first.start
    assert (first.start.provider, first.start.model) == (provider, MODELS[provider])
    assert first.start.id == answer.whole.response.id != ""
    assert last.finish_reason
    assert last.finish_reason.reason == "stop"
    assert last.usage
    assert (last.usage.input_tokens, last.usage.output_tokens) == (11, 13)
    assert last.response is answer.whole.response


def test_8_4_text_segments_have_start_deltas_and_end(provider: str) -> None:
    with speaking(STREAMED) as twin:
        answer = heard(twin, provider, "hello")
    texts = [one for one in answer.events if one.type.startswith("text_")]
    assert [one.type for one in texts[:2]] == ["text_start", "text_delta"]
    assert {one.type for one in texts[1:-1]} == {"text_delta"}
    assert (texts[-1].type, texts[-1].text) == ("text_end", TEXT)
    assert texts[0].text_id is not None
    assert {one.text_id for one in texts} == {texts[0].text_id}


def test_8_4_stream_has_only_texts_and_the_answer_so_far_and_at_the_end(provider: str) -> None:
    async def work(client: Client) -> None:
        result = a_stream(client, provider)
        texts = result.text_stream
        first = await anext(texts)
        assert result.partial_response
        assert result.partial_response.text == first
        assert (await result.response()).text == TEXT

    with speaking(STREAMED) as twin:
        within(twin, work)


def test_8_4_stream_object_yields_partial_objects_and_then_the_whole(provider: str) -> None:
    people = {"people": [{"name": "Alice", "age": 30}, {"name": "Bob", "age": 4}]}

    async def work(client: Client) -> None:
        result = an_object_stream(client, provider, {"type": "object", "required": ["people"]})
        lengths: list[int] = []
        async for partial in result:
            some = partial.get("people", [])
            assert isinstance(some, list)
            lengths.append(len(some))
        assert lengths == sorted(lengths)
        assert {1, 2} <= {*lengths}
        assert await result.object() == people

    with speaking(f"rules = [{{ answer.text = '{json.dumps(people)}' }}]") as twin:
        within(twin, work)


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
def test_8_4_generate_object_raises_without_a_valid_object(provider: str, text: str) -> None:
    with speaking(f"rules = [{{ answer.text = '{text}' }}]") as twin:
        with pytest.raises(NoObjectGeneratedError):
            an_object(twin, provider)
        assert len(twin.requests) == 1


@pytest.mark.parametrize("is_streamed", [False, True])
def test_8_4_cancellation_by_an_abort_signal(provider: str, is_streamed: bool) -> None:
    controller = AbortController()

    async def work(client: Client) -> None:
        options: Any = {"provider": provider, "client": client, "tools": [adder()]}
        options["abort_signal"] = controller.signal
        if is_streamed:
            work = stream(MODELS[provider], "hang", **options).result()
        else:
            work = generate(MODELS[provider], "hang", **options)
        asking = asyncio.create_task(work)
        await until(lambda: twin.requests)
        controller.abort("nobody waits")
        with pytest.raises(AbortError, match="nobody waits"):
            await asking

    with speaking(SCRIPT) as twin:
        within(twin, work)


@pytest.mark.parametrize("timeout", [0.1, TimeoutConfig(total=0.1), TimeoutConfig(per_step=0.1)])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_8_4_timeouts_for_everything_and_for_a_step(
    provider: str, is_streamed: bool, timeout: float | TimeoutConfig
) -> None:
    with speaking(SCRIPT) as twin:
        if is_streamed:
            error = heard(twin, provider, "hang", timeout=timeout).error
        else:
            with pytest.raises(RequestTimeoutError) as caught:
                generated(twin, provider, "hang", timeout=timeout)
            error = caught.value
    assert isinstance(error, RequestTimeoutError)
    assert "longer than 0.1 s" in error.message
