"""Google's own client understands the twin."""

import importlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from attractor.twins.server.provider_twin import ProviderTwin
from tests.twins.clients.script import ALICE, CITIES, TEXT, THOUGHT, Person, speaking

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
def twin() -> Iterator[ProviderTwin]:
    with speaking() as twin:
        yield twin


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


def test_a_text_with_its_usage(models: Any) -> None:
    answer = ask(models, "say")
    assert (answer.text, answer.candidates[0].finish_reason.name) == (TEXT, "STOP")
    used = answer.usage_metadata
    assert (used.prompt_token_count, used.candidates_token_count) == (900, 12)
    assert used.cached_content_token_count == 800


def test_a_thought_comes_with_its_signature_and_is_taken_back(models: Any) -> None:
    answer = ask(models, "think", **THINKING)
    content = answer.candidates[0].content
    assert [(one.text, bool(one.thought)) for one in content.parts] == [
        (THOUGHT, True),
        (TEXT, False),
    ]
    assert any(one.thought_signature for one in content.parts)
    said: list[Any] = [{"role": "user", "parts": [{"text": "think"}]}, content]
    assert ask(models, [*said, {"role": "user", "parts": [{"text": "say"}]}]).text == TEXT


def test_a_stream_adds_up_to_the_same_answer(models: Any) -> None:
    told = list(models.generate_content_stream(model=MODEL, contents="think", config=THINKING))
    parts = [part for one in told for part in one.candidates[0].content.parts]
    assert len(told) > 2
    assert "".join(one.text for one in parts if one.thought) == THOUGHT
    assert "".join(one.text for one in parts if one.text and not one.thought) == TEXT
    plain = ask(models, "think", **THINKING)
    assert told[-1].candidates[0].finish_reason.name == "STOP"
    assert told[-1].usage_metadata.total_token_count == plain.usage_metadata.total_token_count


@pytest.mark.parametrize("is_streamed", [False, True])
def test_tools_are_called_at_once_and_their_results_taken(models: Any, is_streamed: bool) -> None:
    if is_streamed:
        told = models.generate_content_stream(model=MODEL, contents="look", config=LOOK)
        parts = [part for one in told for part in one.candidates[0].content.parts]
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


def test_an_object_of_a_schema(models: Any, twin: ProviderTwin) -> None:
    config = {"response_mime_type": "application/json", "response_schema": Person}
    assert ask(models, "who", **config).parsed == ALICE
    body: Any = twin.requests[-1].body
    assert body["generationConfig"]["responseMimeType"] == "application/json"


def test_an_answer_that_was_cut_short_says_so(models: Any) -> None:
    assert ask(models, "short").candidates[0].finish_reason.name == "MAX_TOKENS"


def test_errors_are_those_of_the_provider(models: Any, genai: Any) -> None:
    with pytest.raises(genai.errors.ClientError, match="too busy") as caught:
        ask(models, "busy")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    with pytest.raises(genai.errors.ServerError, match="no luck"):
        ask(models, "broken")
    with pytest.raises(genai.errors.ClientError, match="no rule of the script matches"):
        ask(models, "nobody expects this")


@pytest.mark.parametrize("words", ["overloaded", "in the middle"])
def test_a_stream_that_breaks_is_no_answer(models: Any, words: str) -> None:
    with pytest.raises(Exception, match="full|closed"):
        list(models.generate_content_stream(model=MODEL, contents=words))


def test_one_model_is_told(models: Any, genai: Any) -> None:
    (listed,) = models.list()
    found = models.get(model="a-model-with-a-name")
    assert (found.name, found.supported_actions) == (listed.name, listed.supported_actions)
    with pytest.raises(genai.errors.ClientError, match="unknown model 'nobody'") as caught:
        models.get(model="nobody")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_tokens_are_counted_before_they_are_paid(models: Any) -> None:
    words = "look around"
    counted = models.count_tokens(model=MODEL, contents=words).total_tokens
    assert counted == 3
    with pytest.raises(Exception, match="contents"):
        models.count_tokens(model=MODEL, contents=[])


def test_what_is_not_spoken_is_an_error_of_the_provider(models: Any, genai: Any) -> None:
    with pytest.raises(genai.errors.ClientError, match="unknown endpoint POST") as caught:
        models.embed_content(model=MODEL, contents="say")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_the_key_may_stand_in_the_address(twin: ProviderTwin) -> None:
    url = f"{twin.url}/v1beta/models/{MODEL}:generateContent"
    asked = {"contents": [{"role": "user", "parts": [{"text": "say"}]}]}
    assert httpx.post(url, json=asked, params={"key": "any"}).status_code == 200
    assert httpx.post(url, json=asked).status_code == 403
    assert "any" not in twin.requests[-2].path
