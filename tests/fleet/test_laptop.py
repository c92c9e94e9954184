"""A worker with a label serves the dimensions of its machine, and nobody else does."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.factory.open_project import OpenProject
from attractor.fleet.fleet import Addresses, open_fleet
from attractor.fleet.records import HOME, RowState
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.workers.attempt import find_dimension
from attractor.records.request import RunRequest
from attractor.workspaces.folders import lock_writer
from tests.counts import count
from tests.fleet.living import LivingFleet, living
from tests.fleet.postgres import Cluster
from tests.fleet.test_workers import SLOW, begin_slow, fleet_stages, processes_of
from tests.fleet.wire import wire_to
from tests.patience import wait_until
from tests.pipeline.projects import make_project, open_project

CUT_S = count(ci=8.0, full=60.0)
IN_DESK = ("--label", "laptop", "--workspace", "desk")


@pytest.mark.crash
@pytest.mark.parametrize("kind", ["directory", "worktree"])
def test_cut_network_loses_nothing_of_a_run_in_a_dimension(
    kind: str, tmp_path: Path, cluster: Cluster
) -> None:
    """The run begins on the machine of the dimension (worktree), or on another one (directory)."""
    database = cluster.new_database()
    with wire_to(cluster.port) as wire, living(tmp_path, SLOW, database=database) as fleet:
        laptop = fleet.machine(tmp_path / "laptop")
        desk = add_desk(laptop, kind)
        starter = laptop if kind == "worktree" else fleet
        run_id = begin_slow(starter, tmp_path / "flag", *IN_DESK)
        fleet.start_worker()
        wired = database.replace(f":{cluster.port}/", f":{wire.port}/")
        laptop.start_own_worker("--label", "laptop", ATTRACTOR_FLEET__URL=wired)
        wait_until(lambda: "one" in fleet_stages(starter, run_id), fleet.logs)
        wait_until(lambda: (desk / "steps.txt").exists(), fleet.logs)

        wire.cut()
        cut_at = time.monotonic()
        wait_until(lambda: not processes_of(run_id), fleet.logs)
        (desk / "readme.txt").write_text("edited\n")
        (desk / "notes.txt").write_text("mine\n")
        wait_until(lambda: fleet.row(run_id).state is RowState.QUEUED, fleet.logs)
        time.sleep(max(0.0, cut_at + CUT_S - time.monotonic()))
        assert why(starter, run_id) == ("no_worker", f"{WORKER} --label laptop")

        (tmp_path / "flag").touch()
        wire.join()
        starter.wait(run_id, "evaluating")
        assert starter.stages(run_id) == ["start", "one", "two", "three"]
        starter.attractor("resume", run_id)
        texts = [(desk / f"{name}.txt").read_text() for name in ("steps", "readme", "notes")]
        assert texts == ["1\n2\n3\n", "edited\n", "mine\n"]
        assert "No problems found" in starter.attractor("audit", "verify")
        assert "No problems found" in starter.attractor("fleet", "check", "--deep")
        assert not [name for name in names_in_head(fleet, run_id) if name.startswith("stores/")]


WORKER = "attractor worker --pool agents"


def add_desk(laptop: LivingFleet, kind: str) -> Path:
    """Make the dimension `desk`; return its folder."""
    laptop.attractor("dimension", "add", "desk", "--kind", kind)
    [made] = json.loads(laptop.attractor("dimension", "list", "--json"))
    return Path(made["folder"])


def names_in_head(fleet: LivingFleet, run_id: str) -> Sequence[str]:
    head = fleet.row(run_id).head

    async def read() -> Sequence[str]:
        where = Addresses(*(fleet.environ[f"ATTRACTOR_FLEET__{one}"] for one in ("URL", "STORE")))
        async with open_fleet(where, fleet.environ) as opened:
            tree = await HeadTree.load(await opened.blobs_of(HOME), head)
            return [name async for name, _ in tree.files()]

    return asyncio.run(read())


def why(fleet: LivingFleet, run_id: str) -> tuple[str, str]:
    """Return the reason of a run, and the command that changes it."""
    reason = json.loads(fleet.attractor("fleet", "why", run_id, "--json"))["reason"]
    return reason["kind"], reason["command"]


ROUNDS = """digraph rounds {
  start [shape=Mdiamond]; done [shape=Msquare]
  work [shape=parallelogram, tool_command="test -e r.txt || { touch r.txt; exit 1; }"]
  start -> work; work -> done [condition="outcome=success"]
  work -> work [condition="outcome=fail", loop_restart=true]
}
"""


def test_run_waits_for_a_missing_and_for_a_busy_dimension(tmp_path: Path) -> None:
    with living(tmp_path, ROUNDS) as fleet:
        laptop = fleet.machine(tmp_path / "laptop")
        laptop.start_own_worker("--label", "laptop")
        run_id = fleet.begin(*IN_DESK)
        fleet.wait_parked(run_id)
        assert "there is no dimension desk" in fleet.attractor("fleet", "why", run_id)
        desk = add_desk(laptop, "worktree")

        state = Path(laptop.environ["ATTRACTOR_STATE_DIR"])
        with lock_writer(desk, state, run_id="other"):
            fleet.attractor("resume", run_id)
            fleet.wait_parked(run_id)
            shown = fleet.attractor("fleet", "why", run_id)
            assert f"another run works in {desk}" in shown
            assert fleet.row(run_id).attempt == 2
        fleet.attractor("resume", run_id)
        wait_until(lambda: fleet.row(run_id).state is RowState.ENDED, fleet.logs)
        fleet.attractor("resume", run_id)
        assert (desk / "r.txt").exists()
        assert "No problems found" in fleet.attractor("audit", "verify")


def test_worker_takes_no_run_of_another_project_of_its_machine(tmp_path: Path) -> None:
    own, other = (
        OpenProject(open_project(make_project(tmp_path / name))) for name in ("own", "other")
    )
    own.identity.create_id()
    request = RunRequest(file=Path("p.dot"), workspace="directory", dimension="desk")
    with pytest.raises(Refused, match="another project than"):
        find_dimension(request, own.project, other.identity.create_id())
    with pytest.raises(Refused, match="there is no dimension desk"):
        find_dimension(request, own.project, "of-another-machine")
