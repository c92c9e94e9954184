from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.twins.errors import RecordingError
from attractor.twins.recording import Recording
from attractor.twins.recording_files import RecordingFile, load_recordings


def recording(path: str = "/a") -> Recording:
    return Recording(version=1, wire="openai", path=path, status=200)


def added(place: Path, *paths: str) -> RecordingFile:
    file = RecordingFile(place)
    for path in paths:
        file.add(recording(path))
    return file


def test_a_file_has_a_line_for_each_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    place = tmp_path / "new" / "calls.jsonl"
    added(place, "/a")
    added(place, "/b", "/c")
    assert place.read_text().count("\n") == 3
    found = load_recordings(place)
    names = {"calls.jsonl:1": "/a", "calls.jsonl:2": "/b", "calls.jsonl:3": "/c"}
    assert {name: one.path for name, one in found.items()} == names


def test_a_folder_has_a_file_for_each_in_their_order(tmp_path: Path) -> None:
    place = tmp_path / "calls"
    added(place, "/a")
    added(place, "/b")
    found = load_recordings(place)
    assert list(found) == ["0001-openai.json", "0002-openai.json"]
    assert [one.path for one in found.values()] == ["/a", "/b"]
    one = load_recordings(place / "0002-openai.json")
    assert [each.path for each in one.values()] == ["/b"]


@pytest.mark.parametrize("torn", [1, 10, 40])
def test_what_a_death_left_of_the_last_line_is_lost_alone(tmp_path: Path, torn: int) -> None:
    place = tmp_path / "calls.jsonl"
    added(place, "/a", "/b")
    whole = place.read_bytes()
    place.write_bytes(whole + whole[:torn])
    assert len(load_recordings(place)) == 2
    added(place, "/c")
    assert [one.path for one in load_recordings(place).values()] == ["/a", "/b", "/c"]


def test_a_last_line_without_its_end_is_not_lost(tmp_path: Path) -> None:
    place = tmp_path / "calls.jsonl"
    added(place, "/a")
    place.write_bytes(place.read_bytes().rstrip(b"\n"))
    assert len(load_recordings(place)) == 1
    added(place, "/b")
    assert len(load_recordings(place)) == 2


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    place = tmp_path / "notes.txt"
    for notes in ("My notes.\nMore.", "My notes."):
        place.write_text(notes)
        with pytest.raises(RecordingError, match=r"notes\.txt:1"):
            RecordingFile(place)
        assert place.read_text() == notes


def test_what_holds_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no recording in"):
        load_recordings(tmp_path)
    with pytest.raises(FileTrouble, match="cannot be read"):
        load_recordings(tmp_path / "nowhere.jsonl")
    with pytest.raises(RecordingError, match="one exchange alone"):
        RecordingFile(tmp_path / "calls.json")


def test_a_place_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileTrouble):
        RecordingFile(tmp_path / "file" / "calls.jsonl")
