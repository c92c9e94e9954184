"""Google's own client understands the twin."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from attractor.twins.server.provider_twin import ProviderTwin
from tests.twins.clients.script import ALICE, CITIES, TEXT, THOUGHT, Person

MODEL = "gemini-3-flash-preview"
THINKING: dict[str, Any] = {"thinking_config": {"include_thoughts": True}}
LOOK: dict[str, Any] = {
    "tools": [
        {
            "function_declarations": [
                {
                    "name": "look",
                    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
                }
            ]
        }
    ],
    "automatic_function_calling": {"disable": True},
}


@pytest.fixture(scope="module")
def genai() -> Any:
    return importlib.import_module("google.genai")


@pytest.fixture(scope="module")
def models(twin: ProviderTwin, genai: Any) -> Iterator[Any]:
    options = {"base_url": twin.environ()["GEMINI_BASE_URL"]}
    with genai.Client(api_key="any", http_options=options) as client:
        yield client.models


def ask(models: Any, words: Any, **config: Any) -> Any:
    return models.generate_content(model=MODEL, contents=words, config=config)


def test_text_with_usage(models: Any) -> None:
    answer = ask(models, "say")
    assert (answer.text, answer.candidates[0].finish_reason.name) == (TEXT, "STOP")
    used = answer.usage_metadata
    assert (used.prompt_token_count, used.candidates_token_count) == (900, 12)
    assert used.cached_content_token_count == 800


def test_signed_thinking_can_be_sent_back(models: Any) -> None:
    answer = ask(models, "think", **THINKING)
    content = answer.candidates[0].content
    assert [(one.text, bool(one.thought)) for one in content.parts] == [
        (THOUGHT, True),
        (TEXT, False),
    ]
    assert any(one.thought_signature for one in content.parts)
    said: list[Any] = [{"role": "user", "parts": [{"text": "think"}]}, content]
    assert ask(models, [*said, {"role": "user", "parts": [{"text": "say"}]}]).text == TEXT


def test_stream_equals_the_whole_response(models: Any) -> None:
    found = list(models.generate_content_stream(model=MODEL, contents="think", config=THINKING))
    parts = [part for one in found for part in one.candidates[0].content.parts]
    assert len(found) > 2
    assert "".join(one.text for one in parts if one.thought) == THOUGHT
    assert "".join(one.text for one in parts if one.text and not one.thought) == TEXT
    plain = ask(models, "think", **THINKING)
    assert found[-1].candidates[0].finish_reason.name == "STOP"
    assert found[-1].usage_metadata.total_token_count == plain.usage_metadata.total_token_count


@pytest.mark.parametrize("is_streamed", [False, True])
def test_parallel_tool_calls_and_results(models: Any, is_streamed: bool) -> None:
    if is_streamed:
        found = models.generate_content_stream(model=MODEL, contents="look", config=LOOK)
        parts = [part for one in found for part in one.candidates[0].content.parts]
    else:
        parts = ask(models, "look", **LOOK).candidates[0].content.parts
    calls = [one.function_call for one in parts if one.function_call]
    assert [one.args for one in calls] == CITIES
    results = [
        {"function_response": {"name": "look", "response": {"output": weather}}}
        for weather in ("rain", "sun")
    ]
    said: list[Any] = [
        {"role": "user", "parts": [{"text": "look"}]},
        {"role": "model", "parts": parts},
        {"role": "user", "parts": results},
    ]
    assert ask(models, said, **LOOK).text == "Rain and sun."


def test_images_of_any_size_are_accepted(models: Any, genai: Any) -> None:
    for data in (b"\xfb\xef\xbe", b"\xff\xfe", b"\xff"):
        image = genai.types.Part.from_bytes(data=data, mime_type="image/png")
        assert ask(models, ["say", image]).text == TEXT


def test_structured_output(models: Any, twin: ProviderTwin) -> None:
    config = {"response_mime_type": "application/json", "response_schema": Person}
    assert ask(models, "who", **config).parsed == ALICE
    body: Any = twin.requests[-1].body
    assert body["generationConfig"]["responseMimeType"] == "application/json"


def test_errors_have_the_provider_types(models: Any, genai: Any) -> None:
    with pytest.raises(genai.errors.ClientError, match="too busy") as caught:
        ask(models, "busy")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(genai.errors.ServerError, match="no luck"):
        ask(models, "broken")
    with pytest.raises(genai.errors.ClientError, match="no rule of the script matches"):
        ask(models, "nobody expects this")


@pytest.mark.parametrize("words", ["overloaded", "in the middle"])
def test_broken_stream_raises(models: Any, words: str) -> None:
    with pytest.raises(Exception, match="full|closed"):
        list(models.generate_content_stream(model=MODEL, contents=words))
