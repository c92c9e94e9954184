import asyncio
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import (
    ContentFilterError,
    RateLimitError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
)
from tests.llm.providers.answers import read_gemini
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import (
    WARNED,
    brief,
    fold,
    hear,
    require_heard,
    sse,
    stream_of,
    whole,
)

CALL: Json = {"functionCall": {"name": "n", "args": {"a": 1}}, "thoughtSignature": "s"}
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
    chunk(CALL, THEIRS),
    chunk(CODE),
    chunk({"text": "en"}),
    chunk({"text": "de"}),
    last({"text": "", "thoughtSignature": "t"}),
]
PARTS: list[Json] = [
    {"text": "hm so", "thought": True},
    {"text": "größe"},
    CALL,
    THEIRS,
    CODE,
    {"text": "ende", "thoughtSignature": "t"},
]


def test_every_piece_is_told_as_it_comes() -> None:
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


def test_the_answer_at_the_end_is_the_one_that_is_read_whole() -> None:
    streamed, read = whole(fold("gemini", *STREAM)), read_gemini(last(*PARTS))
    assert (streamed.usage, streamed.raw) == (read.usage, read.raw)
    assert (streamed.id, streamed.finish_reason) == (read.id, read.finish_reason)
    # Whatever the ids are that are drawn for calls, the rest is the same.
    assert [one.provider_data for one in streamed.message.content] == [
        one.provider_data for one in read.message.content
    ]
    assert (streamed.text, streamed.reasoning) == ("größeende", "hm so")
    assert [call.id for call in streamed.tool_calls] == ["call_seed_2", "theirs"]
    assert streamed.warnings == WARNED


def test_a_signature_is_the_end_of_what_it_signs() -> None:
    signed: list[Json] = [{"text": text, "thoughtSignature": text} for text in "ab"]
    streamed = whole(fold("gemini", *map(chunk, signed), last({"text": "c"})))
    raw: Any = streamed.raw
    assert raw["candidates"][0]["content"]["parts"] == [*signed, {"text": "c"}]


@pytest.mark.parametrize("parts", [[], [{"text": ""}], [{}]])
def test_an_empty_last_piece_is_no_part_of_the_answer(parts: list[Json]) -> None:
    streamed = whole(fold("gemini", chunk(CALL), last(*parts)))
    assert len(streamed.message.content) == 1
    assert streamed.finish_reason.reason == "tool_calls"


def test_an_id_and_a_model_are_there_even_if_nobody_said_them() -> None:
    bare: Json = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"}]}
    events = fold("gemini", bare)
    begun = events[0].start
    assert begun is not None
    assert (begun.id, begun.model) == (whole(events).id, "gemini-3")


def test_what_is_counted_after_the_end_counts() -> None:
    events = fold("gemini", chunk({"text": "a"}, finishReason="STOP"), {"usageMetadata": USAGE})
    assert whole(events).usage.input_tokens == 9
    assert brief(events) == ["stream_start", "text_start", "text_delta a", "text_end a", "finish"]


def test_an_answer_without_a_reason_to_stop_is_not_whole() -> None:
    told, error = asyncio.run(hear(stream_of("gemini", sse(STREAM[:-1]))))
    assert isinstance(error, StreamError)
    assert error.message == "the stream of gemini ended before its answer did"
    assert told[-1].error is error


def test_a_blocked_prompt_is_an_error_that_no_other_try_mends() -> None:
    with pytest.raises(ContentFilterError, match="blocked the prompt: SAFETY"):
        fold("gemini", {"promptFeedback": {"blockReason": "SAFETY"}})


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (503, "UNAVAILABLE", ServerError),
        (429, "RESOURCE_EXHAUSTED", RateLimitError),
        (504, "DEADLINE_EXCEEDED", RequestTimeoutError),
        (None, None, ServerError),
    ],
)
def test_an_error_of_the_provider_is_the_one_its_code_would_be(
    code: int | None, status: str | None, kind: type[SDKError]
) -> None:
    error: Json = {"error": {"code": code, "status": status, "message": "oops"}}
    with pytest.raises(SDKError, match="oops") as caught:
        fold("gemini", STREAM[0], error)
    assert type(caught.value) is kind


@every_number
async def test_whatever_chunks_come_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    await require_heard(stream_of("gemini", sse(garbage.stream(STREAM, chunk))))


@every_number
async def test_bytes_that_were_spoilt_or_cut_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    content = garbage.spoilt_bytes(sse(STREAM))
    await require_heard(stream_of("gemini", content))
