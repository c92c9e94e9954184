"""Runs that are created or evaluated concurrently."""

import asyncio
import subprocess
import sys
from pathlib import Path

from attractor.factory.history.audit import audit
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.resume import resume_run
from attractor.records.request import Overrides
from tests.counts import count
from tests.factory.flows import make_flow
from tests.scenarios.suites import SUITE

CREATE = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from tests.pipeline.projects import open_project, simulated

project = Path(sys.argv[1])
opened = OpenProject(open_project(project))
request = simulated(project, workspace="none")
for _ in range(int(sys.argv[2])):
    print(asyncio.run(start_run(request, opened)).run_id)
"""


def test_runs_that_many_processes_create_are_all_there(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    graph = "digraph one { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    (flow.project / "pipeline.dot").write_text(graph)
    processes, each = count(ci=3, full=8), count(ci=2, full=125)
    words = [sys.executable, "-c", CREATE, str(flow.project), str(each)]
    creators = [
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    printed = [one.communicate(timeout=900)[0].split() for one in creators]
    assert [one.returncode for one in creators] == [0] * processes
    created = {run_id for lines in printed for run_id in lines}
    assert len(created) == processes * each
    recorded = [one.run_id for one in flow.evaluator.ledger.entries() if one.kind == "created"]
    assert sorted(recorded) == sorted(created)
    listed = RunIndex(flow.machine.state_dir).runs(flow.runs_dir, RunQuery())
    assert [one.run_id for one in listed] == sorted(created, reverse=True)
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []


def test_evaluations_that_start_at_once_keep_the_limits_of_the_suite(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, suite=f"{SUITE}[gate]\nmax_evaluations = 1\n")
    runs = [flow.launch(evaluate=False) for _ in range(2)]

    async def evaluate_all() -> None:
        evaluated = (
            resume_run(one.directory, flow.opened, Overrides(evaluate=True)) for one in runs
        )
        await asyncio.gather(*evaluated)

    asyncio.run(evaluate_all())
    kinds = [one.kind for one in flow.evaluator.ledger.entries()]
    assert (kinds.count(LineKind.EVALUATION_BEGUN), kinds.count(LineKind.EVALUATED)) == (1, 2)
    assert [flow.rules(one) for one in runs] == [[], []]
