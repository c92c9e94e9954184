"""What the pieces mean in which litellm brings an answer."""

from collections.abc import Sequence
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import SDKError, StreamEvent, StreamEventType
from attractor.llm.providers.chat_stream import ChatStream
from attractor.llm.providers.litellm_stream import LiteLLMStream, end, step
from attractor.llm.streaming import Origin, fields_of
from tests.llm.providers.answers import require_whole
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import whole
from tests.llm.providers.test_chat_stream import STREAM
from tests.llm.providers.test_litellm_response import BLOCKS, GROQ

EMPTY = LiteLLMStream(ChatStream(Origin("groq", {}), GROQ, "seed"))


def folded(chunks: Sequence[Json]) -> Sequence[StreamEvent]:
    state, told = EMPTY, list[StreamEvent]()
    for chunk in chunks:
        state, events = step(state, fields_of(chunk, provider="groq"))
        told += events
    return [*told, *end(state)]


def heard(*deltas: dict[str, Json], reason: str | None = "stop") -> Sequence[StreamEvent]:
    choices: list[Json] = [{"delta": one} for one in deltas]
    last: list[Json] = [{"delta": {}, "finish_reason": reason}] if reason else []
    return folded([{"id": "1", "model": "m", "choices": [one]} for one in [*choices, *last]])


def test_a_stream_puts_thoughts_and_calls_together() -> None:
    events = heard(
        {"reasoning_content": "We", "thinking_blocks": [{"type": "thinking", "thinking": "We"}]},
        {
            "reasoning_content": "ll.",
            "thinking_blocks": [{"type": "thinking", "thinking": "ll.", "signature": "s"}],
        },
        {"thinking_blocks": [BLOCKS[1]]},
        {"content": "So."},
        {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a'}}]},
        {"tool_calls": [{"index": 1, "id": "2", "function": {"name": "g"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '": 1}'}}]},
    )
    whole = events[-1].response
    assert whole is not None
    assert [(one.name, one.arguments) for one in whole.tool_calls] == [("f", {"a": 1}), ("g", {})]
    kept = [part.provider_data.item for part in whole.message.content if part.provider_data]
    assert kept == BLOCKS
    ended = [one.text for one in events if one.type == StreamEventType.REASONING_END]
    assert ended == ["Well."]
    assert whole.finish_reason.reason == "tool_calls"


def test_a_stream_without_a_reason_has_no_end() -> None:
    assert [one.type for one in heard({"content": "So."}, reason=None)][-1] == "text_delta"
    assert end(EMPTY) == ()


@pytest.mark.parametrize(
    "odd", [{"content": 1}, {"tool_calls": 1}, {"tool_calls": [{"index": -1}]}]
)
def test_an_odd_piece_is_an_error_of_ours(odd: dict[str, Any]) -> None:
    with pytest.raises(SDKError):
        heard(odd)


def thinking(*blocks: Json) -> Json:
    return {"id": "1", "model": "m", "choices": [{"delta": {"thinking_blocks": list(blocks)}}]}


THOUGHTS = [thinking({"type": "thinking", "thinking": "We"}), thinking(*BLOCKS)]


def odd_thoughts(value: Json, body: dict[str, Json]) -> Json:
    return thinking({"type": "thinking", **body}, value)


@every_number
def test_whatever_pieces_come_are_read_or_an_error_of_ours(garbage: Garbage) -> None:
    chunks = garbage.stream([*THOUGHTS, *STREAM], odd_thoughts)
    try:
        require_whole(whole(folded(chunks)))
    except SDKError:
        return
