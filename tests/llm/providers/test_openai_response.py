import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    ContentKind,
    ImageData,
    RateLimitError,
    SDKError,
    ServerError,
    ThinkingData,
)
from tests.llm.providers.answers import read_openai, require_read
from tests.llm.providers.garbage import Garbage, every_number

MESSAGE: Json = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
CALL: Json = {"type": "function_call", "id": "fc", "call_id": "c", "name": "n", "arguments": "{"}


def body(*output: Json, **more: Json) -> JsonObject:
    return {"id": "r", "model": "m", "status": "completed", "output": list(output), **more}


def test_what_the_model_said_thought_and_called_is_read_in_order() -> None:
    summary: Json = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    reasoning: Json = {"type": "reasoning", "id": "rs", "summary": summary, "odd": 1}
    search: Json = {"type": "web_search_call", "id": "ws"}
    response = read_openai(body(reasoning, search, MESSAGE, CALL))
    kinds = [part.kind for part in response.message.content]
    assert kinds == [ContentKind.THINKING, "openai.web_search_call", ContentKind.TEXT, "tool_call"]
    thought, found, *_ = response.message.content
    assert thought.thinking == ThinkingData("a\n\nb")
    assert thought.provider_data is not None
    assert (thought.provider_data.provider, thought.provider_data.item) == ("openai", reasoning)
    assert found.provider_data is not None
    assert found.provider_data.item == search
    assert response.tool_calls[0].id == "c"
    assert response.tool_calls[0].fault is not None


def test_what_is_said_of_a_message_is_kept_with_its_words() -> None:
    assert isinstance(MESSAGE, dict)
    phased, plain = read_openai(body({**MESSAGE, "phase": "commentary"}, MESSAGE)).message.content
    assert phased.provider_data
    assert phased.provider_data.item == {"phase": "commentary"}
    assert (phased.text, plain.provider_data) == ("hi", None)


def test_an_image_that_the_model_made_is_one_and_kept_as_it_came() -> None:
    drawn: dict[str, Json] = {"type": "image_generation_call", "id": "ig", "result": "cG5n"}
    image, webp, none = read_openai(
        body(drawn, drawn | {"output_format": "webp"}, drawn | {"result": None})
    ).message.content
    assert image.image == ImageData(data=b"png", media_type="image/png")
    assert image.provider_data
    assert image.provider_data.item == drawn
    assert webp.image
    assert webp.image.media_type == "image/webp"
    assert none.kind == "openai.image_generation_call"


def test_a_refusal_is_said_in_the_models_words() -> None:
    refusal: Json = {"type": "message", "content": [{"type": "refusal", "refusal": "I won't."}]}
    assert read_openai(body(refusal)).text == "I won't."


@pytest.mark.parametrize(
    ("more", "reason", "raw"),
    [
        ({}, "stop", "completed"),
        ({"status": None}, "stop", None),
        ({"status": "cancelled"}, "other", "cancelled"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
            "max_output_tokens",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
            "content_filter",
        ),
        ({"status": "incomplete", "incomplete_details": None}, "other", None),
    ],
)
def test_why_it_stopped(more: dict[str, Json], reason: str, raw: str | None) -> None:
    found = read_openai(body(MESSAGE, **more)).finish_reason
    assert (found.reason, found.raw) == (reason, raw)


def test_usage_is_read_with_what_was_cached_and_thought() -> None:
    usage: Json = {
        "input_tokens": 10,
        "output_tokens": 20,
        "input_tokens_details": {"cached_tokens": 5},
        "output_tokens_details": {"reasoning_tokens": 15},
    }
    found = read_openai(body(MESSAGE, usage=usage)).usage
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (10, 20, 30)
    assert (found.cache_read_tokens, found.reasoning_tokens) == (5, 15)
    assert (found.cache_write_tokens, found.raw) == (None, usage)


def test_a_failure_with_a_good_status_is_raised() -> None:
    failed: Json = {"code": "rate_limit_exceeded", "message": "slow"}
    with pytest.raises(RateLimitError, match="slow"):
        read_openai(body(status="failed", error=failed))
    with pytest.raises(ServerError, match="oops"):
        read_openai(body(status="failed", error={"code": "server_error", "message": "oops"}))
    with pytest.raises(SDKError, match="no reason given"):
        read_openai(body(status="failed"))


WHOLE: Json = {
    **body(
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "a"}]},
        {"type": "web_search_call", "id": "ws"},
        MESSAGE,
        CALL,
        error=None,
        incomplete_details=None,
        usage={"input_tokens": 10, "output_tokens_details": {"reasoning_tokens": 15}},
    )
}


@every_number
def test_whatever_comes_is_read_or_an_error_of_ours(garbage: Garbage) -> None:
    require_read(read_openai, garbage.odd(WHOLE))
