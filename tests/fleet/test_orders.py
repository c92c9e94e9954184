"""Orders of people reach runs that workers execute, and are carried out once."""

import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGSTOP
from typing import Any

import pytest

from attractor.fleet.records import ReasonKind
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.fleet.living import PROGRAM, LivingFleet, living
from tests.fleet.test_workers import SLOW, begin_slow, fleet_stages
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import plain
from tests.spec.runs import between
from tests.spec.test_account_limits import MODEL

TALKS = between('ask [shape=box, prompt="How many?"]', "start -> ask -> exit")
SLOWLY = 'rules = [{ answer = { text = "Seven.", delay = "8s" } }]'
BESIDE = """digraph beside {
  start [shape=Mdiamond]; done [shape=Msquare]
  both [shape=component]; join [shape=tripleoctagon]
  ask [shape=hexagon, label="Good?"]
  yes [shape=parallelogram, tool_command="true"]
  work [shape=parallelogram, tool_command="until test -e FLAG; do sleep 0.1; done"]
  start -> both
  both -> ask
  both -> work
  ask -> yes [label="[Y] Yes"]
  yes -> join
  work -> join -> done
}
"""


@contextmanager
def talking(folder: Path) -> Generator[tuple[LivingFleet, ProviderTwin, str]]:
    """Yield a fleet with a run whose agent has asked its model, and waits for the answer."""
    with (
        in_background(ProviderTwin(parse_script(SLOWLY))) as twin,
        living(folder, TALKS, more=plain(twin.environ())) as fleet,
    ):
        run_id = fleet.begin("--backend", "agent", "--model", MODEL, "--sandbox", "none")
        fleet.start_worker()
        wait_until(lambda: bool(twin.requests), fleet.logs)
        yield fleet, twin, run_id


def orders_of(fleet: LivingFleet, run_id: str) -> list[dict[str, Any]]:
    """Return the orders that the journal of a run has."""
    return [one["data"] for one in fleet.events(run_id) if one["type"] == "OperatorAction"]


def test_message_reaches_a_stage_on_a_worker(tmp_path: Path) -> None:
    with talking(tmp_path) as (fleet, twin, run_id):
        said = fleet.attractor("steer", run_id, "Count", "again")
        assert f"run {run_id}: the message was accepted" in said
        # The reply is committed before the stage ends.
        assert [one["is_accepted"] for one in orders_of(fleet, run_id)] == [True]
        assert "ask" not in fleet.stages(run_id)
        fleet.attractor("steer", run_id, "Count", "--node", "exit", code=4)
        fleet.wait(run_id, "evaluating")
        assert any(b"Count again" in one.content for one in twin.requests)
        assert fleet.row(run_id).orders == {}


@pytest.mark.crash
def test_message_survives_the_kill_of_the_worker_that_did_not_take_it(tmp_path: Path) -> None:
    with talking(tmp_path) as (fleet, _, run_id):
        wait_until(lambda: fleet.row(run_id).seq == 1, fleet.logs)
        fleet.workers[0].send_signal(SIGSTOP)
        steer = subprocess.Popen(
            [*PROGRAM, "steer", run_id, "Count"],
            cwd=fleet.project,
            env=fleet.environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: len(fleet.row(run_id).orders) == 1, fleet.logs)
        fleet.kill(fleet.workers[0])
        fleet.start_worker()
        said, _ = steer.communicate(timeout=PATIENCE_S)
        assert (steer.returncode, "the message was accepted" in said) == (0, True), fleet.logs()
        # The commit for the message is not that of a finished stage.
        assert fleet.row(run_id).lost == 1
        fleet.wait(run_id, "evaluating")
        assert [one["value"] for one in orders_of(fleet, run_id)] == ["Count"]
        assert (fleet.row(run_id).orders, fleet.row(run_id).lost) == ({}, 0)


def test_paused_run_is_parked_after_its_stage_until_it_is_resumed(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with living(tmp_path, SLOW) as fleet:
        run_id = begin_slow(fleet, flag)
        fleet.start_worker()
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        assert "parks the run after the stages in flight" in fleet.attractor("pause", run_id)
        assert "after the stages in flight: stopped: paused by" in fleet.attractor(
            "fleet", "why", run_id
        )
        # Two beats, of which the second one comes after the order.
        time.sleep(2.5)
        flag.touch()
        fleet.wait_parked(run_id)
        reason = fleet.row(run_id).reason
        assert reason
        assert reason.kind is ReasonKind.PAUSED
        assert "paused by" in str(reason.details["stopped"])
        assert fleet_stages(fleet, run_id) == ["start", "one", "two"]
        fleet.attractor("resume", run_id)
        fleet.wait(run_id, "evaluating")
        assert fleet.stages(run_id) == ["start", "one", "two", "three"]


def test_question_of_a_branch_is_answered_while_another_branch_works(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with living(tmp_path, BESIDE.replace("FLAG", str(flag))) as fleet:
        run_id = fleet.begin("--sandbox", "none")
        fleet.start_worker()
        wait_until(lambda: "Good?" in fleet.attractor("answer", run_id), fleet.logs)
        assert "answered ask: " in fleet.attractor("answer", run_id, "Yes")
        row = fleet.row(run_id)
        assert (row.state, row.epoch, row.orders) == ("running", 1, {})
        flag.touch()
        fleet.wait(run_id, "evaluating")
        assert fleet.row(run_id).epoch == 1
