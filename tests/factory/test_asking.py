"""Asking the gate changes nothing, and disturbs no other process."""

from pathlib import Path

from attractor.factory.decisions.lock import lock_run
from attractor.factory.operations.evaluate import ask_gate
from tests.factory.flows import make_flow


def test_gate_works_for_a_locked_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with lock_run(result.directory, flow.opened):
        assert flow.rules(result) == []


def test_live_run_is_not_evaluated(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch()
    live = flow.launch(evaluate=False)
    with lock_run(live.directory, flow.opened) as run:
        assert flow.rules(live) == ["no_verdict"]
        facts, _ = ask_gate(live.directory, flow.opened)
        assert (facts.run_id, facts.tree) == (live.run_id, run.progress.tree)


def test_asking_writes_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    flow.report(result)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
