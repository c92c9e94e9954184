import json
from dataclasses import replace

import pytest

from attractor.llm import (
    ConfigurationError,
    ContentKind,
    FinishReason,
    InvalidToolCallError,
    Message,
    NetworkError,
    NoObjectGeneratedError,
    RateLimitError,
    Response,
    SDKError,
    StepResult,
    StreamAccumulator,
    StreamError,
    StreamEvent,
    StreamEventType,
    StreamStart,
    ToolCall,
    ToolResult,
    Usage,
    Warning,
)
from tests.llm.providers.streams import fold, whole
from tests.llm.providers.test_anthropic_response import STREAM as ANTHROPIC_STREAM
from tests.llm.providers.test_openai_response import STREAM as OPENAI_STREAM

NAMES = """
STREAM_START TEXT_START TEXT_DELTA TEXT_END REASONING_START REASONING_DELTA REASONING_END
TOOL_CALL_START TOOL_CALL_DELTA TOOL_CALL_END FINISH ERROR PROVIDER_EVENT
"""


def test_event_types_are_those_of_the_specification() -> None:
    assert [one.name for one in StreamEventType] == NAMES.split()
    assert all(one.value == one.name.lower() for one in StreamEventType)


START = StreamEvent(
    StreamEventType.STREAM_START, start=StreamStart("r", "m", "acme", (Warning("odd"),))
)
WHOLE = Response("r", "m", "acme", Message.assistant("all"), FinishReason("stop"), Usage(1, 2))


def text(kind: StreamEventType, text_id: str, delta: str | None = None) -> StreamEvent:
    return StreamEvent(kind, text_id=text_id, delta=delta)


def call(kind: StreamEventType, name: str, raw: str | None = None, **given: int) -> StreamEvent:
    return StreamEvent(kind, tool_call=ToolCall(name, name, dict(given), raw))


PIECES = [
    StreamEvent(StreamEventType.REASONING_START),
    StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta="h"),
    StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta="m"),
    StreamEvent(StreamEventType.REASONING_END, text="hm"),
    text(StreamEventType.TEXT_START, "0"),
    text(StreamEventType.TEXT_DELTA, "0", "a"),
    text(StreamEventType.TEXT_START, "1"),
    text(StreamEventType.TEXT_DELTA, "1", "c"),
    text(StreamEventType.TEXT_DELTA, "0", "b"),
    text(StreamEventType.TEXT_END, "0"),
    StreamEvent(StreamEventType.PROVIDER_EVENT, raw={"text": "x"}),
    call(StreamEventType.TOOL_CALL_START, "one"),
    call(StreamEventType.TOOL_CALL_START, "two"),
    call(StreamEventType.TOOL_CALL_DELTA, "one", '{"a":'),
    call(StreamEventType.TOOL_CALL_DELTA, "one", "1}"),
    call(StreamEventType.TOOL_CALL_END, "two", b=2),
]


def accumulated(*events: StreamEvent) -> StreamAccumulator:
    accumulator = StreamAccumulator()
    for event in events:
        accumulator.process(event)
    return accumulator


def test_finish_event_contains_the_complete_answer() -> None:
    finish = StreamEvent(StreamEventType.FINISH, response=WHOLE)
    accumulator = accumulated(START, *PIECES, finish)
    assert accumulator.response() is WHOLE
    assert accumulator.partial_response is WHOLE


def test_response_without_a_final_event_is_assembled_in_order() -> None:
    reason, usage = FinishReason("tool_calls"), Usage(3, 4)
    finish = StreamEvent(StreamEventType.FINISH, finish_reason=reason, usage=usage)
    response = accumulated(START, *PIECES, finish).response()
    kinds = [part.kind for part in response.message.content]
    assert kinds == [
        ContentKind.THINKING,
        *[ContentKind.TEXT] * 2,
        *[ContentKind.TOOL_CALL] * 2,
    ]
    assert (response.reasoning, response.text) == ("hm", "abc")
    assert [one.arguments for one in response.tool_calls] == [{"a": 1}, {"b": 2}]
    assert (response.id, response.model, response.provider) == ("r", "m", "acme")
    assert (response.finish_reason, response.usage) == (reason, usage)
    assert response.warnings == (Warning("odd"),)


def test_partial_response_is_available_at_any_time() -> None:
    accumulator = StreamAccumulator()
    assert accumulator.partial_response is None
    seen: list[str] = []
    for event in [START, *PIECES[4:6]]:
        accumulator.process(event)
        assert accumulator.partial_response is not None
        seen.append(accumulator.partial_response.text)
    assert seen == ["", "", "a"]
    half = accumulated(START, *PIECES[11:14]).partial_response
    assert half is not None
    assert half.tool_calls[0].raw_arguments == '{"a":'


def test_second_start_event_resets_the_answer() -> None:
    finish = StreamEvent(StreamEventType.FINISH, response=WHOLE)
    again = accumulated(START, *PIECES, finish, START).partial_response
    assert again is not None
    assert (again.text, list(again.message.content)) == ("", [])


def test_a_stream_that_did_not_finish_has_no_answer() -> None:
    with pytest.raises(StreamError, match="has not ended"):
        accumulated(START, *PIECES).response()
    error = RateLimitError("busy", provider="acme")
    broken = accumulated(START, *PIECES, StreamEvent(StreamEventType.ERROR, error=error))
    with pytest.raises(RateLimitError) as caught:
        broken.response()
    assert caught.value is error
    assert broken.partial_response is not None


def test_every_event_is_read_back_from_its_record() -> None:
    events = fold("openai", *OPENAI_STREAM) + fold("anthropic", *ANTHROPIC_STREAM)
    response = whole(events)
    call = ToolCall("c", "n", {}, "{", InvalidToolCallError("odd", hint="try again"))
    events.append(
        StreamEvent("step_finish", step=StepResult(response, [ToolResult("c", {"a": 1})]))
    )
    for event in events:
        record = json.loads(json.dumps(event.to_dict()))
        again = StreamEvent.from_dict(record)
        assert again.to_dict() == record
        assert replace(again, step=None) == replace(event, step=None)
    [found] = [StreamEvent("tool_call_end", tool_call=call)]
    fault = StreamEvent.from_dict(found.to_dict()).tool_call
    assert fault is not None
    assert str(fault.fault) == "odd (try again)"


def test_an_error_is_read_back_from_its_record() -> None:
    errors: list[SDKError] = [
        RateLimitError("busy", provider="openai", status_code=429, retry_after=2, raw={"a": [1]}),
        NetworkError("cut"),
        NoObjectGeneratedError("none", text="words"),
    ]
    for error in errors:
        record = json.loads(json.dumps(StreamEvent("error", error=error).to_dict()))
        again = StreamEvent.from_dict(record).error
        assert type(again) is type(error)
        assert (str(again), vars(again)) == (str(error), vars(error))
    assert type(SDKError.from_dict({"type": "ErrorOfTomorrow", "message": "a"})) is SDKError
    with pytest.raises(ConfigurationError, match="unknown field 'typ' of StreamEvent"):
        StreamEvent.from_dict({"typ": "error"})
