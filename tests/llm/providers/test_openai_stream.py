import pytest

from attractor.base.json import Json
from attractor.llm import (
    InvalidRequestError,
    RateLimitError,
    SDKError,
    ServerError,
    StreamError,
    StreamEventType,
)
from tests.llm.providers.answers import read_openai
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import WARNED, brief, fold, require_heard, sse, stream_of, whole

REASONING: Json = {
    "type": "reasoning",
    "id": "rs",
    "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    "encrypted_content": "xyz",
}
MESSAGE: Json = {
    "type": "message",
    "id": "msg",
    "content": [{"type": "output_text", "text": "größe"}],
}
CALL: Json = {
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
    "output": [REASONING, MESSAGE, CALL, SEARCH],
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
    item("done", 1, MESSAGE),
    item("added", 2, {"type": "function_call", "id": "fc", "call_id": "c", "name": "n"}),
    delta("function_call_arguments", 2, '{"a"'),
    delta("function_call_arguments", 2, ":1}"),
    item("done", 2, CALL),
    item("done", 3, SEARCH),
    COMPLETED,
]


def test_every_piece_is_told_as_it_comes() -> None:
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


def test_the_answer_at_the_end_is_the_one_that_is_read_whole() -> None:
    events = fold("openai", *STREAM)
    streamed, read = whole(events), read_openai(BODY)
    assert (streamed.message, streamed.usage, streamed.raw) == (read.message, read.usage, read.raw)
    assert (streamed.id, streamed.finish_reason) == (read.id, read.finish_reason)
    assert (events[-1].usage, events[-1].finish_reason) == (read.usage, read.finish_reason)
    assert streamed.warnings == WARNED
    assert streamed.rate_limit is not None


def test_what_was_told_in_no_pieces_is_told_at_once() -> None:
    done = [item("done", 0, REASONING), item("done", 1, MESSAGE), item("done", 2, CALL)]
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


def test_what_is_not_repeated_at_the_end_is_not_lost() -> None:
    bare: Json = {"type": "response.completed", "response": {**BODY, "output": []}}
    done = [item("done", 1, MESSAGE), item("done", 0, REASONING)]
    streamed = whole(fold("openai", CREATED, *done, bare))
    assert streamed.message == read_openai({**BODY, "output": [REASONING, MESSAGE]}).message


def test_a_refusal_is_told_as_text() -> None:
    events = fold("openai", delta("refusal", 0, "no", content_index=0))
    assert brief(events) == ["text_start", "text_delta no"]


def test_an_answer_that_broke_off_says_why() -> None:
    body: Json = {**BODY, "incomplete_details": {"reason": "max_output_tokens"}}
    streamed = whole(fold("openai", {"type": "response.incomplete", "response": body}))
    assert (streamed.finish_reason.reason, streamed.text) == ("length", "größe")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "error", "code": "server_error", "message": "oops"}, ServerError),
        ({"type": "error", "code": None, "message": "oops"}, InvalidRequestError),
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
def test_an_error_of_the_provider_is_the_one_it_would_be_at_once(
    event: Json, kind: type[SDKError]
) -> None:
    with pytest.raises(SDKError, match="oops") as caught:
        fold("openai", CREATED, event)
    assert type(caught.value) is kind


def test_arguments_of_no_call_are_what_nobody_can_read() -> None:
    with pytest.raises(StreamError, match=r"an event.output_index is not that of a call"):
        fold("openai", delta("function_call_arguments", 7, "{}"))


@every_number
async def test_whatever_events_come_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    await require_heard(stream_of("openai", sse(garbage.stream(STREAM))))


@every_number
async def test_bytes_that_were_spoilt_or_cut_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    content = garbage.spoilt_bytes(sse(STREAM))
    await require_heard(stream_of("openai", content))
