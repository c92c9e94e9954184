"""What final.json said can be had from the journal, whatever came after the end."""

from pathlib import Path

import pytest

from attractor.engine.errors import RecordBroken
from attractor.engine.lost_endings import end_told_by_journal
from attractor.engine.run_directory import RunDirectory, read_manifest
from attractor.engine.status import CANCELED
from tests.engine.graphs import line
from tests.engine.runs import FAIL, Script, Workplace


@pytest.mark.parametrize("script", [{}, {"a": FAIL}], ids=["good", "bad"])
@pytest.mark.parametrize("left", [None, '{"outcome"'], ids=["lost", "torn"])
def test_an_end_that_was_lost_is_written_anew_by_whoever_takes_the_run(
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


def test_what_happened_after_the_end_changes_nothing_in_it(tmp_path: Path) -> None:
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
    with place.open(), pytest.raises(RecordBroken, match="does not say how the run ended"):
        end_told_by_journal(directory, read_manifest(directory))
