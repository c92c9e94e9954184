from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import JsonObject
from attractor.twins.server_events import (
    ServerEvent,
    in_letters,
    in_words,
    record_at,
    records_at,
    text_at,
)
from tests.twins.streaming import events_of


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


def test_what_is_not_there_is_empty() -> None:
    record: JsonObject = {"a": "x", "b": {"c": 1}, "d": [{"e": 2}, 3]}
    assert (text_at(record, "a"), text_at(record, "b"), text_at(record, "z")) == ("x", "", "")
    assert (record_at(record, "b"), record_at(record, "a")) == ({"c": 1}, {})
    assert (records_at(record, "d"), records_at(record, "b")) == ([{"e": 2}], [])
