import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import FileError
from attractor.twins.errors import RecordingError
from attractor.twins.exchange.answer import ReplyEnd
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.recordings.json_diff import JsonPath
from attractor.twins.recordings.recording import (
    BodyPiece,
    Recording,
    RecordingFile,
    Recordings,
    RedactedRequest,
    load_recordings,
    parse_recording,
    pieces_of,
    recorded_headers,
    reply_of,
    request_key,
    request_of,
)
from attractor.twins.redaction import ApiKeys
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.server.virtual_clock import VirtualClock
from tests.tables import table
from tests.twins.exchanging import HELLO, KEYS

STREAM = b'event: a\ndata: {"n": 1}\n\ndata: \xc3\xa9\r\n\r\ndata: [DONE]\n\nrest'
NONE = ApiKeys(())


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=6))
def test_stream_is_recorded_by_event_not_by_chunk(cuts: list[int]) -> None:
    ends = [0, *sorted(set(cuts)), len(STREAM)]
    chunks = [(n * 1.0, STREAM[ends[n] : ends[n + 1]]) for n in range(len(ends) - 1)]
    pieces = pieces_of(chunks, is_stream=True, keys=NONE)
    assert b"".join(one.content for one in pieces) == STREAM
    assert len(pieces) == 4
    assert [one.at for one in pieces] == sorted(one.at for one in pieces)


def test_secret_across_two_chunks_is_hidden() -> None:
    chunks = [(0.0, b"my sec"), (1.0, b"ret here")]
    (piece,) = pieces_of(chunks, is_stream=False, keys=ApiKeys(["secret"]))
    assert (piece.text, piece.at) == ("my [hidden] here", 1.0)


@given(st.binary(max_size=40))
def test_recording_round_trips_all_bytes(content: bytes) -> None:
    pieces = tuple(pieces_of([(0.5, content)], is_stream=False, keys=NONE))
    recording = Recording(version=1, wire="w", path="/p", status=200, body=pieces)
    again = parse_recording(recording.to_json(), place="here")
    assert again == recording
    assert b"".join(one.content for one in again.body) == content


def test_text_is_recorded_readable() -> None:
    recording = Recording(
        version=1, wire="w", path="/p", status=200, body=(BodyPiece(at=0, text="größe"),)
    )
    assert '"text": "größe"' in recording.to_json()
    assert "\n" not in recording.to_json()


GOOD: dict[str, Any] = {"version": 1, "wire": "w", "path": "/", "status": 200}


def test_invalid_recordings_are_reported_with_their_place() -> None:
    for record, message in (
        ("{", "invalid JSON"),
        ("5", "is not a recording"),
        (json.dumps(GOOD | {"version": 2}), "version"),
        (json.dumps(GOOD | {"more": 1}), "more"),
        (json.dumps(GOOD | {"status": 1}), "status"),
        (json.dumps(GOOD | {"body": [{"at": 1}]}), "exactly one of text and base64"),
        (json.dumps(GOOD | {"body": [{"at": 1, "base64": "?"}]}), "invalid content"),
    ):
        with pytest.raises(RecordingError, match=r"x\.jsonl:3.*") as caught:
            parse_recording(record, place="x.jsonl:3")
        assert message in str(caught.value)


def test_request_key_ignores_json_formatting() -> None:
    one, other = request_of(b'{"a": 1, "b": [2]}'), request_of(b'{"b":[2],"a":1}')
    assert request_key("w", "POST", "/", one) == request_key("w", "POST", "/", other)
    assert request_key("w", "POST", "/", one) != request_key("v", "POST", "/", one)
    assert (request_of(b""), request_of(b"{\xff")) == (None, "{\ufffd")
    deep = b"[" * 150 + b"]" * 150
    assert request_key("w", "POST", "/", request_of(deep))


def test_recorded_headers_exclude_account_headers() -> None:
    came = {
        "Content-Type": "a",
        "Retry-After": "1",
        "x-ratelimit-remaining-requests": "2",
        "set-cookie": "s",
        "openai-organization": "o",
        "content-length": "5",
    }
    kept = {"content-type": "a", "retry-after": "1", "x-ratelimit-remaining-requests": "2"}
    assert recorded_headers(came) == kept


EVENTS = {"content-type": "text/event-stream"}


def recording(text: str = "", **more: Any) -> Recording:
    said = {"wire": "openai", "path": "/p", "status": 200, "request": {"a": 1}} | more
    return Recording.model_validate({"version": 1, "body": [{"at": 0.5, "text": text}]} | said)


def redacted(request: Any = None, wire: str = "openai", path: str = "/p") -> RedactedRequest:
    return RedactedRequest(wire, "POST", path, {"a": 1} if request is None else request)


def test_repeated_request_replays_in_order_then_the_last() -> None:
    recordings = Recordings({"1": recording("a"), "2": recording("b")})
    assert len(recordings) == 2
    given = [recordings.answer(redacted()) for _ in range(4)]
    assert [one and one.body for one in given] == [b"a", b"b", b"b", b"b"]
    assert [one and one.rule for one in given] == ["1", "2", "2", "2"]
    recordings.reset()
    again = recordings.answer(redacted())
    assert again is not None
    assert again.body == b"a"


def test_only_the_same_request_is_answered() -> None:
    recordings = Recordings({"1": recording("a")})
    others = [redacted({"a": 2}), redacted(wire="gemini"), redacted(path="/q")]
    assert [recordings.answer(one) for one in others] == [None, None, None]


def test_nearest_recording_is_named_with_the_first_difference() -> None:
    recordings = Recordings(
        {
            "far": recording(request={"a": 5, "b": 6, "c": [7]}),
            "near": recording(request={"a": 1, "c": [8]}),
            "elsewhere": recording(path="/q", request={"a": 1, "c": [7]}),
        }
    )
    found = recordings.refusal(redacted({"a": 1, "c": [7]}))
    assert found == "no recording of this request; the nearest is near, but c[0] is 7, not 8"
    found = recordings.refusal(redacted({"a": 1}, path="/r"))
    assert "the request is POST /r, not POST /p" in found
    assert Recordings({}).refusal(redacted()) == "no recording of this request"


def test_nearest_recording_has_the_fewest_different_letters() -> None:
    turns = [f"turn {number} " + "a long story " * 20 for number in range(4)]
    recordings = Recordings(
        {
            "text": recording(request={"input": turns[0]}),
            "early": recording(request={"input": turns[:1]}),
            "same": recording(request={"input": [*turns[:3], "at 12:30"], "b": 1, "c": 2}),
            "late": recording(request={"input": turns}),
        }
    )
    message = recordings.refusal(redacted({"input": [*turns[:3], "at 12:45"], "b": 2, "c": 1}))
    assert "the nearest is same, but input[3] is 'at 12:45', not 'at 12:30'" in message


TALKS: dict[str, Any] = {
    "openai": {
        "metadata": {"run": "#"},
        "client_metadata": {"turn": "#"},
        "prompt_cache_key": "#",
        "safety_identifier": "#",
        "user": "#",
        "input": [
            {"role": "user", "content": "hello", "id": "msg #"},
            {"type": "function_call", "id": "fc #1", "call_id": "#1"},
            {"type": "function_call", "id": "fc #2", "call_id": "#2"},
            {"type": "function_call_output", "id": "out #", "call_id": "#1"},
            {"type": "function_call_output", "call_id": "#2"},
        ],
    },
    "openai_chat": {
        "metadata": {"run": "#"},
        "user": "#",
        "messages": [
            {"role": "assistant", "tool_calls": [{"id": "#1"}, {"id": "#2"}]},
            {"role": "tool", "tool_call_id": "#1"},
            {"role": "tool", "tool_call_id": "#2"},
        ],
    },
    "anthropic": {
        "metadata": {"user_id": "#"},
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [{"id": "#1"}, {"id": "#2", "input": {"id": 5}}]},
            {"role": "user", "content": [{"tool_use_id": "#1"}, {"tool_use_id": "#2"}]},
        ],
    },
    "gemini": {
        "contents": [
            {"parts": [{"functionCall": {"id": "#1"}}, {"function_call": {"id": "#2"}}]},
            {"parts": [{"functionResponse": {"id": "#1"}}, {"function_response": {"id": "#2"}}]},
        ],
    },
}


@table("wire", list(TALKS))
def test_replay_ignores_metadata_and_numbers_ids(wire: str) -> None:
    assert set(TALKS) == set(wire_registry())

    def talk(session: str, *changes: tuple[str, str]) -> Any:
        text = json.dumps(TALKS[wire])
        for old, new in (*changes, ("#", session)):
            text = text.replace(old, new)
        return json.loads(text)

    recordings = Recordings({"1": recording("a", wire=wire, request=talk("monday"))})
    assert recordings.answer(redacted(talk("tuesday"), wire))
    # The second result is for the first call.
    last = json.dumps(TALKS[wire]).rindex("#2")
    crossed = json.loads(
        json.dumps(TALKS[wire])[:last] + "#1" + json.dumps(TALKS[wire])[last + 2 :]
    )
    assert recordings.answer(redacted(crossed, wire)) is None
    for changed in (talk("x", ("hello", "bye")), talk("x", ('"id": 5', '"id": 6'))):
        is_same = changed == talk("x")
        assert bool(recordings.answer(redacted(changed, wire))) is is_same
    kept = json.loads(json.dumps(TALKS[wire]))
    assert kept == TALKS[wire]


def test_replay_ignores_more_paths() -> None:
    recorded = {"input": [{"output": "took 3 s", "name": "a"}, "b"], "at": {"time": 1}}
    later = {"input": [{"output": "took 4 s", "name": "a"}, "b"], "at": {"time": 2}}
    paths = [JsonPath("$.input[*].output"), JsonPath("$..time")]
    for ignore, is_found in ((paths, True), (paths[:1], False), ((), False)):
        recordings = Recordings({"1": recording(request=recorded)}, ignore=ignore)
        assert bool(recordings.answer(redacted(later))) is is_found
    recordings = Recordings({"1": recording(request=recorded)}, ignore=paths)
    assert "input[0].name is 'c'" in recordings.refusal(
        redacted({"input": [{"output": "", "name": "c"}, "b"], "at": {"time": 3}})
    )


def test_replay_keeps_status_headers_and_bytes() -> None:
    found = reply_of(
        recording("{}", status=429, headers={"retry-after": "3"}), rule="r", is_paced=False
    )
    assert (found.status, found.body, found.headers["retry-after"]) == (429, b"{}", "3")
    assert found.headers["content-length"] == "2"
    assert (found.delay, found.ending) == (timedelta(), ReplyEnd.COMPLETE)


def test_stream_is_replayed_at_once_or_paced() -> None:
    pieces = (
        BodyPiece(at=1, text="a\n\n"),
        BodyPiece(at=1.5, text="b\n\n"),
        BodyPiece(at=4, text="c\n\n"),
    )
    kept = recording(headers=EVENTS).model_copy(update={"body": pieces})
    at_once, paced = (reply_of(kept, rule="r", is_paced=one) for one in (False, True))
    assert at_once.pieces == paced.pieces == (b"a\n\n", b"b\n\n", b"c\n\n")
    assert [at_once.pause_before(one) for one in range(3)] == [timedelta()] * 3
    assert paced.delay == timedelta(seconds=1)
    assert [paced.pause_before(one).total_seconds() for one in range(3)] == [0, 0.5, 2.5]
    assert "content-length" not in paced.headers


def test_dropped_response_is_replayed_as_dropped() -> None:
    body = reply_of(recording("ab", ended="dropped"), rule="r", is_paced=False)
    assert (body.ending, body.headers["content-length"]) == (ReplyEnd.DROPPED, "3")
    stream = reply_of(
        recording("ab\n\n", ended="dropped", headers=EVENTS), rule="r", is_paced=False
    )
    assert stream.ending is ReplyEnd.DROPPED


def test_replay_pace_uses_the_twin_clock() -> None:
    pieces = tuple(BodyPiece(at=at, text=f"data: {at}\n\n") for at in (1, 1.5, 600))
    request = HELLO["openai"] | {"stream": True}
    kept = recording(headers=EVENTS, path="/v1/responses", request=request)
    kept = kept.model_copy(update={"body": pieces})
    clock = VirtualClock(jumps=True)
    twin = ProviderTwin(recordings=Recordings({"r": kept}, is_paced=True), clock=clock)
    with in_background(twin):
        came = httpx.post(twin.url + "/v1/responses", json=request, headers=KEYS["openai"])
    assert came.text == "data: 1\n\ndata: 1.5\n\ndata: 600\n\n"
    assert clock.monotonic() == 600


def recording_files_recording(path: str = "/a") -> Recording:
    return Recording(version=1, wire="openai", path=path, status=200)


def added(place: Path, *paths: str) -> RecordingFile:
    file = RecordingFile(place)
    for path in paths:
        file.add(recording_files_recording(path))
    return file


def test_recording_file_is_appended_line_by_line(tmp_path: Path) -> None:
    place = tmp_path / "new" / "calls.jsonl"
    added(place, "/a")
    added(place, "/b", "/c")
    assert place.read_text().count("\n") == 3
    found = load_recordings(place)
    names = {"calls.jsonl:1": "/a", "calls.jsonl:2": "/b", "calls.jsonl:3": "/c"}
    assert {name: one.path for name, one in found.items()} == names


def test_recording_folder_has_numbered_files(tmp_path: Path) -> None:
    place = tmp_path / "calls"
    added(place, "/a")
    added(place, "/b")
    found = load_recordings(place)
    assert list(found) == ["0001-openai.json", "0002-openai.json"]
    assert [one.path for one in found.values()] == ["/a", "/b"]
    one = load_recordings(place / "0002-openai.json")
    assert [each.path for each in one.values()] == ["/b"]


@table("torn", [1, 10, 40])
def test_torn_last_line_is_dropped(tmp_path: Path, torn: int) -> None:
    place = tmp_path / "calls.jsonl"
    added(place, "/a", "/b")
    whole = place.read_bytes()
    place.write_bytes(whole + whole[:torn])
    assert len(load_recordings(place)) == 2
    RecordingFile(place)
    place.write_bytes(place.read_bytes()[:-1])
    added(place, "/c")
    assert [one.path for one in load_recordings(place).values()] == ["/a", "/b", "/c"]


def test_file_of_another_format_is_rejected_unchanged(tmp_path: Path) -> None:
    place = tmp_path / "notes.txt"
    for notes in ("My notes.\nMore.", "My notes."):
        place.write_text(notes)
        with pytest.raises(RecordingError, match=r"notes\.txt:1"):
            RecordingFile(place)
        assert place.read_text() == notes


def test_empty_recordings_are_reported(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no recordings in"):
        load_recordings(tmp_path)
    with pytest.raises(FileError, match="cannot read"):
        load_recordings(tmp_path / "nowhere.jsonl")
    with pytest.raises(RecordingError, match="only contain one exchange"):
        RecordingFile(tmp_path / "calls.json")


def test_unwritable_path_fails_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError):
        RecordingFile(tmp_path / "file" / "calls.jsonl")
