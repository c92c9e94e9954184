from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import FileError
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.recordings import (
    ExchangeFile,
    RecordedExchange,
    RecordedRequest,
    RecordedResponse,
    load_recording,
    parse_recording,
    readable_body,
    write_recording,
)
from tests.tables import table

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
HEADERS = st.dictionaries(TEXT, TEXT)
EXCHANGES = st.builds(
    RecordedExchange,
    request=st.builds(
        RecordedRequest,
        method=st.sampled_from(["GET", "POST"]),
        path=st.just("/a?b=1"),
        headers=HEADERS,
        body=BODIES,
    ),
    response=st.builds(
        RecordedResponse, status=st.integers(100, 599), headers=HEADERS, body=BODIES
    ),
)


@given(st.lists(EXCHANGES, min_size=1, max_size=3))
def test_recording_round_trips(exchanges: list[RecordedExchange]) -> None:
    assert list(parse_recording(write_recording(exchanges))) == exchanges


@given(
    st.lists(st.integers())
    | st.dictionaries(TEXT, TEXT)
    | TEXT.filter(lambda one: one[:1] not in "[{")
)
def test_recorded_body_is_sent_unchanged(body: object) -> None:
    sent = RecordedRequest.model_validate({"method": "POST", "path": "/", "body": body}).request()
    assert readable_body(sent.content) == (body if body != "" else None)


def test_a_table_is_sent_as_json_or_as_a_form() -> None:
    body = {"a": "1", "b": "x y"}
    as_json = RecordedRequest(method="POST", path="/", body={**body}).request()
    assert (as_json.headers["content-type"], as_json.body) == ("application/json", body)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    as_form = RecordedRequest(method="POST", path="/", headers=form, body={**body}).request()
    assert (as_form.content, as_form.body) == (b"a=1&b=x+y", body)


def test_connection_headers_are_not_replayed() -> None:
    headers = {"Content-Length": "9", "Date": "once", "X-A": "b"}
    response = RecordedResponse(status=200, headers=headers, body="hi").response()
    assert response.headers == {"x-a": "b", "content-type": "text/plain"}


GOOD = '{"request": {"method": "GET", "path": "/a"}, "response": {"status": 200}}'


def test_mistakes_are_reported_with_their_line() -> None:
    for text, message in (
        ("", "r.jsonl contains no request"),
        (f"{GOOD}\n\n{{", "r.jsonl:3: invalid JSON"),
        (GOOD.replace("status", "stauts"), "r.jsonl:1: response.status: Field required"),
        (GOOD.replace('"GET"', '"GET", "boddy": 1'), "unknown key, did you mean 'body'?"),
        (GOOD.replace('"/a"', '"/a", "base64": "?"'), "invalid base64"),
        (GOOD.replace('"/a"', '"/a", "base64": 5'), "base64"),
        (GOOD.replace('"/a"', '"/a", "base64": "YQ==", "body": 1'), "cannot be combined"),
        (GOOD.replace("/a", "a"), "r.jsonl:1: request.path: String should match"),
    ):
        with pytest.raises(RecordingError) as caught:
            parse_recording(text, source="r.jsonl")
        assert message in caught.value.message


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        load_recording(tmp_path / "none")
    (tmp_path / "r").write_bytes(b"\xff")
    with pytest.raises(RecordingError, match="not UTF-8"):
        load_recording(tmp_path / "r")


def added(place: Path, *paths: str) -> None:
    file = ExchangeFile(place)
    for path in paths:
        request = RecordedRequest(method="GET", path=path)
        file.add(RecordedExchange(request=request, response=RecordedResponse(status=200)))


def paths(place: Path) -> list[str]:
    return [one.request.path for one in load_recording(place)]


def test_recording_file_is_appended(tmp_path: Path) -> None:
    place = tmp_path / "new" / "r.jsonl"
    added(place, "/a")
    added(place, "/b", "/c")
    assert paths(place) == ["/a", "/b", "/c"]


@table("torn", [1, 12, 40])
def test_torn_last_line_is_dropped(tmp_path: Path, torn: int) -> None:
    place = tmp_path / "r.jsonl"
    added(place, "/a")
    whole = place.read_bytes()
    place.write_bytes(whole + whole[:torn])
    added(place, "/b")
    assert paths(place) == ["/a", "/b"]


@table("text", ["My notes.\nMore.", "My notes.", "{}", '{"version": 1}\n'])
def test_file_of_another_format_is_rejected_unchanged(tmp_path: Path, text: str) -> None:
    place = tmp_path / "notes.jsonl"
    place.write_text(text)
    with pytest.raises(RecordingError, match=r"notes\.jsonl:1"):
        ExchangeFile(place)
    assert place.read_text() == text


def test_invalid_recording_path_fails_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="not a .jsonl file") as caught:
        ExchangeFile(tmp_path / "recordings")
    assert ".jsonl" in caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError):
        ExchangeFile(tmp_path / "file" / "r.jsonl")
