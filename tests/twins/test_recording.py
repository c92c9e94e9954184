import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.twins.errors import RecordingError
from attractor.twins.hidden_keys import HiddenKeys
from attractor.twins.recording import (
    Piece,
    Recording,
    headers_that_matter,
    name_of_request,
    parse_recording,
    pieces_of,
    request_of,
)

STREAM = b'event: a\ndata: {"n": 1}\n\ndata: \xc3\xa9\r\n\r\ndata: [DONE]\n\nrest'
NONE = HiddenKeys(())


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=6))
def test_a_stream_is_kept_event_by_event_wherever_the_network_cut_it(cuts: list[int]) -> None:
    ends = [0, *sorted(set(cuts)), len(STREAM)]
    chunks = [(n * 1.0, STREAM[ends[n] : ends[n + 1]]) for n in range(len(ends) - 1)]
    pieces = pieces_of(chunks, is_stream=True, keys=NONE)
    assert b"".join(one.content for one in pieces) == STREAM
    assert len(pieces) == 4
    assert [one.at for one in pieces] == sorted(one.at for one in pieces)


def test_what_is_hidden_may_lie_across_two_chunks() -> None:
    chunks = [(0.0, b"my sec"), (1.0, b"ret here")]
    (piece,) = pieces_of(chunks, is_stream=False, keys=HiddenKeys(["secret"]))
    assert (piece.text, piece.at) == ("my [hidden] here", 1.0)


@given(st.binary(max_size=40))
def test_all_bytes_come_back(content: bytes) -> None:
    pieces = tuple(pieces_of([(0.5, content)], is_stream=False, keys=NONE))
    recording = Recording(version=1, wire="w", path="/p", status=200, body=pieces)
    again = parse_recording(recording.written(), place="here")
    assert again == recording
    assert b"".join(one.content for one in again.body) == content


def test_a_text_is_kept_readable_and_other_bytes_are_not_lost() -> None:
    recording = Recording(
        version=1, wire="w", path="/p", status=200, body=(Piece(at=0, text="größe"),)
    )
    assert '"text": "größe"' in recording.written()
    assert "\n" not in recording.written()


GOOD: dict[str, Any] = {"version": 1, "wire": "w", "path": "/", "status": 200}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ("{", "not JSON"),
        ("5", "is no recording"),
        (json.dumps(GOOD | {"version": 2}), "version"),
        (json.dumps(GOOD | {"more": 1}), "more"),
        (json.dumps(GOOD | {"status": 1}), "status"),
        (json.dumps(GOOD | {"body": [{"at": 1}]}), "either `text` or `base64`"),
        (json.dumps(GOOD | {"body": [{"at": 1, "base64": "?"}]}), "no bytes"),
    ],
)
def test_what_is_no_recording_is_told_with_its_place(record: str, told: str) -> None:
    with pytest.raises(RecordingError, match=r"x\.jsonl:3.*") as caught:
        parse_recording(record, place="x.jsonl:3")
    assert told in str(caught.value)


def test_requests_are_the_same_however_their_json_is_written() -> None:
    one, other = request_of(b'{"a": 1, "b": [2]}'), request_of(b'{"b":[2],"a":1}')
    assert name_of_request("w", "POST", "/", one) == name_of_request("w", "POST", "/", other)
    assert name_of_request("w", "POST", "/", one) != name_of_request("v", "POST", "/", one)
    assert (request_of(b""), request_of(b"{\xff")) == (None, "{\ufffd")
    deep = b"[" * 150 + b"]" * 150
    assert name_of_request("w", "POST", "/", request_of(deep))


def test_headers_are_kept_that_clients_go_by_and_none_of_an_account() -> None:
    came = {
        "Content-Type": "a",
        "Retry-After": "1",
        "x-ratelimit-remaining-requests": "2",
        "set-cookie": "s",
        "openai-organization": "o",
        "content-length": "5",
    }
    kept = {"content-type": "a", "retry-after": "1", "x-ratelimit-remaining-requests": "2"}
    assert headers_that_matter(came) == kept
