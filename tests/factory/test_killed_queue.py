"""A queue whose process is killed lands each run once, in order, and loses none."""

import random
import time
from pathlib import Path

import pytest

from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.evaluation.gate import gate
from attractor.factory.history.audit import audit
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.evaluate import ask_gate
from tests.counts import count
from tests.factory.flows import Flow, make_flow
from tests.factory.queues import approve, approved, begin, enqueue, queue_of, subjects
from tests.patience import PATIENCE_S
from tests.scenarios.suites import SUITE

RUNS, CONFLICTS, KILLS = count(ci=4, full=12), count(ci=1, full=4), count(ci=3, full=20)
GATE = "[gate]\nmax_attempts_per_version = 1000\n"
LONGEST_S = 3.0


def decide(flow: Flow) -> None:
    """Do what a person does for the run that lands next."""
    first = queue_of(flow).first
    root = flow.runs_dir / first.current if first else None
    if root is None or not (root / "manifest.json").exists():
        return
    if read_candidate_run(root).state.status != AWAITING_DECISION:
        return
    _, judged = ask_gate(root, flow.opened)
    if judged.without_result():
        order = ("evaluate", root.name, "--replay-cut", "--reason", "the queue was killed")
        begin(flow, *order).wait(PATIENCE_S)
        _, judged = ask_gate(root, flow.opened)
    if gate(judged).go:
        approve(flow, root.name)


@pytest.mark.crash
def test_killed_queue_lands_each_run_once(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, suite=f"{SUITE}{GATE}")
    names = [f"run{number}" for number in range(RUNS)]
    shares = {names[0], *names[RUNS - CONFLICTS :]}
    runs = [approved(flow, name, shares=name in shares) for name in names]
    enqueue(flow, *runs)
    dice, killed = random.Random("queue"), 0
    for _ in range(RUNS * 10 + KILLS):
        if killed >= KILLS and not queue_of(flow).waiting:
            break
        process = begin(flow, "queue", "run")
        if killed < KILLS:
            time.sleep(dice.uniform(0.05, LONGEST_S))
            killed += process.poll() is None or not queue_of(flow).waiting
            process.kill()
        process.wait(PATIENCE_S)
        decide(flow)
    queue, landed = queue_of(flow), names[: RUNS - CONFLICTS]
    assert queue.waiting == []
    assert subjects(flow) == ["Begin", *landed]
    assert [run.run_id for run in queue.runs] == [run.run_id for run in runs[len(landed) :]]
    assert all(run.conflicts == ("shared.txt",) for run in queue.runs)
    promoted = [one for one in flow.opened.ledger.entries() if one.kind == LineKind.PROMOTED]
    assert len(promoted) == len(landed)
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []
