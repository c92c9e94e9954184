"""unified-llm 8.9, cross-provider parity: every row for every provider."""

from pathlib import Path

import pytest

from attractor.llm import (
    AuthenticationError,
    ContentKind,
    ContentPart,
    ImageData,
    Message,
    RateLimitError,
    Response,
    Role,
)
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking
from tests.llm.generated import adder, an_object, generated
from tests.llm.heard import heard

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
SCRIPT = """
[[rules]]
when = { first_user = "hello" }
answer = { text = "Hello there.", usage = { input = 100, output = 4, cache_read = 80 } }

[[rules]]
when = { first_user = "three rounds", step = 3 }
answer.text = "Three results later."

[[rules]]
when = { first_user = "three rounds" }
answer.tool_calls = [{ name = "shell", arguments = { command = "next" } }]

[[rules]]
when = { first_user = "one call", step = 1, tool_result = "3" }
answer.text = "Three."

[[rules]]
when = { first_user = "one call" }
answer.tool_calls = [{ name = "add", arguments = { a = 1, b = 2 } }]

[[rules]]
when = { first_user = "two calls", step = 1, tool_result = { regex = "3\\n7" } }
answer.text = "Three and seven."

[[rules]]
when = { first_user = "two calls" }
answer.tool_calls = [
    { name = "add", arguments = { a = 1, b = 2 } },
    { name = "add", arguments = { a = 3, b = 4 } },
]

[[rules]]
when = { first_user = "unauthorized" }
answer.fault = { kind = "status", status = 401 }

[[rules]]
when = { first_user = "too fast" }
answer.fault = { kind = "status", status = 429 }

[[rules]]
when = { first_user = "think" }
[rules.answer]
thinking = "Six times seven."
text = "42"
usage = { input = 10, output = 200, reasoning = 150 }

[[rules]]
when = { first_user = "remember" }
answer.text = "I do, and I say so at some length."
"""


def test_8_9_simple_text_generation(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        assert ask(twin, a_request(provider, "hello")).text == "Hello there."


def test_8_9_streaming_text_generation(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        answer = heard(twin, provider, "hello")
    assert answer.text == answer.whole.text == "Hello there."
    assert (answer.types[0], answer.types[-1]) == ("stream_start", "finish")


@pytest.mark.parametrize("image", [ImageData(data=b"png"), ImageData(url="https://x.org/a.png")])
def test_8_9_image_input(provider: str, image: ImageData, tmp_path: Path) -> None:
    text = ContentPart(ContentKind.TEXT, text="hello")
    message = Message(Role.USER, [text, ContentPart(ContentKind.IMAGE, image=image)])
    with speaking(SCRIPT) as twin:
        assert ask(twin, a_request(provider, message)).text == "Hello there."
        assert (image.url or "cG5n") in str(last_body(twin))


def test_8_9_multi_step_tool_loop_of_three_rounds(provider: str) -> None:
    def rounds(twin: ProviderTwin, *messages: Message) -> Response:
        response = ask(twin, a_request(provider, *messages, tools=[SHELL]))
        if not response.tool_calls:
            return response
        results = [Message.tool_result(call.id, "ok") for call in response.tool_calls]
        return rounds(twin, *messages, response.message, *results)

    with speaking(SCRIPT) as twin:
        assert rounds(twin, Message.user("three rounds")).text == "Three results later."
        assert len(twin.requests) == 4


def test_8_9_single_tool_call_and_execution(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        assert generated(twin, provider, "one call", tools=[adder()]).text == "Three."


def test_8_9_multiple_parallel_tool_calls(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        assert generated(twin, provider, "two calls", tools=[adder()]).text == "Three and seven."


def test_8_9_streaming_with_tool_calls(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        answer = heard(twin, provider, "two calls", tools=[adder()])
        assert len(twin.requests) == 2
    assert answer.types.count("tool_call_start") == answer.types.count("tool_call_end") == 2
    calls = [one.tool_call for one in answer.events if one.type == "tool_call_end"]
    assert [one.arguments for one in calls if one] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert answer.text == "Three and seven."


def test_8_9_structured_output(provider: str) -> None:
    with speaking("""rules = [{ answer.text = '{"name": "Alice", "age": 30}' }]""") as twin:
        assert an_object(twin, provider).output == {"name": "Alice", "age": 30}


def test_8_9_reasoning_token_reporting(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        whole = ask(twin, a_request(provider, "think", reasoning_effort="high")).usage
        streamed = heard(twin, provider, "think", reasoning_effort="high").whole.usage
    # Anthropic does not report their number; they are estimated from the text of the reasoning.
    reported = {"openai": 150, "anthropic": 4, "gemini": 150}[provider]
    for usage in (whole, streamed):
        assert (usage.reasoning_tokens, usage.output_tokens) == (reported, 200)


def test_8_9_an_invalid_key_is_a_401(provider: str) -> None:
    with speaking(SCRIPT) as twin, pytest.raises(AuthenticationError):
        ask(twin, a_request(provider, "unauthorized"))


def test_8_9_a_rate_limit_is_a_429(provider: str) -> None:
    with speaking(SCRIPT) as twin, pytest.raises(RateLimitError):
        ask(twin, a_request(provider, "too fast"))


def test_8_9_usage_token_counts_are_accurate(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        usage = ask(twin, a_request(provider, "hello")).usage
    # Anthropic counts cached tokens separately, the others within the input.
    assert usage.input_tokens == {"openai": 100, "anthropic": 20, "gemini": 100}[provider]
    assert (usage.output_tokens, usage.cache_read_tokens) == (4, 80)


def test_8_9_prompt_caching_from_the_second_turn_on(provider: str) -> None:
    first = Message.user("remember " + "this and that " * 20)
    with speaking(SCRIPT) as twin:
        said = ask(twin, a_request(provider, first))
        assert not said.usage.cache_read_tokens
        usage = ask(twin, a_request(provider, first, said.message, "And?")).usage
    assert usage.cache_read_tokens
    assert usage.cache_read_tokens > 0


def test_8_9_provider_specific_options_pass_through(provider: str) -> None:
    options = {provider: {"service_tier": "flex"}}
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "hello", provider_options=options))
        assert last_body(twin)["service_tier"] == "flex"
