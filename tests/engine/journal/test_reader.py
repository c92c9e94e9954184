from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.events import EventLog
from attractor.engine.journal.reader import START, JournalReader, find_position, selected_events
from attractor.engine.storage.secrets import Redactor

LINES = 900


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long journal with an incomplete last line."""
    path = tmp_path_factory.mktemp("run") / "events.jsonl"
    log = EventLog(path, run_id="R", clock=ManualClock(), redactor=Redactor([]))
    for number in range(1, LINES + 1):
        log.append("Said", {"words": "x" * (number % 7 * 100)})
    log.close()
    with path.open("ab") as file:
        file.write(b'{"data":{"torn')
    return path


@pytest.mark.parametrize("seq", [0, 1, 2, 449, 450, 899, LINES, LINES + 5])
def test_reading_continues_after_any_event(journal: Path, seq: int) -> None:
    reader = JournalReader(journal, find_position(journal, seq))
    lines = list(reader.more())
    assert [one.number for one in lines] == list(range(seq + 1, LINES + 1))
    assert [one.event.seq for one in lines if one.event] == [one.number for one in lines]
    assert (reader.verdict.flaw, reader.verdict.head.seq) == (None, LINES)


def test_reading_in_parts_gives_each_line_once(journal: Path) -> None:
    reader = JournalReader(journal)
    parts = [[one.number for one in reader.more(400)] for _ in range(4)]
    assert [len(one) for one in parts] == [400, 400, 100, 0]
    assert [one for part in parts for one in part] == list(range(1, LINES + 1))


def test_changed_line_is_found_by_number_after_a_position(journal: Path, tmp_path: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[699] = lines[699].replace(b"Said", b"Sang")
    changed = tmp_path / "events.jsonl"
    changed.write_bytes(b"".join(lines))
    reader = JournalReader(changed, find_position(changed, 690))
    assert [one.number for one in reader.more() if one.flaw] == [700]
    assert reader.verdict.flaw
    assert reader.verdict.flaw.line == 700
    assert find_position(changed, 700) == START, "a corrupt line is no position"


def test_missing_journal_has_no_lines(tmp_path: Path) -> None:
    missing = tmp_path / "events.jsonl"
    assert find_position(missing, 3) == START
    assert list(JournalReader(missing).more()) == []


def test_selected_events_are_those_of_the_types_and_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    assert list(selected_events(path, ["Said"])) == []
    log = EventLog(path, run_id="R", clock=ManualClock(), redactor=Redactor([]))
    for kind in ("Begun", "Said", "Other", "Saidx", "Said", "Other", "Last"):
        log.append(kind, {"words": '"type":"Sai'})
    log.close()
    found = [(one.seq, one.type) for one in selected_events(path, ["Said", "Never"])]
    assert found == [(1, "Begun"), (2, "Said"), (5, "Said"), (7, "Last")]
    with path.open("ab") as file:
        file.write(b"no JSON\n")
    with pytest.raises(RecordBroken, match=f"at byte .* of {path}"):
        list(selected_events(path, ["Said"]))
