import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    ContentKind,
    ImageData,
    InvalidRequestError,
    RateLimitError,
    SDKError,
    ServerError,
    StreamError,
    StreamEventType,
    ThinkingData,
)
from tests.llm.providers.answers import read_openai
from tests.llm.providers.streams import WARNED, brief, fold, whole
from tests.tables import table

MESSAGE: Json = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
CALL: Json = {"type": "function_call", "id": "fc", "call_id": "c", "name": "n", "arguments": "{"}


def body(*output: Json, **more: Json) -> JsonObject:
    return {"id": "r", "model": "m", "status": "completed", "output": list(output), **more}


def test_text_reasoning_and_calls_are_read_in_order() -> None:
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


def test_message_metadata_is_kept_with_its_text() -> None:
    assert isinstance(MESSAGE, dict)
    phased, plain = read_openai(body({**MESSAGE, "phase": "commentary"}, MESSAGE)).message.content
    assert phased.provider_data
    assert phased.provider_data.item == {"phase": "commentary"}
    assert (phased.text, plain.provider_data) == ("hi", None)


def test_generated_image_is_kept_unchanged() -> None:
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


def test_refusal_is_read_as_text() -> None:
    refusal: Json = {"type": "message", "content": [{"type": "refusal", "refusal": "I won't."}]}
    assert read_openai(body(refusal)).text == "I won't."


@table(
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
def test_finish_reason_is_translated(more: dict[str, Json], reason: str, raw: str | None) -> None:
    found = read_openai(body(MESSAGE, **more)).finish_reason
    assert (found.reason, found.raw) == (reason, raw)


def test_a_failure_with_a_good_status_is_raised() -> None:
    failed: Json = {"code": "rate_limit_exceeded", "message": "slow"}
    with pytest.raises(RateLimitError, match="slow"):
        read_openai(body(status="failed", error=failed))
    with pytest.raises(ServerError, match="oops"):
        read_openai(body(status="failed", error={"code": "server_error", "message": "oops"}))
    with pytest.raises(SDKError, match="no reason given"):
        read_openai(body(status="failed"))


REASONING: Json = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    "encrypted_content": "xyz",
}
OPENAI_STREAM_MESSAGE: Json = {
    "type": "message",
    "id": "msg",
    "content": [{"type": "output_text", "text": "größe"}],
}
OPENAI_STREAM_CALL: Json = {
    "type": "function_call",
    "id": "fc",
    "call_id": "c",
    "name": "n",
    "arguments": '{"a":1}',
}
SEARCH: Json = {"type": "web_search_call", "id": "ws"}
USAGE: Json = {"input_tokens": 3, "output_tokens": 4}
BODY: dict[str, Json] = {
    "id": "r",
    "model": "m",
    "status": "completed",
    "output": [REASONING, OPENAI_STREAM_MESSAGE, OPENAI_STREAM_CALL, SEARCH],
    "usage": USAGE,
}


def item(what: str, index: int, one: Json) -> Json:
    return {"type": f"response.output_item.{what}", "output_index": index, "item": one}


def delta(kind: str, index: int, text: str, **more: Json) -> Json:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **more}


CREATED: Json = {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}}
COMPLETED: Json = {"type": "response.completed", "response": BODY}
PART: Json = {"type": "response.reasoning_summary_part.added", "output_index": 0}
STREAM: list[Json] = [
    CREATED,
    item("added", 0, {"type": "reasoning", "id": "rs", "summary": []}),
    {**PART, "summary_index": 0},
    delta("reasoning_summary_text", 0, "a"),
    {**PART, "summary_index": 1},
    delta("reasoning_summary_text", 0, "b"),
    item("done", 0, REASONING),
    item("added", 1, {"type": "message", "id": "msg", "content": []}),
    delta("output_text", 1, "grö", content_index=0),
    delta("output_text", 1, "ße", content_index=0),
    item("done", 1, OPENAI_STREAM_MESSAGE),
    item("added", 2, {"type": "function_call", "id": "fc", "call_id": "c", "name": "n"}),
    delta("function_call_arguments", 2, '{"a"'),
    delta("function_call_arguments", 2, ":1}"),
    item("done", 2, OPENAI_STREAM_CALL),
    item("done", 3, SEARCH),
    COMPLETED,
]


def test_each_piece_becomes_an_event() -> None:
    events = fold("openai", *STREAM)
    assert brief(events) == [
        "stream_start",
        "reasoning_start",
        "reasoning_delta a",
        "reasoning_delta \n\n",
        "reasoning_delta b",
        "reasoning_end a\n\nb",
        "text_start",
        "text_delta grö",
        "text_delta ße",
        "text_end größe",
        "tool_call_start c n {}",
        'tool_call_delta c n {"a"',
        "tool_call_delta c n :1}",
        'tool_call_end c n {"a":1}',
        "provider_event",
        "finish",
    ]
    assert {one.text_id for one in events if "text_" in one.type} == {"text_1_0"}
    start = events[0].start
    assert start is not None
    assert (start.id, start.model, start.provider, start.warnings) == ("r", "m", "openai", WARNED)
    assert start.rate_limit is not None
    ended = next(one for one in events if one.type == StreamEventType.TOOL_CALL_END)
    assert ended.tool_call is not None
    assert ended.tool_call.arguments == {"a": 1}


def test_item_without_pieces_is_reported_at_once() -> None:
    done = [
        item("done", 0, REASONING),
        item("done", 1, OPENAI_STREAM_MESSAGE),
        item("done", 2, OPENAI_STREAM_CALL),
    ]
    assert brief(fold("openai", CREATED, *done, COMPLETED))[1:-1] == [
        "reasoning_start",
        "reasoning_delta a\n\nb",
        "reasoning_end a\n\nb",
        "text_start",
        "text_delta größe",
        "text_end größe",
        "tool_call_start c n {}",
        'tool_call_end c n {"a":1}',
    ]


def test_items_missing_from_the_final_response_are_kept() -> None:
    bare: Json = {"type": "response.completed", "response": {**BODY, "output": []}}
    done = [item("done", 1, OPENAI_STREAM_MESSAGE), item("done", 0, REASONING)]
    streamed = whole(fold("openai", CREATED, *done, bare))
    assert (
        streamed.message
        == read_openai({**BODY, "output": [REASONING, OPENAI_STREAM_MESSAGE]}).message
    )


def test_refusal_is_streamed_as_text() -> None:
    events = fold("openai", delta("refusal", 0, "no", content_index=0))
    assert brief(events) == ["text_start", "text_delta no"]


def test_incomplete_answer_has_a_reason() -> None:
    body: Json = {**BODY, "incomplete_details": {"reason": "max_output_tokens"}}
    streamed = whole(fold("openai", {"type": "response.incomplete", "response": body}))
    assert (streamed.finish_reason.reason, streamed.text) == ("length", "größe")


@table(
    ("event", "kind"),
    [
        ({"type": "error", "code": "server_error", "message": "oops"}, ServerError),
        ({"type": "error", "code": None, "message": "oops"}, ServerError),
        ({"type": "error", "code": "invalid_prompt", "message": "oops"}, InvalidRequestError),
        (
            {
                "type": "error",
                "error": {
                    "type": "service_unavailable_error",
                    "code": "server_is_overloaded",
                    "message": "oops",
                },
            },
            ServerError,
        ),
        (
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "code": "unknown_parameter",
                    "message": "oops",
                },
            },
            InvalidRequestError,
        ),
        (
            {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "oops"}},
            RateLimitError,
        ),
        (
            {
                "type": "response.failed",
                "response": {"id": "r", "error": {"code": "server_error", "message": "oops"}},
            },
            ServerError,
        ),
    ],
)
def test_error_within_a_response_equals_an_error_status(event: Json, kind: type[SDKError]) -> None:
    with pytest.raises(SDKError, match="oops") as caught:
        fold("openai", CREATED, event)
    assert type(caught.value) is kind


def test_arguments_without_a_call_are_malformed() -> None:
    with pytest.raises(StreamError, match=r"an event.output_index is not the index of a call"):
        fold("openai", delta("function_call_arguments", 7, "{}"))
