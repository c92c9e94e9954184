"""Spans of a run that several workers executed, sent to a real collector."""

import signal
from pathlib import Path

from tests.fleet.living import living
from tests.patience import PATIENCE_S
from tests.records.tracing.collector import collecting

PIPELINE = """digraph moved { graph [goal="Move"]
  start [shape=Mdiamond]; exit [shape=Msquare]
  before [shape=parallelogram, tool_command=true]
  ask [shape=hexagon, label="Go on?"]
  after [shape=parallelogram, tool_command=true]
  start -> before -> ask
  ask -> after [label="[Y] Yes"]
  after -> exit }
"""
STAGES = ("before", "after")


def test_run_of_two_workers_is_one_trace_that_names_both(tmp_path: Path) -> None:
    with collecting() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with living(tmp_path, PIPELINE, more=endpoint) as fleet:
            run = fleet.begin()
            first = fleet.start_worker()
            fleet.wait_parked(run)
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE_S) == 0, fleet.logs()
            second = fleet.start_worker()
            fleet.attractor("answer", run, "Y")
            fleet.wait(run, "evaluating")
        spans = {one.name: one for one in collector.spans}
        workers = [spans[f"stage {name}"].resource["attractor.worker"] for name in STAGES]
        assert [name.rpartition("-")[2] for name in workers] == [f"{first.pid}", f"{second.pid}"]
        assert len({one.trace for one in spans.values()}) == 1
