"""A forked run continues the visit numbers of its parent."""

from pathlib import Path

import pytest

from attractor.base.errors import FileError
from attractor.engine.journal.events import PipelineStarted, RunForked
from attractor.engine.run_folder.layout import RunDirectory, create_run_directory
from attractor.engine.state.progress import Progress, progress_to_record
from tests.engine.graphs import line
from tests.engine.runs import Workplace, manifest


def test_visits_are_counted_on_from_where_the_run_was_forked(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a", "b"))
    with place.open() as run:
        run.record(RunForked("other", "b", 3, 9, "hash", "tree", {"a": 5, "b": 2}))
        record = progress_to_record(Progress("b"))
        run.record(PipelineStarted("Test", run.manifest.run_id, "", record))
    assert place.run().completed == ("b",)
    assert [(id_, visit) for id_, visit, _ in place.handler.calls] == [("b", 3)]


def test_fork_event_is_read_with_and_without_checkpoint(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    with place.open() as run:
        run.record(RunForked("other", "a", 2, 9, "hash", "", {"a": 1}))
        run.save()
    with place.open() as run:
        assert run.state.begun == {"a": 1}
    (place.root / "checkpoint.json").unlink()
    with place.open() as run:
        assert run.state.begun == {"a": 1}


def test_failed_start_of_the_journal_leaves_no_run_directory(tmp_path: Path) -> None:
    def begin(directory: RunDirectory) -> None:
        assert not directory.manifest.exists()
        raise FileError("the disk is full")

    root = tmp_path / "run"
    with pytest.raises(FileError):
        create_run_directory(root, manifest(line("a")), "digraph {}", begin=begin)
    assert not root.exists()
