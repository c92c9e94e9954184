"""Checkpoints are verified, and a lost final.json is rewritten from the journal."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.errors import ChainBroken, FileError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, seal
from attractor.engine.errors import CheckpointBroken, RecordBroken
from attractor.engine.journal.checkpoint import open_journal, verify_journal
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import final_from_journal
from attractor.engine.state.run_state import BOOTING, CANCELED, EXECUTING
from tests.engine.graphs import line
from tests.engine.runs import FAIL, Script, Workplace


def make_run(root: Path) -> Path:
    with Workplace(root, line("plan")).open() as run:
        run.change_status(BOOTING)
        run.save()
        run.change_status(EXECUTING)
    return root / "events.jsonl"


def hashes(journal: Path) -> list[str]:
    return [one.split(b'"hash":"')[1][:64].decode() for one in journal.read_bytes().splitlines()]


def test_a_whole_journal_has_the_lines_it_is_asked_for(tmp_path: Path) -> None:
    journal = make_run(tmp_path / "run")
    known = hashes(journal)
    assert verify_journal(journal, heads=known) == frozenset()
    assert verify_journal(journal, heads=["0" * 64, known[0]]) == {"0" * 64}


def test_hash_inside_event_data_is_not_a_line(tmp_path: Path) -> None:
    journal = make_run(tmp_path / "run")
    last = hashes(journal)[-1]
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    event = Event(time=noon, run_id="r", type="Note", data={"hash": last})
    link = seal(event.to_record(), GENESIS)
    journal.write_text(link.line + "\n")
    assert verify_journal(journal, heads=[last]) == {last}
    journal.write_text(f"{last}\n")
    with pytest.raises(ChainBroken, match="line 1 is invalid JSON"):
        verify_journal(journal, heads=[last])


def test_a_journal_that_is_not_there_has_no_line(tmp_path: Path) -> None:
    assert verify_journal(tmp_path / "events.jsonl", heads=["a"]) == {"a"}


def test_a_bad_line_behind_the_checkpoint_is_named_by_its_number_in_the_journal(
    tmp_path: Path,
) -> None:
    journal = make_run(tmp_path / "run")
    checkpoint = journal.parent / "checkpoint.json"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*whole[:-1], whole[-1].replace(b"executing", b"exocuting")]))
    with pytest.raises(ChainBroken, match=f"events.jsonl: line {len(whole)} was changed"):
        open_journal(journal, checkpoint)
    # A line that got longer moves all that follow.
    journal.write_bytes(b"".join([whole[0].replace(b"booting", b"bootingg"), *whole[1:]]))
    with pytest.raises(ChainBroken, match="events.jsonl: line 1 was changed"):
        open_journal(journal, checkpoint)
    journal.unlink()
    with pytest.raises(CheckpointBroken, match="has lost lines"):
        open_journal(journal, checkpoint)


def test_a_journal_that_cannot_be_read_is_trouble_and_not_a_broken_chain(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(FileError):
        verify_journal(tmp_path / "events.jsonl")


@pytest.mark.parametrize("script", [{}, {"a": FAIL}], ids=["good", "bad"])
@pytest.mark.parametrize("left", [None, '{"outcome"'], ids=["lost", "torn"])
def test_lost_final_json_is_rewritten_on_open(
    tmp_path: Path, script: Script, left: str | None
) -> None:
    place = Workplace(tmp_path / "run", line("a"), script)
    place.run()
    before = place.json("final.json")
    journal = (place.root / "events.jsonl").read_bytes()
    final = place.root / "final.json"
    final.unlink()
    if left is not None:
        final.write_text(left)
    with place.open():
        pass
    after = place.json("final.json")
    # The event was written a moment after the file.
    assert str(before.pop("ended")) <= str(after.pop("ended"))
    assert after == before
    assert (place.root / "events.jsonl").read_bytes() == journal


def test_events_after_end_do_not_change_final_json(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.run()
    before = place.json("final.json")
    with place.open() as run:
        run.change_status(CANCELED, "canceled by ada")
    (place.root / "final.json").unlink()
    with place.open():
        pass
    assert place.json("final.json")["why"] == before["why"]
    assert place.json("final.json")["outcome"] == "success"


def test_a_journal_without_an_end_tells_none(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    directory = RunDirectory(place.root)
    with place.open(), pytest.raises(RecordBroken, match="has no terminal event"):
        final_from_journal(directory, read_manifest(directory))
