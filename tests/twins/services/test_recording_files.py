from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.recording_files import ExchangeFile
from attractor.twins.services.recordings import (
    Exchange,
    RecordedRequest,
    RecordedResponse,
    load_recording,
)


def added(place: Path, *paths: str) -> None:
    file = ExchangeFile(place)
    for path in paths:
        request = RecordedRequest(method="GET", path=path)
        file.add(Exchange(request=request, response=RecordedResponse(status=200)))


def paths(place: Path) -> list[str]:
    return [one.request.path for one in load_recording(place)]


def test_a_file_goes_on_where_it_ended(tmp_path: Path) -> None:
    place = tmp_path / "new" / "r.jsonl"
    added(place, "/a")
    added(place, "/b", "/c")
    assert paths(place) == ["/a", "/b", "/c"]


@pytest.mark.parametrize("torn", [1, 12, 40])
def test_what_a_death_left_of_the_last_line_goes_alone(tmp_path: Path, torn: int) -> None:
    place = tmp_path / "r.jsonl"
    added(place, "/a")
    whole = place.read_bytes()
    place.write_bytes(whole + whole[:torn])
    added(place, "/b")
    assert paths(place) == ["/a", "/b"]


def test_a_last_line_without_its_end_is_not_lost(tmp_path: Path) -> None:
    place = tmp_path / "r.jsonl"
    added(place, "/a")
    place.write_bytes(place.read_bytes().rstrip(b"\n"))
    added(place, "/b")
    assert paths(place) == ["/a", "/b"]


@pytest.mark.parametrize("text", ["My notes.\nMore.", "My notes.", "{}", '{"version": 1}\n'])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    place = tmp_path / "notes.jsonl"
    place.write_text(text)
    with pytest.raises(RecordingError, match=r"notes\.jsonl:1"):
        ExchangeFile(place)
    assert place.read_text() == text


def test_a_place_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no name of a file of recordings") as caught:
        ExchangeFile(tmp_path / "recordings")
    assert ".jsonl" in caught.value.hint
    (tmp_path / "file").write_text("")
    with pytest.raises(FileTrouble):
        ExchangeFile(tmp_path / "file" / "r.jsonl")
