from pathlib import Path

import pytest

from attractor.growth.errors import InvalidRecording
from attractor.growth.simulation.traffic import read_recording, read_recordings, write_recording
from tests.tables import table

CONDITIONS = '{"clock":"2026-03-02T06:00:00Z","seed":7}'
EXCHANGES = (
    '{"request":{"method":"GET","path":"/data/block"},"response":{"body":[],"status":200}}',
    '{"request":{"body":{"id":"b1"},"method":"POST","path":"/data/block"},"response":{"status":201}}',
    '{"request":{"method":"GET","path":"/"},"response":{"body":"<p>","status":200}}',
)


def recording(folder: Path, *, head: str = CONDITIONS, lines: tuple[str, ...] = EXCHANGES) -> Path:
    (folder / "state").mkdir(parents=True)
    (folder / "recording.json").write_text(head)
    (folder / "traffic.jsonl").write_text("".join(f"{one}\n" for one in lines))
    (folder / "state" / "block.jsonl").write_text('{"crop":"fig","id":"b0"}\n')
    return folder


def test_recording_is_unchanged_after_a_round_trip(tmp_path: Path) -> None:
    first = read_recording(recording(tmp_path / "monday"))
    write_recording(first, tmp_path / "copy")
    again = read_recording(tmp_path / "copy")
    assert (again.traffic_hash, again.state_hash) == (first.traffic_hash, first.state_hash)
    assert (tmp_path / "copy" / "traffic.jsonl").read_text().splitlines() == list(EXCHANGES)
    assert [one.name for one in read_recordings(tmp_path)] == ["copy", "monday"]


def test_hashes_follow_traffic_and_state(tmp_path: Path) -> None:
    first = read_recording(recording(tmp_path / "a"))
    fewer = read_recording(recording(tmp_path / "b", lines=EXCHANGES[:2]))
    assert fewer.traffic_hash != first.traffic_hash
    assert fewer.state_hash == first.state_hash
    (tmp_path / "b" / "state" / "block.jsonl").write_text("")
    assert read_recording(tmp_path / "b").state_hash != first.state_hash


def test_halves_share_conditions_and_state(tmp_path: Path) -> None:
    whole = read_recording(recording(tmp_path / "a"))
    first, second = whole.halves()
    assert [*first.requests, *second.requests] == whole.requests
    assert first.state_hash == second.state_hash == whole.state_hash
    assert len(first.requests) == 2


@table(
    ("head", "lines", "fault"),
    [
        ('{"clock":"2026-03-02T06:00:00"}', EXCHANGES, "recording.json: clock"),
        ('{"clock":"2026-03-02T06:00:00Z","speed":1}', EXCHANGES, "recording.json: speed"),
        ("{", EXCHANGES, "recording.json: invalid JSON"),
        (CONDITIONS, (), "has no exchange"),
        (CONDITIONS, (EXCHANGES[0], "{}"), "traffic.jsonl:2: request"),
        (CONDITIONS, (EXCHANGES[0].replace("/data", "data"),), "traffic.jsonl:1: request.path"),
    ],
)
def test_invalid_recording_is_refused_with_its_place(
    tmp_path: Path, head: str, lines: tuple[str, ...], fault: str
) -> None:
    folder = recording(tmp_path / "a", head=head, lines=lines)
    with pytest.raises(InvalidRecording, match=fault):
        read_recording(folder)
