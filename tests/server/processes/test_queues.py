"""A server promotes the runs that wait to land on a branch."""

from pathlib import Path

import pytest

from attractor.server.processes.queues import QueueLoop
from attractor.server.processes.repeated import Repeated
from attractor.server.processes.run_processes import RunProcesses
from tests.factory.flows import make_flow
from tests.factory.queues import approved, enqueue, queue_of, subjects, variables
from tests.patience import wait_until


def test_server_promotes_queued_runs(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    enqueue(flow, approved(flow, "one"))
    processes = RunProcesses(
        tmp_path / "processes", project=flow.project, environ=variables(flow), most=1
    )
    queues = QueueLoop(flow.machine.state_dir, lambda project_id: processes)
    loop = Repeated("queues", queues.look, pytest.fail, every_s=0.1)
    loop.start()
    try:
        wait_until(lambda: not queue_of(flow).runs)
    finally:
        loop.stop()
    assert subjects(flow) == ["Begin", "one"]
