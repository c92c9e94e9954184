import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import JsonObject
from attractor.twins.exchange.conversation import (
    Conversation,
    Speaker,
    Turn,
    count_tokens,
    join_turns,
)
from attractor.twins.exchange.reply import streamed, whole
from attractor.twins.exchange.wire import (
    ServerEvent,
    in_letters,
    in_words,
    nearest_wire,
    record_at,
    records_at,
    text_at,
    wire_registry,
)
from tests.twins.exchanging import KEYS, PATHS
from tests.twins.streaming import events_of

speakers = st.sampled_from(Speaker)
turns = st.lists(st.builds(Turn, speakers, st.text(max_size=5)))

TALK = Conversation(
    "openai",
    "gpt-5",
    "Be brief.",
    [
        Turn(Speaker.USER, "look"),
        Turn(Speaker.ASSISTANT, "shell()"),
        Turn(Speaker.TOOL, "old"),
        Turn(Speaker.ASSISTANT, "shell()"),
        Turn(Speaker.TOOL, "new"),
        Turn(Speaker.USER, "hurry"),
    ],
)


def test_a_script_sees_scene_step_and_newest_results() -> None:
    assert (TALK.first_user, TALK.last_user, TALK.step) == ("look", "hurry", 2)
    assert TALK.tool_result == "new"
    assert TALK.words.splitlines()[:2] == ["Be brief.", "look"]


def test_older_tool_results_are_ignored() -> None:
    later = Conversation("openai", "gpt-5", turns=[*TALK.turns, Turn(Speaker.ASSISTANT, "done")])
    assert (later.tool_result, later.step) == ("", 3)


def test_an_empty_conversation_has_nothing_to_see() -> None:
    empty = Conversation("openai", "gpt-5")
    assert (empty.first_user, empty.last_user, empty.tool_result) == ("", "", "")
    assert (empty.step, empty.tokens) == (0, 0)


def test_consecutive_messages_are_one_turn() -> None:
    said = [
        Turn(Speaker.ASSISTANT, "a"),
        Turn(Speaker.ASSISTANT, ""),
        Turn(Speaker.ASSISTANT, "b"),
        Turn(Speaker.TOOL, "c"),
    ]
    assert join_turns(said) == [Turn(Speaker.ASSISTANT, "a\nb"), Turn(Speaker.TOOL, "c")]


@given(turns, st.integers(0, 9))
def test_joining_turns_is_associative(said: list[Turn], cut: int) -> None:
    joined = join_turns(said)
    assert join_turns([*join_turns(said[:cut]), *said[cut:]]) == joined
    assert all(one.speaker != other.speaker for one, other in zip(joined, joined[1:], strict=False))


def test_four_letters_are_about_a_token() -> None:
    assert [count_tokens("x" * length) for length in (0, 1, 4, 5)] == [0, 1, 1, 2]


WIRES = list(wire_registry().values())


@pytest.mark.parametrize("wire", list(PATHS))
def test_path_decides_before_headers(wire: str) -> None:
    for headers in KEYS.values():
        assert nearest_wire(WIRES, PATHS[wire], headers).name == wire
        assert nearest_wire(WIRES, f"{PATHS[wire]}/more", headers).name == wire


@pytest.mark.parametrize("path", ["/", "", "/v1", "/v1/files", "/v2/messages", "/v1/models/m/x"])
def test_headers_decide_for_unknown_paths(path: str) -> None:
    found = {wire: nearest_wire(WIRES, path, headers).name for wire, headers in KEYS.items()}
    # Both wires of one provider have the same key, and the same errors.
    assert found == {**{wire: wire for wire in KEYS}, "openai_chat": "openai"}
    assert nearest_wire(WIRES, path, {}).name == "openai"


def test_a_body_has_its_length_and_a_stream_has_none() -> None:
    body = whole(429, "é".encode(), {"X-Left": "0", "Content-Length": "7"}, rule="r")
    assert body.headers == {
        "content-type": "application/json",
        "x-left": "0",
        "content-length": "2",
    }
    assert (body.status, body.rule, body.body) == (429, "r", "é".encode())
    stream = streamed([b"a", b"b"], {"X-Left": "0"})
    assert stream.headers == {"content-type": "text/event-stream", "x-left": "0"}
    assert (stream.status, stream.body) == (200, b"ab")


@given(st.text())
def test_pieces_of_a_text_are_the_text(text: str) -> None:
    assert "".join(in_words(text)) == text
    assert "".join(in_letters(text)) == text
    assert all([*in_words(text), *in_letters(text)])


def test_pieces_are_a_few_words_or_letters() -> None:
    assert in_words(" a b  c d\ne\tf\n\n g ") == [" a b  c ", "d\ne\tf\n\n ", "g "]
    assert in_words(" \n") == [" \n"]
    assert in_letters("0123456789abcdef") == ["0123456789ab", "cdef"]
    assert len(in_words("word " * 100_000)) == 33_334
    assert in_words("x" * 1_000_000 + " " * 1_000_000)


def test_an_event_is_its_name_its_data_and_an_empty_line() -> None:
    event = ServerEvent({"a": "é\n"}, "b")
    assert event.encoded() == 'event: b\ndata: {"a":"é\\n"}\n\n'.encode()
    assert ServerEvent({}, line_end="\r\n").encoded() == b"data: {}\r\n\r\n"


def test_a_text_in_the_place_of_the_data_stays_one_event() -> None:
    (event,) = events_of(ServerEvent({}, "b").encoded("one\n\nevent: c\r\n{"))
    assert (event.event, event.data) == ("b", "one\n\nevent: c\n{")


def test_an_event_may_be_a_word_that_is_no_json() -> None:
    done = ServerEvent({}, text="[DONE]")
    assert (done.encoded(), done.encoded("{")) == (b"data: [DONE]\n\n", b"data: {\n\n")


def test_missing_fields_are_empty() -> None:
    record: JsonObject = {"a": "x", "b": {"c": 1}, "d": [{"e": 2}, 3]}
    assert (text_at(record, "a"), text_at(record, "b"), text_at(record, "z")) == ("x", "", "")
    assert (record_at(record, "b"), record_at(record, "a")) == ({"c": 1}, {})
    assert (records_at(record, "d"), records_at(record, "b")) == ([{"e": 2}], [])
