import asyncio
from typing import Any

import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    ContentFilterError,
    ContentKind,
    ImageData,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
    ThinkingData,
)
from attractor.llm.errors import error_from_status_code
from attractor.llm.providers.gemini_response import read_error
from tests.llm.providers.answers import read_gemini
from tests.llm.providers.streams import WARNED, brief, fold, hear, sse, stream_of, whole
from tests.tables import table

CALL: Json = {"functionCall": {"name": "n", "args": {"a": 1}}}


def body(*parts: Json, why: str | None = "STOP", **more: Json) -> JsonObject:
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "finishReason": why}
    return {"responseId": "r", "modelVersion": "m", "candidates": [candidate], **more}


def test_text_reasoning_and_calls_are_read_in_order() -> None:
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


def test_generated_image_is_kept_unchanged() -> None:
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


def test_missing_id_and_model_get_fallbacks() -> None:
    response = read_gemini(body({"text": "hi"}, responseId=None, modelVersion=None))
    assert response.id
    assert response.model == "gemini-3"


def test_finish_reason_is_translated() -> None:
    for raw, reason in (
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("OTHER", "other"),
        (None, "stop"),
    ):
        found = read_gemini(body({"text": "hi"}, why=raw)).finish_reason
        assert (found.reason, found.raw) == (reason, raw)


def test_finish_reason_follows_from_the_calls() -> None:
    assert read_gemini(body(CALL)).finish_reason.reason == "tool_calls"
    assert read_gemini(body(CALL, why="MAX_TOKENS")).finish_reason.reason == "length"


@table("content", [None, {"role": "model"}])
def test_answer_cut_off_while_thinking_is_empty(content: Json) -> None:
    response = read_gemini({"candidates": [{"content": content, "finishReason": "MAX_TOKENS"}]})
    assert (response.text, response.finish_reason.reason) == ("", "length")


def test_usage_counts_reasoning_as_output_and_tool_prompts_as_input() -> None:
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


def test_blocked_prompt_is_not_retryable() -> None:
    feedback: Json = {"blockReason": "PROHIBITED_CONTENT", "safetyRatings": []}
    with pytest.raises(ContentFilterError, match="blocked the prompt: PROHIBITED") as caught:
        read_gemini({"promptFeedback": feedback, "usageMetadata": {}})
    assert (caught.value.error_code, caught.value.retryable) == ("PROHIBITED_CONTENT", False)
    assert caught.value.raw
    assert read_gemini(body({"text": "hi"}, promptFeedback=feedback)).text == "hi"


@table("more", [{"candidates": []}, {"candidates": None}, {"candidates": [1]}])
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


RETRY = "type.googleapis.com/google.rpc.RetryInfo"


def read(
    status: int,
    code: Any = None,
    *details: Any,
    message: str = "no",
    retry_after: float | None = None,
) -> SDKError:
    """Parse an error of Google's, as the transport passes it on."""
    body: Any = {"code": status, "message": message, "status": code, "details": list(details)}
    error = error_from_status_code(
        status,
        message,
        provider="gemini",
        error_code=str(status),
        retry_after=retry_after,
        raw={"error": body},
    )
    assert isinstance(error, ProviderError)
    return read_error(error)


def test_unknown_parts_are_kept() -> None:
    error = read(429, "RESOURCE_EXHAUSTED")
    assert isinstance(error, ProviderError)
    assert error.message == "gemini answered 429: no"
    assert (error.status_code, error.error_code) == (429, "RESOURCE_EXHAUSTED")
    assert (error.provider, "error" in (error.raw or {})) == ("gemini", True)
    assert error.hint == type(error).hint


def test_the_code_decides_and_else_the_status() -> None:
    for status, code, kind in (
        (500, "RESOURCE_EXHAUSTED", "RateLimitError"),
        (504, "DEADLINE_EXCEEDED", "RequestTimeoutError"),
        (400, "FAILED_PRECONDITION", "InvalidRequestError"),
        (409, "ABORTED", "ProviderError"),
        (503, None, "ServerError"),
        (503, 14, "ServerError"),
    ):
        assert type(read(status, code)).__name__ == kind


def test_invalid_key_is_recognized_by_the_details_of_a_400() -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = read(400, "INVALID_ARGUMENT", reason, message="API key not valid.")
    assert type(error).__name__ == "AuthenticationError"


def test_message_of_a_400_decides_its_class() -> None:
    for message, kind in (
        ("The input token count (9) exceeds the maximum number of tokens", "ContextLengthError"),
        ("refused for safety", "ContentFilterError"),
        ("temperature is wrong", "InvalidRequestError"),
    ):
        assert type(read(400, "INVALID_ARGUMENT", message=message)).__name__ == kind


@table(
    ("delay", "seconds"),
    [("34s", 34), ("1.500s", 1.5), ("0s", 0), ("soon", None), ("-1s", None), (5, None), ("", None)],
)
def test_the_wait_is_read_from_the_details(delay: Any, seconds: float | None) -> None:
    error = read(429, "RESOURCE_EXHAUSTED", "odd", {"@type": RETRY, "retryDelay": delay})
    assert error.retry_after == seconds


def test_retry_delay_of_a_header_takes_precedence() -> None:
    fields = {"@type": RETRY, "retryDelay": "9s"}
    assert read(429, "RESOURCE_EXHAUSTED", fields, retry_after=0).retry_after == 0


@table("raw", [None, {}, {"error": "no"}, {"error": {"details": 5}}])
def test_error_of_unknown_shape_keeps_its_class(raw: Any) -> None:
    error = error_from_status_code(503, "no", provider="gemini", raw=raw)
    assert isinstance(error, ProviderError)
    assert type(read_error(error)) is type(error)


GEMINI_STREAM_CALL: Json = {
    "functionCall": {"name": "n", "args": {"a": 1}},
    "thoughtSignature": "s",
}
THEIRS: Json = {"functionCall": {"name": "n", "args": {}, "id": "theirs"}}
CODE: Json = {"executableCode": {"code": "1"}}
USAGE: Json = {"promptTokenCount": 9, "candidatesTokenCount": 7, "thoughtsTokenCount": 2}


def chunk(*parts: Json, **more: Json) -> Json:
    content: Json = {"role": "model", "parts": list(parts)}
    return {"responseId": "r", "modelVersion": "m", "candidates": [{"content": content, **more}]}


def last(*parts: Json) -> Json:
    ended: Any = chunk(*parts, finishReason="STOP", index=0)
    return {**ended, "usageMetadata": USAGE}


STREAM: list[Json] = [
    chunk({"text": "hm ", "thought": True}),
    chunk({"text": "so", "thought": True}, {"text": "gr"}),
    chunk({"text": "öße"}),
    chunk(GEMINI_STREAM_CALL, THEIRS),
    chunk(CODE),
    chunk({"text": "en"}),
    chunk({"text": "de"}),
    last({"text": "", "thoughtSignature": "t"}),
]


def test_each_piece_becomes_an_event() -> None:
    events = fold("gemini", *STREAM)
    assert brief(events) == [
        "stream_start",
        "reasoning_start",
        "reasoning_delta hm ",
        "reasoning_delta so",
        "reasoning_end hm so",
        "text_start",
        "text_delta gr",
        "text_delta öße",
        "text_end größe",
        "tool_call_start call_seed_2 n {}",
        'tool_call_end call_seed_2 n {"a": 1}',
        "tool_call_start theirs n {}",
        "tool_call_end theirs n {}",
        "provider_event",
        "text_start",
        "text_delta en",
        "text_delta de",
        "text_end ende",
        "finish",
    ]
    texts = [one.text_id for one in events if "text_" in one.type]
    assert texts == ["text_1"] * 4 + ["text_5"] * 4
    begun = events[0].start
    assert begun is not None
    assert (begun.id, begun.model, begun.provider) == ("r", "m", "gemini")
    assert begun.warnings == WARNED


def test_signature_ends_the_signed_text() -> None:
    signed: list[Json] = [{"text": text, "thoughtSignature": text} for text in "ab"]
    streamed = whole(fold("gemini", *map(chunk, signed), last({"text": "c"})))
    raw: Any = streamed.raw
    assert raw["candidates"][0]["content"]["parts"] == [*signed, {"text": "c"}]


@table("parts", [[], [{"text": ""}], [{}]])
def test_an_empty_last_piece_is_no_part_of_the_answer(parts: list[Json]) -> None:
    streamed = whole(fold("gemini", chunk(GEMINI_STREAM_CALL), last(*parts)))
    assert len(streamed.message.content) == 1
    assert streamed.finish_reason.reason == "tool_calls"


def test_usage_after_the_end_counts() -> None:
    events = fold("gemini", chunk({"text": "a"}, finishReason="STOP"), {"usageMetadata": USAGE})
    assert whole(events).usage.input_tokens == 9
    assert brief(events) == ["stream_start", "text_start", "text_delta a", "text_end a", "finish"]


def test_answer_without_a_finish_reason_is_incomplete() -> None:
    answer, error = asyncio.run(hear(stream_of("gemini", sse(STREAM[:-1]))))
    assert isinstance(error, StreamError)
    assert error.message == "the stream of gemini ended before its answer was complete"
    assert answer[-1].error is error


def test_error_in_a_stream_equals_the_error_of_its_code() -> None:
    for code, status, kind in (
        (503, "UNAVAILABLE", ServerError),
        (429, "RESOURCE_EXHAUSTED", RateLimitError),
        (504, "DEADLINE_EXCEEDED", RequestTimeoutError),
        (None, None, ServerError),
    ):
        error: Json = {"error": {"code": code, "status": status, "message": "oops"}}
        with pytest.raises(SDKError, match="oops") as caught:
            fold("gemini", STREAM[0], error)
        assert type(caught.value) is kind
