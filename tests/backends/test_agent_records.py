import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from attractor.agent.turns import (
    AssistantTurn,
    SteeringTurn,
    SystemTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    convert_history_to_messages,
)
from attractor.backends.agent_records import turn_from_record, turn_to_record
from attractor.base.json import Json
from attractor.engine.errors import RecordBroken
from attractor.engine.storage.json_files import Fields
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
                answer(*draw(st.lists(parts(), max_size=4))),
                ToolResultsTurn(tuple(draw(st.lists(results, max_size=3))), NOW),
            ]
        )
    )


def again(turn: Turn) -> Turn:
    record: Json = json.loads(json.dumps(turn_to_record(turn)))
    return turn_from_record(Fields(record, "line 1"))


@given(turns())
def test_a_turn_comes_back_as_it_was(turn: Turn) -> None:
    assert type(again(turn)) is type(turn)
    assert turn_to_record(again(turn)) == turn_to_record(turn)
    assert convert_history_to_messages([again(turn)]) == convert_history_to_messages([turn])


@pytest.mark.parametrize(
    "spoilt",
    [
        ContentPart(ContentKind.THINKING, thinking=ThinkingData("the key is ***", "sealed")),
        ContentPart(ContentKind.REDACTED_THINKING, thinking=ThinkingData("a***b", None, True)),
        ContentPart("reasoning", provider_data=ProviderData("openai", {"content": "a***b"})),
    ],
)
def test_what_must_come_back_whole_and_does_not_is_left_out(spoilt: ContentPart) -> None:
    text = ContentPart(ContentKind.TEXT, text="It is ***.")
    read = again(answer(spoilt, text))
    assert isinstance(read, AssistantTurn)
    assert read.message.content == (text,)
    assert read.reasoning is None


def test_of_a_picture_only_that_there_was_one_is_kept() -> None:
    read = again(answer(ContentPart(ContentKind.IMAGE, image=ImageData(data=b"\x00"))))
    assert isinstance(read, AssistantTurn)
    assert read.content == "[image omitted]"


@pytest.mark.parametrize(
    "record",
    [
        {"turn": "shout", "time": NOW.isoformat(), "content": "x"},
        {"turn": "user", "time": "yesterday", "content": "x"},
        {"turn": "user", "time": NOW.isoformat(), "content": 1},
        {**turn_to_record(answer()), "parts": [{"kind": "text"}]},
        {**turn_to_record(answer()), "parts": [{"kind": "tool_call", "call": {"id": "1"}}]},
        {
            **turn_to_record(ToolResultsTurn((), NOW)),
            "results": [{"call": "1", "content": 1, "is_error": False}],
        },
    ],
)
def test_what_is_no_turn_is_refused(record: dict[str, Json]) -> None:
    with pytest.raises(RecordBroken):
        turn_from_record(Fields(record, "line 1"))
