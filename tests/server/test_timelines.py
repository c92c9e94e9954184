"""A timeline that is read again and again equals one that is read at once."""

import shutil
from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory
from attractor.records.timeline import read_timeline
from attractor.server.timelines import MAX_TIMELINES, KeptTimelines
from tests.factory.flows import make_flow


def test_timeline_of_a_growing_journal_is_the_one_of_the_whole_journal(tmp_path: Path) -> None:
    root = make_flow(tmp_path).launch().directory
    whole = read_timeline(root).to_record()
    assert whole["bars"]
    journal = RunDirectory(root).events
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"")
    kept = KeptTimelines()

    def read() -> object:
        with kept.reading(root) as reader:
            timeline = reader.read(with_folders=True)
        timeline.rest()
        return timeline.to_record()

    for number in range(len(lines)):
        # The last line is torn.
        journal.write_bytes(b"".join(lines[:number]) + lines[number][:-1])
        assert read() == read_timeline(root).to_record()
    journal.write_bytes(b"".join(lines))
    assert read() == whole
    # A copy was restored.
    journal.write_bytes(b"".join(lines[:-3]))
    assert read() == read_timeline(root).to_record()
    for number in range(MAX_TIMELINES):
        other = shutil.copytree(root, tmp_path / f"other{number}")
        with kept.reading(other) as reader:
            assert reader.read().last_event == len(lines) - 3
    assert read() == read_timeline(root).to_record()
