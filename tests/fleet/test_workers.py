"""Real workers execute, move, lose and give back runs: each one is a `SiteAttempt`."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from attractor.fleet.records import ReasonKind
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.base.running import command_lines
from tests.fleet.living import LivingFleet, living
from tests.fleet.postgres import Cluster
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git
from tests.prepared import plain
from tests.spec.runs import between
from tests.spec.test_account_limits import LIMITED, MODEL, reset_in

GATE = """digraph gate {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="echo made >> made.txt"]
  ask [shape=hexagon, label="Good?"]
  more [shape=parallelogram, tool_command="cat readme.txt made.txt > both.txt"]
  start -> make -> ask
  ask -> more [label="[Y] Yes"]
  ask -> make [label="[N] No"]
  more -> done
}
"""
SLOW = """digraph slow {
  start [shape=Mdiamond]; done [shape=Msquare]
  one [shape=parallelogram, tool_command="echo 1 >> steps.txt"]
  two [shape=parallelogram,
    tool_command="until test -e FLAG; do sleep 0.1; done; echo 2 >> steps.txt"]
  three [shape=parallelogram, tool_command="echo 3 >> steps.txt"]
  start -> one -> two -> three -> done
}
"""


def test_run_waits_without_a_process_and_goes_on_after_the_answer(tmp_path: Path) -> None:
    with living(tmp_path, GATE) as fleet:
        run_id = fleet.begin()
        fleet.start_worker()
        fleet.wait_parked(run_id)
        wait_until(lambda: not processes_of(run_id), lambda: processes_of(run_id))
        fleet.attractor("answer", run_id, "No")
        fleet.wait_parked(run_id)
        fleet.attractor("answer", run_id, "Yes")
        fleet.wait(run_id, "evaluating")
        assert fleet.stages(run_id) == ["start", "make", "ask", "make", "ask", "more"]
        fleet.attractor("resume", run_id)
        shown = git(fleet.project, "show", f"attractor/run/{run_id}:both.txt")
        assert shown == "hello\nmade\nmade\n"
        assert "No problems found" in fleet.attractor("audit", "verify")


ROUNDS = """digraph rounds {
  start [shape=Mdiamond]; done [shape=Msquare]
  work [shape=parallelogram, tool_command="test -e r.txt || { touch r.txt; exit 1; }"]
  ask [shape=hexagon, label="Good?"]
  start -> work
  work -> work [condition="outcome=fail", loop_restart=true]
  work -> ask [condition="outcome=success"]
  ask -> done [label="[Y] Yes"]
}
"""


def test_question_of_a_restart_is_answered_by_the_id_of_either_run(tmp_path: Path) -> None:
    with living(tmp_path, ROUNDS) as fleet:
        run_id = fleet.begin("--sandbox", "none")
        fleet.start_worker()
        fleet.wait_parked(run_id)
        fleet.status(run_id)
        [restart] = [one.name for one in (fleet.project / "runs").glob("0*") if one.name != run_id]
        assert "Good?" in fleet.attractor("answer", restart)
        fleet.attractor("answer", restart, "Yes")
        fleet.wait(restart, "evaluating")
        fleet.attractor("resume", run_id)
        assert "No problems found" in fleet.attractor("audit", "verify")


def processes_of(run_id: str) -> list[str]:
    """Return the commands of the processes that execute a run."""
    return [" ".join(words) for words in command_lines().values() if run_id in words]


def begin_slow(fleet: LivingFleet, flag: Path, *words: str) -> str:
    """Begin a run that stays in its second stage until a file exists."""
    file = fleet.project / "pipeline.dot"
    file.write_text(SLOW.replace("FLAG", str(flag)))
    git(fleet.project, "commit", "--quiet", "--all", "--message", "Slow")
    return fleet.begin("--sandbox", "none", *words)


@pytest.mark.crash
def test_another_worker_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with living(tmp_path, SLOW) as fleet:
        run_id = begin_slow(fleet, flag)
        first = fleet.start_worker()
        wait_until(lambda: "start" in fleet_stages(fleet, run_id), fleet.logs)
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        fleet.start_worker()
        fleet.kill(first)
        flag.touch()
        fleet.wait(run_id, "evaluating")
        assert fleet.stages(run_id) == ["start", "one", "two", "three"]
        fleet.attractor("resume", run_id)
        assert git(fleet.project, "show", f"attractor/run/{run_id}:steps.txt") == "1\n2\n3\n"


def fleet_stages(fleet: LivingFleet, run_id: str) -> list[str]:
    fleet.status(run_id)
    return [*fleet.stages(run_id)]


@pytest.mark.crash
def test_frozen_worker_commits_nothing_after_it_wakes(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with living(tmp_path, SLOW) as fleet:
        run_id = begin_slow(fleet, flag)
        first = fleet.start_worker()
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        os.kill(first.pid, signal.SIGSTOP)
        fleet.start_worker()
        wait_until(lambda: "takes over" in fleet.logs(), fleet.logs)
        flag.touch()
        fleet.wait(run_id, "evaluating")
        before = fleet.events(run_id)
        os.kill(first.pid, signal.SIGCONT)
        wait_until(lambda: not processes_of(run_id), fleet.logs)
        fleet.status(run_id)
        assert fleet.events(run_id) == before
        assert [*fleet.stages(run_id)] == ["start", "one", "two", "three"]


def test_drained_worker_ends_its_stage_and_another_one_goes_on(tmp_path: Path) -> None:
    flag, shared = tmp_path / "flag", tmp_path / "shared"
    shared.mkdir()
    with living(tmp_path, SLOW, at_workers={"ATTRACTOR_WORKSPACES_DIR": str(shared)}) as fleet:
        run_id = begin_slow(fleet, flag)
        first = fleet.start_worker()
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        assert [*shared.iterdir()] != []
        first.terminate()
        time.sleep(1.5)
        flag.touch()
        assert first.wait(PATIENCE_S) == 0, fleet.logs()
        assert [*shared.iterdir()] == []
        fleet.start_worker()
        fleet.wait(run_id, "evaluating")
        assert fleet.stages(run_id) == ["start", "one", "two", "three"]
        started = [one for one in fleet.events(run_id) if one["type"] == "StageStarted"]
        assert [one["node"] for one in started] == ["start", "one", "two", "three"]


def test_worker_of_another_fleet_leaves_the_files_of_this_one(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with living(tmp_path, SLOW) as fleet:
        run_id = begin_slow(fleet, flag)
        fleet.start_worker()
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        fleet.at_workers["ATTRACTOR_STATE_DIR"] = str(tmp_path / "machine-0")
        fleet.at_workers["ATTRACTOR_FLEET__URL"] = f"sqlite:///{tmp_path / 'other.sqlite'}"
        fleet.at_workers["ATTRACTOR_FLEET__STORE"] = str(tmp_path / "other")
        other = fleet.start_worker()
        wait_until(lambda: fleet.id_of(other) != "", fleet.logs)
        flag.touch()
        fleet.wait(run_id, "evaluating")
        assert fleet.stages(run_id) == ["start", "one", "two", "three"]


def test_worker_without_its_database_ends_after_two_signals(
    tmp_path: Path, cluster: Cluster
) -> None:
    with living(tmp_path, SLOW, database=cluster.new_database()) as fleet:
        run_id = begin_slow(fleet, tmp_path / "flag")
        worker = fleet.start_worker()
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        with cluster.stopped():
            for _ in range(2):
                worker.terminate()
                time.sleep(1.0)
            assert worker.wait(timeout=PATIENCE_S) == 130, fleet.logs()


def test_run_whose_store_is_away_says_so_until_it_is_back(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with living(tmp_path, SLOW) as fleet:
        run_id = begin_slow(fleet, flag)
        fleet.start_worker()
        wait_until(lambda: "one" in fleet_stages(fleet, run_id), fleet.logs)
        store = Path(fleet.environ["ATTRACTOR_FLEET__STORE"])
        away = store.rename(store.with_name("away"))
        flag.touch()
        wait_until(lambda: fleet.row(run_id).reason is not None, fleet.logs)
        reason = json.loads(fleet.attractor("fleet", "why", run_id, "--json"))["reason"]
        assert reason["kind"] == "store_unreachable"
        assert reason["command"] == "attractor fleet status"
        assert "the store is not there" in fleet.attractor("fleet", "status", code=3)
        away.rename(store)
        wait_until(lambda: fleet.row(run_id).reason is None, fleet.logs)
        fleet.wait(run_id, "evaluating")
        assert fleet.stages(run_id) == ["start", "one", "two", "three"]


def test_run_at_a_limit_of_its_account_takes_no_process_until_the_reset(tmp_path: Path) -> None:
    rules = LIMITED.format(times=1, message=reset_in(20), wait="", delay="0s")
    ask = 'ask [shape=box, type=prompt, prompt="How many?"]'
    pipeline = between(ask, "start -> ask -> exit")
    with (
        in_background(ProviderTwin(parse_script(rules))) as twin,
        living(tmp_path, pipeline, more=plain(twin.environ())) as fleet,
    ):
        run_id = fleet.begin("--backend", "agent", "--model", MODEL, "--sandbox", "none")
        fleet.start_worker()
        fleet.wait_parked(run_id)
        row = fleet.row(run_id)
        assert row.reason
        assert row.reason.kind is ReasonKind.LIMIT
        wait_until(lambda: not processes_of(run_id), fleet.logs)
        # Another worker of this machine knows the limit, too.
        fleet.at_workers["ATTRACTOR_STATE_DIR"] = str(tmp_path / "machine-0")
        other = fleet.start_worker()
        wait_until(lambda: fleet.id_of(other) != "", fleet.logs)
        assert [*tmp_path.glob("machine-0/fleet/places/accounts/*.json")] != []
        fleet.wait(run_id, "evaluating")
