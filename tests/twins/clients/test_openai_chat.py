"""OpenAI's own client understands the twin, with its Chat Completions API."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from attractor.twins.server.provider_twin import ProviderTwin
from tests.twins.clients.script import ALICE, CITIES, PATCH, TEXT, THOUGHT, Person

MODEL = "gpt-5.2"
LOOK: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def chat(twin: ProviderTwin, openai: Any) -> Iterator[Any]:
    url = twin.environ()["OPENAI_COMPATIBLE_BASE_URL"]
    with openai.OpenAI(api_key="any", base_url=url, max_retries=0) as client:
        yield client.chat.completions


def saying(words: str) -> list[Any]:
    return [{"role": "user", "content": words}]


def test_text_with_usage(chat: Any) -> None:
    answer = chat.create(model=MODEL, messages=saying("say"))
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == (TEXT, "stop")
    used = answer.usage
    assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (900, 12, 912)
    assert used.prompt_tokens_details.cached_tokens == 800


def test_stream_equals_the_whole_response(chat: Any) -> None:
    with chat.stream(model=MODEL, messages=saying("think"), **USAGE) as stream:
        found = list(stream)
        whole = stream.get_final_completion()
    pieces = [one.delta for one in found if one.type == "content.delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == TEXT
    plain = chat.create(model=MODEL, messages=saying("think"))
    assert whole.choices[0].message.content == plain.choices[0].message.content == TEXT
    assert plain.choices[0].message.reasoning_content == THOUGHT
    assert whole.usage.total_tokens == plain.usage.total_tokens


@pytest.mark.parametrize("is_streamed", [False, True])
def test_parallel_tool_calls_and_results(chat: Any, is_streamed: bool) -> None:
    asked: dict[str, Any] = {"model": MODEL, "tools": [LOOK]}
    said = saying("look")
    if is_streamed:
        with chat.stream(**asked, messages=said) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = chat.create(**asked, messages=said).choices[0].message
    assert [json.loads(one.function.arguments) for one in message.tool_calls] == CITIES
    said.append(message.model_dump(include={"role", "content", "tool_calls"}))
    said += [
        {"role": "tool", "tool_call_id": call.id, "content": weather}
        for call, weather in zip(message.tool_calls, ["rain", "sun"], strict=True)
    ]
    last = chat.create(**asked, messages=said)
    assert last.choices[0].message.content == "Rain and sun."


def test_custom_tool_is_called_with_a_text(chat: Any) -> None:
    custom = {"type": "custom", "custom": {"name": "apply_patch"}}
    asked: dict[str, Any] = {"model": MODEL, "tools": [custom, LOOK]}
    said = saying("edit")
    message = chat.create(**asked, messages=said).choices[0].message
    edit, look = message.tool_calls
    assert (edit.type, edit.custom.input, look.type) == ("custom", PATCH, "function")
    chunks = chat.create(**asked, messages=said, stream=True)
    deltas = [one.choices[0].delta.model_dump(exclude_none=True) for one in chunks]
    calls = [call for one in deltas for call in one.get("tool_calls", []) if not call["index"]]
    assert calls[0]["custom"]["name"] == "apply_patch"
    assert "".join(one["custom"]["input"] for one in calls) == PATCH
    said.append(message.model_dump(include={"role", "content", "tool_calls"}))
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in ((edit, "patched"), (look, "rain"))
    ]
    last = chat.create(**asked, messages=[*said, *results])
    assert last.choices[0].message.content == "Edited."


def test_structured_output(chat: Any) -> None:
    answer = chat.parse(model=MODEL, messages=saying("who"), response_format=Person)
    assert answer.choices[0].message.parsed == ALICE


def test_errors_have_the_provider_types(chat: Any, openai: Any) -> None:
    with pytest.raises(openai.RateLimitError, match="too busy") as caught:
        chat.create(model=MODEL, messages=saying("busy"))
    assert caught.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.InternalServerError, match="no luck"):
        chat.create(model=MODEL, messages=saying("broken"))
    with pytest.raises(openai.BadRequestError, match="no rule of the script matches"):
        chat.create(model=MODEL, messages=saying("nobody expects this"))


@pytest.mark.parametrize(
    ("words", "message"), [("overloaded", "full"), ("in the middle", "closed")]
)
def test_broken_stream_raises(chat: Any, words: str, message: str) -> None:
    with (
        pytest.raises(Exception, match=message),
        chat.stream(model=MODEL, messages=saying(words)) as stream,
    ):
        list(stream)
