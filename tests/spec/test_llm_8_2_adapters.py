"""unified-llm 8.2, provider adapters."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from attractor.llm import (
    AuthenticationError,
    Client,
    ContentKind,
    ContentPart,
    Message,
    RateLimitError,
    Role,
    SDKError,
    StreamEvent,
    StreamEventType,
    ToolCallData,
)
from tests.llm.asking import MODELS, PROVIDERS, a_request, ask, last_body, speaking
from tests.llm.generated import within

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)
SCRIPT = 'rules = [{ answer = { text = "Hi.", usage = { input = 11, output = 3 } } }]'


def failing(status: int, more: str = "") -> str:
    return f'rules = [{{ answer = {{ fault = {{ kind = "status", status = {status}{more} }} }} }}]'


def test_8_2_adapter_uses_the_native_api(provider: str) -> None:
    fields = {
        "openai": {"input", "store"},
        "anthropic": {"messages", "max_tokens"},
        "gemini": {"contents"},
    }
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "hello"))
        assert twin.requests[0].wire == provider
        assert fields[provider] <= set(last_body(twin))


def test_8_2_authentication_by_the_key_of_the_environment(provider: str) -> None:
    header = {
        "openai": "authorization",
        "anthropic": "x-api-key",
        "gemini": "x-goog-api-key",
    }[provider]
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "hello"))
        assert header in twin.requests[0].headers


def test_8_2_complete_returns_a_populated_response(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request(provider, "hello"))
    assert (response.model, response.provider) == (MODELS[provider], provider)
    assert (response.text, response.finish_reason.reason) == ("Hi.", "stop")
    assert (response.usage.input_tokens, response.usage.total_tokens) == (11, 14)
    assert (response.id != "", response.message.role) == (True, Role.ASSISTANT)


def test_8_2_stream_returns_an_async_iterator_of_typed_events(provider: str) -> None:
    async def work(client: Client) -> list[StreamEvent]:
        events = client.stream(a_request(provider, "hello"))
        assert isinstance(events, AsyncIterator)
        return [event async for event in events]

    with speaking(SCRIPT) as twin:
        events = within(twin, work)
    kinds = [StreamEventType(event.type) for event in events]
    assert (kinds[0], kinds[-1]) == (StreamEventType.STREAM_START, StreamEventType.FINISH)
    assert "".join(event.delta or "" for event in events) == "Hi."
    assert events[-1].response
    assert events[-1].response.text == "Hi."


def test_8_2_system_messages_are_extracted(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, Message.system("Be brief."), "hello"))
        body = last_body(twin)
    spoken, apart = {
        "openai": ("input", "instructions"),
        "anthropic": ("messages", "system"),
        "gemini": ("contents", "systemInstruction"),
    }[provider]
    assert "Be brief." not in str(body[spoken])
    assert "Be brief." in str(body[apart])


def test_8_2_all_five_roles_are_translated(provider: str) -> None:
    call = ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("c1", "shell", {}))
    messages = [
        Message.system("a system's words"),
        Message.developer("a developer's words"),
        Message.user("a user's words"),
        Message(Role.ASSISTANT, [ContentPart(ContentKind.TEXT, text="an assistant's"), call]),
        Message.tool_result("c1", "a tool's words"),
    ]
    script = """
    [[rules]]
    answer.text = "All five."
    [rules.when]
    system = { regex = "a system's words\\na developer's words" }
    first_user = "a user's words"
    tool_result = "a tool's words"
    words = "an assistant's"
    step = 1
    """
    with speaking(script) as twin:
        assert ask(twin, a_request(provider, *messages)).text == "All five."


def test_8_2_provider_options_pass_through(provider: str) -> None:
    options: dict[str, Any] = {provider: {"service_tier": "flex"}}
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "hello", provider_options=options))
        assert last_body(twin)["service_tier"] == "flex"


def test_8_2_beta_headers_are_supported(provider: str) -> None:
    options: dict[str, Any] = {"anthropic": {"beta_headers": ["interleaved-thinking-2025-05-14"]}}
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "hello", provider_options=options))
        sent = twin.requests[0].headers.get("anthropic-beta", "")
    assert ("interleaved-thinking-2025-05-14" in sent) == (provider == "anthropic")
    assert "beta_headers" not in str(last_body(twin))


@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (429, RateLimitError)])
def test_8_2_http_errors_have_classes(provider: str, status: int, kind: type[SDKError]) -> None:
    with speaking(failing(status)) as twin, pytest.raises(kind):
        ask(twin, a_request(provider, "hello"))


def test_8_2_retry_after_is_set_on_the_error(provider: str) -> None:
    script = failing(429, ', retry_after = "7s"')
    with speaking(script) as twin, pytest.raises(RateLimitError) as caught:
        ask(twin, a_request(provider, "hello"))
    assert caught.value.retry_after == 7.0
