"""Many processes at once: one decision on a run, and no lost run."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from attractor.factory.audit import audit
from attractor.factory.index import RunIndex, RunQuery
from attractor.pipeline.runs.lookup import list_runs
from tests.counts import count
from tests.factory.flows import make_flow
from tests.prepared import Process, begin_prepared

REFUSED = 4
RATIONALE = "The file says what it should."


def test_many_decisions_at_once_leave_one_record(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    variables = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "ATTRACTOR_STATE_DIR": str(flow.host.state_dir),
        "ATTRACTOR_TOKEN": flow.make_token(),
    }
    deciders: list[Process] = []
    for number in range(count(ci=5, full=50)):
        verdict = "--approve" if number % 2 else "--reject"
        words = ["decide", result.run_id, verdict, "--rationale", RATIONALE]
        deciders.append(begin_prepared(words, folder=flow.project, variables=variables))
    codes = Counter(one.wait(120) for one in deciders)
    assert codes == {0: 1, REFUSED: len(deciders) - 1}
    decided = [one for one in flow.evaluator.ledger.entries() if one.kind == "decided"]
    assert len(decided) == 1
    [summary] = list_runs(flow.host.runs_dir)
    assert summary.status == decided[0].data["verdict"]
    assert audit(flow.host.state_dir, flow.host.runs_dir).flaws == []


CREATE = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from attractor.factory.launch import launch
from attractor.pipeline.request import WorkspaceKind
from tests.pipeline.projects import make_host, simulated

project = Path(sys.argv[1])
host, request = make_host(project), simulated(project, workspace=WorkspaceKind.NONE)
for _ in range(int(sys.argv[2])):
    print(asyncio.run(launch(request, host)).run_id)
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
    listed = RunIndex(flow.host.state_dir).runs(flow.host.runs_dir, RunQuery())
    assert [one.run_id for one in listed] == sorted(created, reverse=True)
    assert audit(flow.host.state_dir, flow.host.runs_dir).flaws == []
