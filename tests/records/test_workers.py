import os
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.engine.run_folder.open_run import open_run
from attractor.records.summary import summarize
from attractor.records.workers import read_worker
from tests.engine.graphs import line
from tests.engine.runs import Workplace


def test_process_that_holds_a_run_is_named(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "R1", line("plan"))
    place.run()
    with open_run(tmp_path / "R1", clock=SystemClock(), before_end=None):
        worker = read_worker(summarize(tmp_path / "R1"))
        record = worker.to_record()
    assert worker.summary.is_live
    assert (record["pid"], record["host"], record["stages"]) == (
        os.getpid(),
        os.uname().nodename,
        [],
    )
    assert worker.since is not None
    assert worker.since >= worker.summary.started
    assert read_worker(summarize(tmp_path / "R1")).pid is None
