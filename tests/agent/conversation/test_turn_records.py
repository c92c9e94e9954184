import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from attractor.agent.conversation.turn_records import turn_from_record, turn_to_record
from attractor.agent.conversation.turns import (
    AssistantTurn,
    SteeringTurn,
    SummaryTurn,
    SystemTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    convert_history_to_messages,
)
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    ImageData,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData as Call,
)
from attractor.llm.request import ToolResult
from attractor.llm.response import FinishReason, Response, Usage
from tests.tables import table

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
words = st.text().filter(lambda text: "***" not in text)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | words, lambda inner: st.lists(inner, max_size=3)
)
objects = st.dictionaries(words, values, max_size=3)


def answer(*parts: ContentPart) -> AssistantTurn:
    message = Message(Role.ASSISTANT, parts)
    response = Response("r1", "", "", message, FinishReason("stop"), Usage(3, 4))
    return AssistantTurn.from_response(response, NOW)


@st.composite
def parts(draw: st.DrawFn) -> ContentPart:
    own = ProviderData(draw(words), draw(objects), draw(st.none() | words))
    thought = ThinkingData(draw(words), draw(st.none() | words), draw(st.booleans()))
    made = Call(draw(words), draw(words), draw(objects | words))
    return draw(
        st.sampled_from(
            [
                ContentPart(ContentKind.TEXT, text=draw(words)),
                ContentPart(ContentKind.TEXT, text=draw(words), provider_data=own),
                ContentPart(ContentKind.TOOL_CALL, tool_call=made),
                ContentPart(ContentKind.THINKING, thinking=thought),
                ContentPart("reasoning", provider_data=own),
            ]
        )
    )


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    results = st.builds(ToolResult, words, words | objects | st.lists(values), st.booleans())
    return draw(
        st.sampled_from(
            [
                UserTurn(draw(words), NOW),
                SteeringTurn(draw(words), NOW),
                SystemTurn(draw(words), NOW),
                SummaryTurn(draw(words), draw(st.integers(0, 9)), NOW),
                answer(*draw(st.lists(parts(), max_size=4))),
                ToolResultsTurn(tuple(draw(st.lists(results, max_size=3))), NOW),
            ]
        )
    )


def through_record(turn: Turn) -> Turn:
    record: Json = json.loads(json.dumps(turn_to_record(turn)))
    assert isinstance(record, dict)
    return turn_from_record(record)


@given(turns())
def test_turn_is_the_same_after_a_round_trip(turn: Turn) -> None:
    assert type(through_record(turn)) is type(turn)
    assert turn_to_record(through_record(turn)) == turn_to_record(turn)
    assert convert_history_to_messages([through_record(turn)]) == convert_history_to_messages(
        [turn]
    )


def test_image_of_an_answer_is_omitted() -> None:
    read = through_record(answer(ContentPart(ContentKind.IMAGE, image=ImageData(data=b"\x00"))))
    assert isinstance(read, AssistantTurn)
    assert read.content == "[image omitted]"


def test_image_of_a_tool_result_is_omitted() -> None:
    result = ToolResult("1", "a.png", image_data=b"\x00", image_media_type="image/png")
    read = through_record(ToolResultsTurn((result,), NOW))
    assert read == ToolResultsTurn((ToolResult("1", "a.png\n[image omitted]"),), NOW)


@table(
    "record",
    [
        {"turn": "shout", "timestamp": NOW.isoformat(), "content": "x"},
        {"turn": "user", "timestamp": "yesterday", "content": "x"},
        {"turn": "user", "timestamp": NOW.isoformat(), "content": 1},
        {**turn_to_record(answer()), "message": {"role": "assistant", "content": [{"kind": 1}]}},
        {**turn_to_record(ToolResultsTurn((), NOW)), "results": [{"content": "x"}]},
    ],
)
def test_invalid_records_are_refused(record: dict[str, Json]) -> None:
    with pytest.raises(UsageError):
        turn_from_record(record)
