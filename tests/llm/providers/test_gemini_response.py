import json
from contextlib import suppress
from typing import Any

import pytest

from attractor.base.errors import NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.llm import (
    ContentFilterError,
    ContentKind,
    ImageData,
    ServerError,
    ThinkingData,
)
from tests.llm.providers.answers import read_gemini, require_read
from tests.llm.providers.garbage import Garbage, every_number

CALL: Json = {"functionCall": {"name": "n", "args": {"a": 1}}}


def body(*parts: Json, why: str | None = "STOP", **more: Json) -> JsonObject:
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "finishReason": why}
    return {"responseId": "r", "modelVersion": "m", "candidates": [candidate], **more}


def test_what_the_model_said_thought_and_called_is_read_in_order() -> None:
    thought: Json = {"text": "hm", "thought": True, "thoughtSignature": "s", "odd": 1}
    signed: Json = {"functionCall": {"name": "n"}, "thoughtSignature": "t"}
    code: Json = {"executableCode": {"code": "1"}, "thoughtSignature": "u"}
    response = read_gemini(body(thought, {"text": "hi"}, {}, signed, CALL, code))
    assert [part.kind for part in response.message.content] == [
        ContentKind.THINKING,
        ContentKind.TEXT,
        ContentKind.TOOL_CALL,
        ContentKind.TOOL_CALL,
        "gemini.executableCode",
    ]
    first, said, one, other, last = response.message.content
    assert first.thinking == ThinkingData("hm", "s")
    items = [part.provider_data and part.provider_data.item for part in (first, one, last)]
    assert items == [thought, {"thoughtSignature": "t"}, code]
    assert (said.provider_data, other.provider_data) == (None, None)
    assert [call.arguments for call in response.tool_calls] == [{}, {"a": 1}]
    assert (response.text, response.reasoning) == ("hi", "hm")
    assert (response.id, response.model) == ("r", "m")


def test_an_image_that_the_model_made_is_one_and_kept_as_it_came() -> None:
    drawn: Json = {"inlineData": {"mimeType": "image/png", "data": "cG5n"}, "thoughtSignature": "s"}
    spoken: Json = {"inlineData": {"mimeType": "audio/wav", "data": "cG5n"}}
    image, other = read_gemini(body(drawn, spoken)).message.content
    assert image.image == ImageData(data=b"png", media_type="image/png")
    assert image.provider_data
    assert image.provider_data.item == drawn
    assert other.kind == "gemini.inlineData"


def test_calls_have_ids_of_their_own_unless_the_provider_gave_one() -> None:
    given: Json = {"functionCall": {"name": "n", "args": {}, "id": "theirs"}}
    one, other, theirs = read_gemini(body(CALL, CALL, given)).tool_calls
    assert one.id.startswith("call_")
    assert (one.id != other.id, theirs.id) == (True, "theirs")
    assert read_gemini(body(CALL)).tool_calls[0].id != one.id


def test_an_id_and_a_model_are_there_even_if_nobody_said_them() -> None:
    response = read_gemini(body({"text": "hi"}, responseId=None, modelVersion=None))
    assert response.id
    assert response.model == "gemini-3"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("OTHER", "other"),
        (None, "other"),
    ],
)
def test_why_it_stopped(raw: str | None, reason: str) -> None:
    found = read_gemini(body({"text": "hi"}, why=raw)).finish_reason
    assert (found.reason, found.raw) == (reason, raw)


def test_that_it_calls_tools_follows_from_the_calls() -> None:
    assert read_gemini(body(CALL)).finish_reason.reason == "tool_calls"
    assert read_gemini(body(CALL, why="MAX_TOKENS")).finish_reason.reason == "length"


@pytest.mark.parametrize("content", [None, {"role": "model"}])
def test_who_is_cut_off_while_thinking_has_said_nothing(content: Json) -> None:
    response = read_gemini({"candidates": [{"content": content, "finishReason": "MAX_TOKENS"}]})
    assert (response.text, response.finish_reason.reason) == ("", "length")


def test_usage_counts_thoughts_as_output_and_what_tools_read_as_input() -> None:
    usage: Json = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 1,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 15,
        "cachedContentTokenCount": 5,
        "totalTokenCount": 46,
    }
    found = read_gemini(body(usageMetadata=usage)).usage
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (11, 35, 46)
    assert (found.reasoning_tokens, found.cache_read_tokens) == (15, 5)
    assert (found.cache_write_tokens, found.raw) == (None, usage)
    bare = read_gemini(body(usageMetadata={"candidatesTokenCount": 2})).usage
    assert (bare.output_tokens, bare.reasoning_tokens, bare.cache_read_tokens) == (2, None, None)


def test_a_blocked_prompt_is_an_error_that_no_other_try_mends() -> None:
    feedback: Json = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []}
    with pytest.raises(ContentFilterError, match="blocked the prompt: PROHIBITED") as caught:
        read_gemini({"promptFeedback": feedback, "usageMetadata": {}})
    assert (caught.value.error_code, caught.value.retryable) == ("PROHIBITED_CONTENT", False)
    assert caught.value.raw
    assert read_gemini(body({"text": "hi"}, promptFeedback=feedback)).text == "hi"


@pytest.mark.parametrize("more", [{"candidates": []}, {"candidates": None}, {"candidates": [1]}])
def test_an_answer_without_a_candidate_is_the_providers_trouble(more: Any) -> None:
    with pytest.raises(ServerError):
        read_gemini({**body(), **more})


WHOLE: Json = {
    **body(
        {"text": "hm", "thought": True, "thoughtSignature": "s"},
        {"text": "hi"},
        CALL,
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        promptFeedback={"blockReason": None},
        usageMetadata={"promptTokenCount": 10, "thoughtsTokenCount": 2},
    )
}


@every_number
def test_whatever_comes_is_read_or_an_error_of_ours(garbage: Garbage) -> None:
    require_read(read_gemini, garbage.odd(WHOLE))


@every_number
def test_bytes_that_were_spoilt_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    spoilt = garbage.spoilt_bytes(json.dumps(WHOLE).encode())
    # Bytes that are no JSON never come as far as to the reader.
    with suppress(NotCanonical):
        require_read(read_gemini, parse_json(spoilt))
