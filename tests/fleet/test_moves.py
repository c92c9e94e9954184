"""A run that moves from worker to worker ends as one that never moved."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.counts import count
from tests.fleet.chaos import result_of
from tests.fleet.living import LivingFleet, living
from tests.fleet.stores import BucketStore
from tests.patience import PATIENCE_S, wait_until

STAGES, MOVES = count(ci=6, full=30), count(ci=2, full=10)


def chain(stages: int) -> str:
    """Return a pipeline of stages that each change a file."""
    nodes = [f"s{number}" for number in range(stages)]
    lines = [
        f'{name} [shape=parallelogram, tool_command="sleep 0.3; echo {name} >> steps.txt; '
        f'echo {name} > {name}.txt"]'
        for name in nodes
    ]
    edges = " -> ".join(["start", *nodes, "done"])
    ends = "start [shape=Mdiamond]; done [shape=Msquare]"
    return "digraph chain {\n" + "\n".join([ends, *lines, edges]) + "\n}"


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest) -> tuple[str, Mapping[str, str]]:
    """Return the address of a store, and the variables that reach it."""
    if request.param == "folder":
        return "", {}
    environ: Mapping[str, str] = request.getfixturevalue("s3_environ")
    return BucketStore(environ, "moves").url, environ


def test_moved_run_ends_as_one_that_stayed(
    tmp_path: Path, store: tuple[str, Mapping[str, str]]
) -> None:
    address, environ = store
    with living(tmp_path, chain(STAGES), store=address, more=dict(environ)) as fleet:
        fleet.attractor("run", "pipeline.dot", "--sandbox", "none")
        [stayed] = (fleet.project / "runs").glob("0*")
        run_id = fleet.begin("--sandbox", "none")
        worker = fleet.start_worker()
        for move in range(MOVES):
            await_commits(fleet, run_id, move + 1, (move + 1) * STAGES // (MOVES + 1))
            worker.terminate()
            assert worker.wait(PATIENCE_S) == 0, fleet.logs()
            worker = fleet.start_worker()
        fleet.wait(run_id, "evaluating")
        assert result_of(fleet.project / "runs" / run_id) == result_of(stayed)
        nodes = ["start", *(f"s{number}" for number in range(STAGES))]
        started = [one["node"] for one in fleet.events(run_id) if one["type"] == "StageStarted"]
        assert started == nodes == [*fleet.stages(run_id)]
        assert fleet.row(run_id).epoch == MOVES + 1
        fleet.attractor("resume", run_id)
        assert "No problems found" in fleet.attractor("audit", "verify")
        assert "No problems found" in fleet.attractor("fleet", "check", "--deep")


def await_commits(fleet: LivingFleet, run_id: str, epoch: int, commits: int) -> None:
    """Wait until the owner of an epoch is at work, and the run has some commits."""
    wait_until(lambda: fleet.row(run_id).epoch == epoch, fleet.logs)
    wait_until(lambda: fleet.row(run_id).seq >= commits, fleet.logs)
