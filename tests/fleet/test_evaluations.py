"""Workers of the pool `evaluate` play the trials of evaluations, each at most once."""

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.factory.operator_process import Scope
from attractor.fleet.fleet import Addresses
from attractor.fleet.records import EVALUATE
from attractor.server.access.callers import Caller
from attractor.server.run_actions import cancel_run
from attractor.server.service import Service
from tests import counts
from tests.cli.fleet_desk import (
    FleetDesk,
    fleet_desk as fleet_desk,  # a fixture
    sqlite_template as sqlite_template,  # a fixture
)
from tests.fleet.living import PROGRAM, LivingFleet, living
from tests.patience import PATIENCE_S, wait_until
from tests.scenarios.suites import write_suite

PIPELINE = """digraph linear {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="echo made > made.txt"]
  start -> make -> done
}
"""
SUITE = """
name = "todo"
pipeline = "linear"
[trials]
n = 3
[setup]
run = ["cp made.txt built.txt"]
"""
QUETZAL = """
id = "quetzal"
title = "The quetzal sings"
story = "A quetzal sings at dawn."

[[steps]]
name = "sing"
run = "sleep 1.5; grep made built.txt"

[[checks]]
kind = "exit"
step = "sing"
"""
RUN = ("--sandbox", "none", "--suite", "todo", "--profile", "lenient")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[LivingFleet]:
    more = {"ATTRACTOR_FLEET__SEALED_STORE": str(tmp_path / "sealed")}
    with living(tmp_path, PIPELINE, more=more) as fleet:
        suite = write_suite(tmp_path / "suite", suite=SUITE, quetzal=QUETZAL)
        fleet.attractor("suite", "register", str(suite))
        fleet.attractor("profile", "create", "lenient", "--allow", "isolation_unverified")
        yield fleet


def play_slowly(fleet: LivingFleet) -> None:
    """Let trials last longer than what a test does to them meanwhile."""
    slow = QUETZAL.replace("sleep 1.5", "sleep 6")
    suite = write_suite(fleet.folder / "suite", suite=SUITE, quetzal=slow)
    fleet.attractor("suite", "register", str(suite))


def start_run(fleet: LivingFleet, *words: str) -> subprocess.Popen[bytes]:
    """Start a command whose evaluation the pool plays."""
    return subprocess.Popen(
        [*PROGRAM, *words],
        cwd=fleet.project,
        env=fleet.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def count(fleet: LivingFleet, run_id: str) -> Counter[str]:
    """Count what happened to trials."""
    return Counter(event["type"] for event in fleet.events(run_id) if "Trial" in event["type"])


def only_run(fleet: LivingFleet) -> str:
    """Return the run of the project, once it has begun."""
    runs = fleet.project / "runs"
    wait_until(lambda: [*runs.glob("*/events.jsonl")] != [])
    [file] = runs.glob("*/events.jsonl")
    return file.parent.name


def await_started(fleet: LivingFleet, run_id: str, number: int) -> None:
    wait_until(lambda: count(fleet, run_id)["TrialStarted"] >= number, fleet.logs)


@pytest.mark.parametrize("sealed", ["s3://fleet/store", "s3://fleet/store/", "s3://fleet/store/x"])
def test_sealed_suites_are_not_kept_where_all_workers_read(tmp_path: Path, sealed: str) -> None:
    with pytest.raises(UsageError, match="fleet.sealed_store is in fleet.store"):
        Addresses.of(tmp_path, store="s3://fleet/store", sealed=sealed)
    Addresses.of(tmp_path, store="s3://fleet/store", sealed="s3://fleet/store-sealed")


def test_fleet_why_shows_the_trials_of_a_run_until_they_end(
    fleet_desk: FleetDesk,
) -> None:
    trials = "first.evaluation.1.1"
    for name, pool in (("first", "p"), (trials, EVALUATE), ("other", "p")):
        fleet_desk.add(name, pool=pool)
    assert fleet_desk.read("fleet", "head", "fir")["run_id"] == "first"
    assert fleet_desk.read("fleet", "why", "fir")["run_id"] == trials
    fleet_desk.within(lambda fleet: fleet.table.cancel(trials))
    assert fleet_desk.read("fleet", "why", "fir")["run_id"] == "first"


def test_pool_of_evaluations_takes_no_runs(tmp_path: Path, sqlite_template: Path) -> None:
    desk = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    refused = desk.do("run", "pipeline.dot", "--on", "evaluate")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the pool evaluate plays trials only" in refused.stderr


@pytest.mark.crash
def test_trials_survive_their_worker_and_the_process_that_waits_for_them(
    fleet: LivingFleet,
) -> None:
    play_slowly(fleet)
    # Also for a run that never was in the fleet.
    command = start_run(fleet, "run", "pipeline.dot", *RUN)
    run_id = only_run(fleet)
    wait_until(lambda: count(fleet, run_id)["TrialsSent"] == 1, fleet.logs)
    shown = fleet.attractor("fleet", "why", run_id)
    assert f"run {run_id}.evaluation.1.1: queued in pool evaluate" in shown
    assert "change it: attractor worker --pool evaluate" in shown
    shown = fleet.attractor("diagnose", run_id)
    assert f"attractor fleet why {run_id}" in shown
    assert "attractor steer" not in shown
    first = fleet.start_evaluator()
    await_started(fleet, run_id, 1)
    command.kill()
    command.wait()
    resumed = start_run(fleet, "resume", run_id)
    await_started(fleet, run_id, 2)
    fleet.kill(first)
    fleet.start_evaluator()
    assert resumed.wait(PATIENCE_S) == 0
    found = count(fleet, run_id)
    assert found == {"TrialsSent": 1, "TrialStarted": 3, "TrialCompleted": 2, "TrialCut": 1}
    assert "no-go" in fleet.attractor("gate", run_id, code=5)
    fleet.attractor("evaluate", run_id, "--replay-cut", "--reason", "its worker died")
    assert count(fleet, run_id)["TrialStarted"] == 4
    assert "3 of 3 trials satisfied" in fleet.attractor("gate", run_id)
    assert "No problems found" in fleet.attractor("audit", "verify")
    assert "No problems found" in fleet.attractor("fleet", "check", "--deep")
    assert json.loads(fleet.attractor("fleet", "queue", "--json"))["runs"] == []


@pytest.mark.crash
def test_server_evaluates_in_the_pool_whose_workers_leave(fleet: LivingFleet) -> None:
    fleet.start_worker()
    server = fleet.start_server()
    first = fleet.start_evaluator()
    run_id = fleet.begin(*RUN)
    wait_until(lambda: (fleet.project / "runs" / run_id / "events.jsonl").exists())
    await_started(fleet, run_id, 1)
    fleet.kill(server)
    first.send_signal(signal.SIGTERM)
    assert first.wait(PATIENCE_S) == 0
    # It ends its trial, and another worker plays the rest.
    fleet.start_evaluator()
    fleet.start_server()
    wait_until(lambda: count(fleet, run_id)["TrialCompleted"] == 3, fleet.logs)
    assert count(fleet, run_id) == {"TrialsSent": 1, "TrialStarted": 3, "TrialCompleted": 3}
    wait_until(lambda: fleet.status(run_id)["status"] == "awaiting_human", fleet.logs)
    assert "3 of 3 trials satisfied" in fleet.attractor("gate", run_id)


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(counts.count(ci=1, full=20)))
def test_no_kill_plays_a_trial_twice(fleet: LivingFleet, seed: int) -> None:
    chance = random.Random(seed)
    fleet.start_worker()
    run_id = fleet.begin(*RUN)
    worker = fleet.start_evaluator()
    fleet.wait(run_id, "evaluating")
    waiting = start_run(fleet, "resume", run_id)
    for _ in range(3):
        time.sleep(chance.uniform(0.0, 4.0))
        if chance.random() < 0.5:
            waiting.kill()
            waiting.wait()
            waiting = start_run(fleet, "resume", run_id)
        else:
            fleet.kill(worker)
            worker = fleet.start_evaluator()
    assert waiting.wait(PATIENCE_S) in (0, 4), fleet.logs()
    # A run whose evaluation had ended is not resumed again.
    fleet.wait(run_id, "awaiting_human")
    found = count(fleet, run_id)
    assert found["TrialStarted"] == found["TrialCompleted"] + found["TrialCut"] == 3
    assert found["TrialCut"] <= 3
    assert "No problems found" in fleet.attractor("audit", "verify")
    assert "No problems found" in fleet.attractor("fleet", "check", "--deep")


def test_trials_that_cannot_be_played_are_sent_again(fleet: LivingFleet) -> None:
    fleet.start_worker()
    run_id = fleet.begin(*RUN, "--max-duration", "3s")
    fleet.wait(run_id, "evaluating")
    waiting = start_run(fleet, "resume", run_id)
    wait_until(lambda: f"{run_id}.evaluation.1.1" in fleet.attractor("fleet", "queue"))
    for blob in (fleet.folder / "sealed").glob("universes/*/??/??/*"):
        if b"quetzal" in blob.read_bytes():
            blob.unlink()
    fleet.start_evaluator()
    assert waiting.wait(PATIENCE_S) == 4
    assert count(fleet, run_id) == {"TrialsSent": 1}
    # A second try plays until the budget is spent, and a larger budget plays the rest.
    assert "the budget max_duration is exhausted" in fleet.attractor("resume", run_id, code=3)
    played = count(fleet, run_id)
    assert 0 < played["TrialStarted"] == played["TrialCompleted"] < 3
    fleet.attractor("resume", run_id, "--max-duration", "1h")
    found = count(fleet, run_id)
    assert found == {"TrialsSent": 3, "TrialStarted": 3, "TrialCompleted": 3}
    assert "3 of 3 trials satisfied" in fleet.attractor("gate", run_id)


def await_row(fleet: LivingFleet, run_id: str) -> str:
    """Wait until the trials of a run are in the pool; return the name of their row."""
    name = f"{run_id}.evaluation.1.1"
    wait_until(lambda: name in fleet.attractor("fleet", "queue"))
    return name


def cancel_by_command(fleet: LivingFleet, run_id: str) -> None:
    fleet.attractor("cancel", run_id)


def cancel_by_server(fleet: LivingFleet, run_id: str) -> None:
    service = Service.of(fleet.project, fleet.environ)
    cancel_run(service, run_id, Caller("ann", Scope.OPERATE), "")
    service.fleet.close()


@pytest.mark.crash
@pytest.mark.parametrize("cancel", [cancel_by_command, cancel_by_server])
def test_cancel_ends_the_trials_and_records_what_was_played(
    fleet: LivingFleet, cancel: Callable[[LivingFleet, str], None]
) -> None:
    play_slowly(fleet)
    command = start_run(fleet, "run", "pipeline.dot", *RUN)
    run_id = only_run(fleet)
    fleet.start_evaluator()
    await_started(fleet, run_id, 1)
    command.kill()
    command.wait()
    name = f"{run_id}.evaluation.1.1"
    known = fleet.row(name).seq
    # A trial ends, and another one starts.
    wait_until(lambda: fleet.row(name).seq >= known + 2, fleet.logs)
    cancel(fleet, run_id)
    found = count(fleet, run_id)
    assert found["TrialStarted"] == found["TrialCompleted"] + found["TrialCut"] > 1
    # Its worker keeps the files of the trial in flight, but no suite.
    wait_until(lambda: [*fleet.folder.glob("machine-*/fleet/places/*/incidents/*")] != [])
    files = [path for path in fleet.folder.glob("machine-*/**/*") if path.is_file()]
    assert not [path for path in files if b"quetzal" in path.read_bytes()]
    assert json.loads(fleet.attractor("fleet", "queue", "--json"))["runs"] == []


def test_trials_wait_while_the_store_of_suites_is_not_mounted(fleet: LivingFleet) -> None:
    command = start_run(fleet, "run", "pipeline.dot", *RUN)
    run_id = only_run(fleet)
    name = await_row(fleet, run_id)
    store = fleet.folder / "sealed"
    store.rename(fleet.folder / "away")
    fleet.attractor("fleet", "check", code=3)
    assert "does not answer" in fleet.attractor("fleet", "status", code=3)
    fleet.start_evaluator()
    wait_until(lambda: fleet.row(name).reason is not None, fleet.logs)
    assert "its worker cannot reach the store" in fleet.attractor("fleet", "why", run_id)
    assert not store.exists()
    (fleet.folder / "away").rename(store)
    assert command.wait(PATIENCE_S) == 0
    assert count(fleet, run_id)["TrialCompleted"] == 3


def test_row_of_trials_names_no_file_of_a_suite(fleet: LivingFleet) -> None:
    # The largest file is named.
    suite = write_suite(fleet.folder / "suite", suite=SUITE, quetzal=QUETZAL + 20_000 * "#")
    fleet.attractor("suite", "register", str(suite))
    command = start_run(fleet, "run", "pipeline.dot", *RUN)
    name = await_row(fleet, only_run(fleet))
    command.kill()
    command.wait()
    fleet.at_evaluators["ATTRACTOR_FLEET__MAX_HEAD_BYTES"] = "1000"
    fleet.start_evaluator()
    fleet.wait_parked(name)
    assert "quetzal" in fleet.logs()
    assert "quetzal" not in str(fleet.row(name))
    assert "more bytes than a head may have" in fleet.attractor("fleet", "why", name)
