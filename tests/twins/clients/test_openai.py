"""OpenAI's own client understands the twin, with its Responses API."""

import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.wires.openai_request import CHAT_FIELDS, RESPONSE_FIELDS
from tests.twins.clients.script import ALICE, CITIES, PATCH, TEXT, THOUGHT, Person, fields_of

MODEL = "gpt-5.2"
LOOK: dict[str, Any] = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def client(twin: ProviderTwin, openai: Any) -> Iterator[Any]:
    url = twin.environ()["OPENAI_BASE_URL"]
    with openai.OpenAI(api_key="any", base_url=url, max_retries=0) as client:
        yield client


def test_text_with_usage(client: Any) -> None:
    answer = client.responses.create(model=MODEL, input="say")
    assert (answer.output_text, answer.model, answer.status) == (TEXT, MODEL, "completed")
    used = answer.usage
    assert (used.input_tokens, used.output_tokens, used.total_tokens) == (900, 12, 912)
    assert used.input_tokens_details.cached_tokens == 800


def test_reasoning_has_summary_and_encrypted_content(client: Any) -> None:
    wanted = ["reasoning.encrypted_content"]
    answer = client.responses.create(model=MODEL, input="think", include=wanted)
    thought, said = answer.output
    assert [one.text for one in thought.summary] == [THOUGHT]
    assert thought.encrypted_content
    assert said.content[0].text == TEXT
    assert answer.usage.output_tokens_details.reasoning_tokens > 0


def test_stream_equals_the_whole_response(client: Any) -> None:
    with client.responses.stream(model=MODEL, input="think") as stream:
        found = list(stream)
        whole = stream.get_final_response()
    assert (found[0].type, found[-1].type) == ("response.created", "response.completed")
    pieces = [one.delta for one in found if one.type == "response.output_text.delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == whole.output_text == TEXT
    numbers = [one.sequence_number for one in found]
    assert numbers == sorted(numbers)
    plain = client.responses.create(model=MODEL, input="think")
    assert whole.output[1].content[0].text == plain.output[1].content[0].text
    assert whole.usage.total_tokens == plain.usage.total_tokens


@pytest.mark.parametrize("is_streamed", [False, True])
def test_parallel_tool_calls_and_results(client: Any, is_streamed: bool) -> None:
    asked: dict[str, Any] = {"model": MODEL, "tools": [LOOK]}
    said: list[Any] = [{"role": "user", "content": "look"}]
    if is_streamed:
        with client.responses.stream(**asked, input=said) as stream:
            answer = stream.get_final_response()
    else:
        answer = client.responses.create(**asked, input=said)
    calls = [one for one in answer.output if one.type == "function_call"]
    assert [json.loads(one.arguments) for one in calls] == CITIES
    said += [one.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for one in calls]
    said += [
        {"type": "function_call_output", "call_id": call.call_id, "output": weather}
        for call, weather in zip(calls, ["rain", "sun"], strict=True)
    ]
    assert client.responses.create(**asked, input=said).output_text == "Rain and sun."


@pytest.mark.parametrize("is_streamed", [False, True])
def test_custom_tool_is_called_with_a_text(client: Any, is_streamed: bool) -> None:
    custom = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
    asked: dict[str, Any] = {"model": MODEL, "tools": [custom, LOOK]}
    said: list[Any] = [{"role": "user", "content": "edit"}]
    if is_streamed:
        with client.responses.stream(**asked, input=said) as stream:
            found = list(stream)
            answer = stream.get_final_response()
        kind = "response.custom_tool_call_input"
        assert "".join(one.delta for one in found if one.type == f"{kind}.delta") == PATCH
        assert [one.input for one in found if one.type == f"{kind}.done"] == [PATCH]
    else:
        answer = client.responses.create(**asked, input=said)
    edit, look = answer.output
    assert (edit.type, edit.name, edit.input) == ("custom_tool_call", "apply_patch", PATCH)
    assert look.type == "function_call"
    said += [
        one.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for one in (edit, look)
    ]
    result = {"type": "custom_tool_call_output", "call_id": edit.call_id, "output": "patched"}
    rain = {"type": "function_call_output", "call_id": look.call_id, "output": "rain"}
    assert client.responses.create(**asked, input=[*said, result, rain]).output_text == "Edited."


def test_structured_output(client: Any, twin: ProviderTwin) -> None:
    answer = client.responses.parse(model=MODEL, input="who", text_format=Person)
    assert answer.output_parsed == ALICE
    body: Any = twin.requests[-1].body
    assert body["text"]["format"]["schema"]["required"] == ["name", "age"]


def test_errors_have_the_provider_types(client: Any, openai: Any) -> None:
    with pytest.raises(openai.RateLimitError, match="too busy") as caught:
        client.responses.create(model=MODEL, input="busy")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.InternalServerError, match="no luck"):
        client.responses.create(model=MODEL, input="broken")
    with pytest.raises(openai.BadRequestError, match="no rule of the script matches"):
        client.responses.create(model=MODEL, input="nobody expects this")


def test_broken_stream_raises(client: Any, openai: Any) -> None:
    with (
        pytest.raises(Exception, match="closed"),
        client.responses.stream(model=MODEL, input="in the middle") as stream,
    ):
        list(stream)
    with (
        pytest.raises(openai.APIError, match="full") as caught,
        client.responses.stream(model=MODEL, input="overloaded") as stream,
    ):
        list(stream)
    assert caught.value.type == "server_error"


def test_every_client_field_is_known(openai: Any) -> None:
    said = [
        importlib.import_module("openai.types.responses.response_create_params"),
        importlib.import_module("openai.types.chat.completion_create_params"),
    ]
    response, chat = (one.__dict__ for one in said)
    assert fields_of(response["ResponseCreateParamsStreaming"]) <= RESPONSE_FIELDS
    assert fields_of(chat["CompletionCreateParamsStreaming"]) <= CHAT_FIELDS


def test_client_retries_are_counted(client: Any, twin: ProviderTwin) -> None:
    before = len(twin.requests)
    again = client.with_options(max_retries=2)
    assert again.responses.create(model=MODEL, input="once more").output_text == "Now."
    assert [one.status for one in twin.requests[before:]] == [503, 200]
