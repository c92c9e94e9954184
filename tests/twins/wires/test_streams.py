"""The stream of every wire has the same content as its response."""

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from attractor.twins.exchange.answer import Answer, ToolUse
from attractor.twins.exchange.wire import WireRequest, wire_registry
from tests.twins.exchanging import HELLO, KEYS
from tests.twins.streaming import put_together

WIRES = dict(wire_registry())
wires = pytest.mark.parametrize("wire", list(WIRES))
ENCRYPTED = {"include": ["reasoning.encrypted_content"]}
said = st.text(max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | said,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(said, inner, max_size=3),
    max_leaves=6,
)
calls = st.builds(ToolUse, name=st.just("shell"), arguments=st.dictionaries(said, values))
answers = st.builds(
    Answer,
    text=said,
    thinking=st.none() | said,
    redacted_thinking=st.none() | said,
    tool_calls=st.lists(calls, max_size=3).map(tuple),
    finish=st.sampled_from([None, "stop", "length", "content_filter"]),
)


def asked(wire: str, more: dict[str, Any]) -> WireRequest:
    body = HELLO[wire] | more
    return WireRequest(WIRES[wire].read(KEYS[wire], body), body, "abc123")


@wires
@given(answer=answers, is_encrypted=st.booleans())
def test_events_put_together_are_the_answer(wire: str, answer: Answer, is_encrypted: bool) -> None:
    more = ENCRYPTED if is_encrypted and wire == "openai" else {}
    written = WIRES[wire].write(answer, asked(wire, more))
    found = list(WIRES[wire].stream(written))
    sent = b"".join(one.encoded() for one in found)
    assert put_together(wire, sent) == json.loads(json.dumps(written))
    assert list(WIRES[wire].stream(written)) == found
    assert len(found) > 1


@wires
def test_texts_and_arguments_are_sent_in_several_pieces(wire: str) -> None:
    call = ToolUse(name="shell", arguments={"command": "cat a/long/path.py"})
    answer = Answer(text="one two three four", thinking="a b c d", tool_calls=(call,))
    sent = b"".join(
        one.encoded() for one in WIRES[wire].stream(WIRES[wire].write(answer, asked(wire, {})))
    )
    pieces = [b'"one two three "', b'"four"', b'"a b c "', b'"d"']
    assert all(piece in sent for piece in pieces)
    # A call is complete in one event of Gemini's, and OpenAI's Responses repeat the complete call.
    assert (b"cat a/long/path.py" in sent) is (wire in ("gemini", "openai"))


@wires
def test_a_stream_of_many_words_is_made_at_once(wire: str) -> None:
    written = WIRES[wire].write(Answer(text="word " * 100_000), asked(wire, {}))
    assert sum(1 for _ in WIRES[wire].stream(written)) > 33_000
