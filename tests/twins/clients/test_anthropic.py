"""Anthropic's own client understands the twin."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.wires.anthropic_request import COUNT_FIELDS, MESSAGE_FIELDS
from tests.twins.clients.script import ALICE, CITIES, TEXT, THOUGHT, Person, fields_of

ASKED: dict[str, Any] = {"model": "claude-opus-4-6", "max_tokens": 2000}
LOOK: dict[str, Any] = {
    "name": "look",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
THINKING: dict[str, Any] = {"thinking": {"type": "adaptive"}}


def saying(*words: str) -> list[Any]:
    return [{"role": "user", "content": one} for one in words]


@pytest.fixture(scope="module")
def anthropic() -> Any:
    return importlib.import_module("anthropic")


@pytest.fixture(scope="module")
def client(twin: ProviderTwin, anthropic: Any) -> Iterator[Any]:
    url = twin.environ()["ANTHROPIC_BASE_URL"]
    with anthropic.Anthropic(api_key="any", base_url=url, max_retries=0) as client:
        yield client


def test_text_with_usage(client: Any) -> None:
    answer = client.messages.create(**ASKED, messages=saying("say"))
    assert [one.text for one in answer.content] == [TEXT]
    assert (answer.role, answer.stop_reason) == ("assistant", "end_turn")
    used = answer.usage
    assert (used.input_tokens, used.output_tokens) == (100, 12)
    assert used.cache_read_input_tokens == 800


def test_signed_thinking_can_be_sent_back(client: Any) -> None:
    said = saying("think")
    answer = client.messages.create(**ASKED, **THINKING, messages=said)
    thought, text = answer.content
    assert (thought.thinking, text.text) == (THOUGHT, TEXT)
    assert thought.signature
    said += [{"role": "assistant", "content": answer.content}, *saying("say")]
    assert client.messages.create(**ASKED, **THINKING, messages=said).content[0].text == TEXT


def test_stream_equals_the_whole_response(client: Any) -> None:
    with client.messages.stream(**ASKED, **THINKING, messages=saying("think")) as stream:
        found = list(stream)
        whole = stream.get_final_message()
    assert "".join(one.text for one in found if one.type == "text") == TEXT
    assert "".join(one.thinking for one in found if one.type == "thinking") == THOUGHT
    plain = client.messages.create(**ASKED, **THINKING, messages=saying("think"))
    assert whole.content[0].signature == plain.content[0].signature
    assert whole.content[1].text == plain.content[1].text
    assert whole.stop_reason == plain.stop_reason
    assert whole.usage.output_tokens == plain.usage.output_tokens


@pytest.mark.parametrize("is_streamed", [False, True])
def test_parallel_tool_calls_and_results(client: Any, is_streamed: bool) -> None:
    said = saying("look")
    if is_streamed:
        with client.messages.stream(**ASKED, tools=[LOOK], messages=said) as stream:
            answer = stream.get_final_message()
    else:
        answer = client.messages.create(**ASKED, tools=[LOOK], messages=said)
    calls = [one for one in answer.content if one.type == "tool_use"]
    assert ([one.input for one in calls], answer.stop_reason) == (CITIES, "tool_use")
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": weather}
        for call, weather in zip(calls, ["rain", "sun"], strict=True)
    ]
    content = [
        one.model_dump(include={"type", "text", "id", "name", "input"}) for one in answer.content
    ]
    said += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
    last = client.messages.create(**ASKED, tools=[LOOK], messages=said)
    assert last.content[0].text == "Rain and sun."


def test_structured_output(client: Any) -> None:
    answer = client.messages.parse(**ASKED, messages=saying("who"), output_format=Person)
    assert answer.parsed_output == ALICE


def test_errors_have_the_provider_types(client: Any, anthropic: Any) -> None:
    with pytest.raises(anthropic.RateLimitError, match="too busy") as caught:
        client.messages.create(**ASKED, messages=saying("busy"))
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.body["error"]["type"] == "rate_limit_error"
    with pytest.raises(anthropic.InternalServerError, match="no luck"):
        client.messages.create(**ASKED, messages=saying("broken"))
    with pytest.raises(anthropic.BadRequestError, match="no rule of the script matches"):
        client.messages.create(**ASKED, messages=saying("nobody expects this"))


@pytest.mark.parametrize(
    ("words", "message"), [("overloaded", "full"), ("in the middle", "closed")]
)
def test_broken_stream_raises(client: Any, words: str, message: str) -> None:
    with (
        pytest.raises(Exception, match=message),
        client.messages.stream(**ASKED, messages=saying(words)) as stream,
    ):
        list(stream)


def test_beta_fields_are_accepted(client: Any) -> None:
    answer = client.beta.messages.create(
        **ASKED,
        messages=saying("say"),
        betas=["context-management-2025-06-27", "mcp-client-2025-11-20"],
        context_management={"edits": []},
        container=None,
        mcp_servers=[],
    )
    assert answer.content[0].text == TEXT


def test_tool_runner_continues_without_a_thread(client: Any, anthropic: Any, twin: Any) -> None:
    weather = {"Köln": "rain", "New York": "sun"}

    def look(city: str) -> str:
        """Look at the sky."""
        return weather[city]

    before = len(twin.requests)
    tool = anthropic.beta_tool(look)
    runner = client.beta.messages.tool_runner(**ASKED, tools=[tool], messages=saying("look"))
    assert runner.until_done().content[0].text == "Rain and sun."
    asked = twin.requests[before:]
    # Older clients send no thread.
    assert [one.status for one in asked] in ([200, 200], [400, 200, 200])
    assert ["thread" in one.body for one in asked] == [one.status == 400 for one in asked]
    continued = {"type": "continue", "previous_message_id": "msg_1"}
    for thread in ({"type": "create"}, continued):
        with pytest.raises(anthropic.BadRequestError, match="whole conversation") as caught:
            client.messages.create(**ASKED, messages=saying("say"), extra_body={"thread": thread})
        assert caught.value.type == "invalid_request_error"
        details = caught.value.body["error"]["details"]
        assert details == {"error_code": "thread_unsupported_request"}


def test_every_client_field_is_known(anthropic: Any) -> None:
    # These two are headers, although the client shows them as fields.
    headers = {"betas", "anthropic_beta"}
    for types in ("anthropic.types", "anthropic.types.beta"):
        asked = importlib.import_module(f"{types}.message_create_params").__dict__
        counted = importlib.import_module(f"{types}.message_count_tokens_params").__dict__
        assert fields_of(asked["MessageCreateParamsStreaming"]) - headers <= MESSAGE_FIELDS
        assert fields_of(counted["MessageCountTokensParams"]) - headers <= COUNT_FIELDS
