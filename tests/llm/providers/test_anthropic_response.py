import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    AuthenticationError,
    ContentKind,
    InvalidRequestError,
    RateLimitError,
    SDKError,
    ServerError,
    StreamError,
    StreamEventType,
    ThinkingData,
)
from tests.llm.providers.answers import read_anthropic
from tests.llm.providers.streams import WARNED, brief, fold, whole
from tests.tables import table

TEXT: Json = {"type": "text", "text": "hi"}
THINKING: Json = {"type": "thinking", "thinking": "abcdefghi", "signature": "s", "odd": 1}


def body(*content: Json, **more: Json) -> JsonObject:
    return {"id": "r", "model": "m", "stop_reason": "end_turn", "content": list(content), **more}


def test_text_reasoning_and_calls_are_read_in_order() -> None:
    hidden: Json = {"type": "redacted_thinking", "data": "x"}
    call: Json = {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}
    search: Json = {"type": "server_tool_use", "id": "ws"}
    response = read_anthropic(body(THINKING, hidden, TEXT, call, search))
    assert [part.kind for part in response.message.content] == [
        ContentKind.THINKING,
        ContentKind.REDACTED_THINKING,
        ContentKind.TEXT,
        ContentKind.TOOL_CALL,
        "anthropic.server_tool_use",
    ]
    thought, secret, *_, found = response.message.content
    assert thought.thinking == ThinkingData("abcdefghi", "s")
    assert secret.thinking == ThinkingData("x", redacted=True)
    kept = [one.provider_data for one in (thought, secret, found) if one.provider_data]
    assert [one.item for one in kept] == [THINKING, hidden, search]
    assert {one.provider for one in kept} == {"anthropic"}
    assert response.tool_calls[0].arguments == {"a": 1}
    assert response.reasoning == "abcdefghi"


def test_unknown_fields_of_a_block_are_kept() -> None:
    cited: Json = {"type": "text", "text": "hi", "citations": [{"cited_text": "a"}]}
    bare: Json = {"type": "text", "text": "hi", "citations": None}
    caller: Json = {"type": "direct"}
    call: Json = {"type": "tool_use", "id": "t", "name": "n", "input": {}, "caller": caller}
    said, plain, called = read_anthropic(body(cited, bare, call)).message.content
    assert said.provider_data
    assert said.provider_data.item == cited
    assert plain.provider_data is None
    assert called.provider_data
    assert called.provider_data.item == {"caller": caller}


def test_reasoning_tokens_are_those_of_the_provider() -> None:
    counted: Json = {"output_tokens": 90, "output_tokens_details": {"thinking_tokens": 70}}
    assert read_anthropic(body(THINKING, usage=counted)).usage.reasoning_tokens == 70
    assert read_anthropic(body(THINKING, usage={"output_tokens": 90})).usage.reasoning_tokens == 3


def test_finish_reason_is_translated() -> None:
    for raw, reason in (
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        (None, "stop"),
    ):
        found = read_anthropic(body(TEXT, stop_reason=raw)).finish_reason
        assert (found.reason, found.raw) == (reason, raw)


ANTHROPIC_STREAM_THINKING: Json = {"type": "thinking", "thinking": "hm so", "signature": "sig"}
HIDDEN: Json = {"type": "redacted_thinking", "data": "opaque"}
CITED: Json = {"type": "text", "text": "größe", "citations": [{"cited_text": "g"}]}
CALL: Json = {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}
BARE: Json = {"type": "tool_use", "id": "u", "name": "n", "input": {}}
SEARCH: Json = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
BODY: dict[str, Json] = {
    "id": "r",
    "model": "m",
    "content": [ANTHROPIC_STREAM_THINKING, HIDDEN, CITED, CALL, BARE, SEARCH],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "cache_read_input_tokens": 5, "output_tokens": 7},
}


def start(index: int, **block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **more: Json) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


BEGUN: Json = {
    "type": "message_start",
    "message": {
        **BODY,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 9, "cache_read_input_tokens": 5, "output_tokens": 1},
    },
}
LAST: Json = {
    "type": "message_delta",
    "delta": {"stop_reason": "tool_use", "stop_sequence": None},
    "usage": {"output_tokens": 7, "input_tokens": None},
}
STOP: Json = {"type": "message_stop"}
STREAM: list[Json] = [
    BEGUN,
    {"type": "ping"},
    start(0, type="thinking", thinking="", signature=""),
    delta(0, "thinking_delta", thinking="hm "),
    delta(0, "thinking_delta", thinking="so"),
    delta(0, "signature_delta", signature="sig"),
    stop(0),
    start(1, type="redacted_thinking", data="opaque"),
    stop(1),
    start(2, type="text", text=""),
    delta(2, "text_delta", text="grö"),
    delta(2, "citations_delta", citation={"cited_text": "g"}),
    delta(2, "text_delta", text="ße"),
    stop(2),
    start(3, type="tool_use", id="t", name="n", input={}),
    start(4, type="tool_use", id="u", name="n", input={}),
    delta(3, "input_json_delta", partial_json='{"a"'),
    delta(3, "input_json_delta", partial_json=":1}"),
    stop(3),
    stop(4),
    start(5, type="server_tool_use", id="s", name="web_search", input={}),
    delta(5, "input_json_delta", partial_json='{"query": "q"}'),
    delta(5, "some_delta_of_tomorrow"),
    stop(5),
    LAST,
    STOP,
]


def test_each_piece_becomes_an_event() -> None:
    events = fold("anthropic", *STREAM)
    assert brief(events) == [
        "stream_start",
        "provider_event",
        "reasoning_start",
        "reasoning_delta hm ",
        "reasoning_delta so",
        "reasoning_end hm so",
        "reasoning_start",
        "reasoning_end",
        "text_start",
        "text_delta grö",
        "provider_event",
        "text_delta ße",
        "text_end größe",
        "tool_call_start t n {}",
        "tool_call_start u n {}",
        'tool_call_delta t n {"a"',
        "tool_call_delta t n :1}",
        'tool_call_end t n {"a": 1}',
        "tool_call_end u n {}",
        "provider_event",
        "provider_event",
        "provider_event",
        "provider_event",
        "finish",
    ]
    assert {one.text_id for one in events if "text_" in one.type} == {"text_2"}
    begun = events[0].start
    assert begun is not None
    assert (begun.id, begun.model, begun.provider) == ("r", "m", "anthropic")
    assert begun.warnings == WARNED
    assert begun.rate_limit is not None
    ends = [one for one in events if one.type == StreamEventType.REASONING_END]
    assert [one.raw for one in ends] == [ANTHROPIC_STREAM_THINKING, HIDDEN]


def test_initial_content_of_a_block_is_kept() -> None:
    said = [start(0, type="text", text="a"), delta(0, "text_delta", text="b"), stop(0)]
    thought = [start(1, type="thinking", thinking="c"), stop(1)]
    events = fold("anthropic", BEGUN, *said, *thought, LAST, STOP)
    assert brief(events)[1:-1] == [
        "text_start",
        "text_delta a",
        "text_delta b",
        "text_end ab",
        "reasoning_start",
        "reasoning_delta c",
        "reasoning_end c",
    ]
    assert (whole(events).text, whole(events).reasoning) == ("ab", "c")


@table("written", ['{"a": [1', "[1]", "{'a': 1}"])
def test_invalid_arguments_are_kept_for_the_error_to_the_model(written: str) -> None:
    call = [
        start(0, type="tool_use", id="t", name="n", input={}),
        delta(0, "input_json_delta", partial_json=written),
        stop(0),
    ]
    events = fold("anthropic", BEGUN, *call, LAST, STOP)
    [made] = whole(events).tool_calls
    assert (made.raw_arguments, made.arguments) == (written, {})
    assert made.fault is not None
    ended = next(one for one in events if one.type == StreamEventType.TOOL_CALL_END)
    assert ended.tool_call is not None
    assert ended.tool_call.fault is not None


def test_error_in_a_stream_equals_the_error_of_its_status() -> None:
    for name, kind, retryable in (
        ("overloaded_error", ServerError, True),
        ("api_error", ServerError, True),
        ("rate_limit_error", RateLimitError, True),
        ("invalid_request_error", InvalidRequestError, False),
        ("authentication_error", AuthenticationError, False),
        ("error_of_tomorrow", ServerError, True),
    ):
        error: Json = {"type": "error", "error": {"type": name, "message": "oops"}}
        with pytest.raises(SDKError, match="oops") as caught:
            fold("anthropic", BEGUN, error)
        assert (type(caught.value), caught.value.retryable) == (kind, retryable)


def test_inconsistent_events_are_malformed() -> None:
    for events in (
        [stop(0)],
        [delta(0, "text_delta", text="a")],
        [start(0, type="text", text=""), start(0, type="text", text="")],
        [start(0, type="text", text=""), delta(0, "thinking_delta", thinking="a")],
        [start(0, type="text", text=""), STOP],
    ):
        with pytest.raises(StreamError, match="malformed stream of anthropic"):
            fold("anthropic", BEGUN, *events)


@table("event", [LAST, STOP])
def test_end_before_start_is_malformed(event: Json) -> None:
    with pytest.raises(StreamError, match="is not the start of a message"):
        fold("anthropic", event)
