"""Commands that begin, follow and cancel runs, with a real worker."""

import json
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.races import is_time_decided, list_races
from attractor.factory.resources.profiles import make_profile
from attractor.fleet.records import RowState
from tests.counts import count
from tests.factory.flows import HOLDOUT
from tests.factory.resources.stores import register
from tests.fleet.living import PROGRAM, LivingFleet, living
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git
from tests.scenarios.suites import write_suite

QUICK = """digraph quick {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="echo made >> made.txt"]
  start -> make -> done
}
"""
ROUNDS = """digraph rounds {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, max_retries=0, tool_command="echo made >> made.txt"]
  test [shape=parallelogram, max_retries=0, tool_command="test $(wc -l < made.txt) -ge 2"]
  start -> make -> test
  test -> make [condition="outcome=fail", loop_restart=true]
  test -> lose [condition="outcome=success"]
  lose [shape=parallelogram, max_retries=0, tool_command="false"]
  lose -> done
}
"""
ASKS = """digraph asks {
  start [shape=Mdiamond]; done [shape=Msquare]
  ask [shape=hexagon, label="Good?"]
  wait [shape=parallelogram, tool_command="sleep 600"]
  start -> ask -> wait [label="[Y] Yes"]
  wait -> done
}
"""


@pytest.mark.crash
def test_followed_run_is_delivered_and_shown_as_any_other(tmp_path: Path) -> None:
    with living(tmp_path, QUICK) as fleet:
        fleet.start_worker()
        shown = fleet.attractor("run", "pipeline.dot", "--on", "agents", "--follow")
        run_id = shown.split()[0]
        assert f"run {run_id}: success: completed" in shown
        assert f"git merge attractor/run/{run_id}" in shown
        assert git(fleet.project, "show", f"attractor/run/{run_id}:made.txt") == "made\n"
        assert "No problems found" in fleet.attractor("fleet", "check", "--deep")


@pytest.mark.crash
def test_logs_follow_a_run_on_a_worker_and_fork_begins_with_its_last_commit(
    tmp_path: Path,
) -> None:
    with living(tmp_path, QUICK) as fleet:
        followed, forked = fleet.begin(), fleet.begin()
        fleet.start_worker()
        lines = fleet.attractor("logs", followed, "--follow", "--json").splitlines()
        assert [json.loads(line) for line in lines] == fleet.events(followed)
        assert "make" in fleet.stages(followed)
        wait_until(lambda: fleet.row(forked).state is RowState.ENDED, fleet.logs)
        other = json.loads(fleet.attractor("fork", forked, "make", "--json").splitlines()[-1])
        assert (other["parent"], other["outcome"]) == (forked, "success")
        made = git(fleet.project, "show", f"attractor/run/{other['run_id']}:made.txt")
        assert made == "made\n"


@pytest.mark.crash
def test_logs_show_what_a_worker_has_not_committed_yet_and_nothing_twice(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    source = QUICK.replace("echo made", f"until test -e {flag}; do sleep 0.1; done; echo made")
    with living(tmp_path, source) as fleet:
        run_id = fleet.begin("--sandbox", "none")
        fleet.start_worker()
        shown = tmp_path / "shown"
        with shown.open("w") as file:
            follower = subprocess.Popen(
                [*PROGRAM, "logs", run_id, "--follow"],
                cwd=fleet.project,
                env=fleet.environ,
                stdout=file,
            )
        wait_until(lambda: re.search("^~ .*make", shown.read_text(), re.M) is not None, fleet.logs)
        assert "make" not in fleet.stages(run_id)
        flag.touch()
        follower.wait(PATIENCE_S)
        lines = [line.removeprefix("~ ") for line in shown.read_text().splitlines()]
        assert len([line for line in lines if "make" in line and "start" in line]) == 1
        assert "make" in fleet.stages(run_id)


@pytest.mark.crash
def test_worker_cancels_the_run_that_it_executes(tmp_path: Path) -> None:
    with living(tmp_path, ASKS) as fleet:
        fleet.start_worker()
        shown = fleet.attractor("run", "pipeline.dot", "--on", "agents", "--follow", code=3)
        run_id = shown.split()[0]
        assert f"waits for the answer of a person\n  continue: attractor answer {run_id}" in shown
        fleet.attractor("resume", run_id, code=4)
        fleet.attractor("answer", run_id, "Yes")
        wait_until(lambda: fleet.row(run_id).owner != "", fleet.logs)
        done = fleet.attractor("cancel", run_id, "--reason", "no longer needed")
        assert f"run {run_id}: canceled by its worker" in done
        ended = fleet.status(run_id)
        assert (ended["status"], ended["reason"][-16:]) == ("canceled", "no longer needed")
        assert not (fleet.project / "runs" / run_id / "elsewhere.json").exists()
        assert ends(fleet, run_id) == ["canceled"]


@pytest.mark.crash
def test_end_of_a_run_that_failed_on_a_worker_is_recorded_once(tmp_path: Path) -> None:
    with living(tmp_path, QUICK.replace("echo made >> made.txt", "false")) as fleet:
        fleet.start_worker()
        followed = fleet.attractor("run", "pipeline.dot", "--on", "agents", "--follow", code=1)
        assert ends(fleet, followed.split()[0]) == ["failed"]
        run_id = fleet.begin()
        fleet.wait(run_id, "failed")
        assert ends(fleet, run_id) == []
        for _ in range(2):
            fleet.attractor("resume", run_id, code=4)
            assert ends(fleet, run_id) == ["failed"]


@pytest.mark.crash
def test_round_that_failed_on_a_worker_is_recorded_with_the_one_before_it(tmp_path: Path) -> None:
    with living(tmp_path, ROUNDS) as fleet:
        fleet.start_worker()
        followed = fleet.attractor("run", "pipeline.dot", "--on", "agents", "--follow", code=1)
        first = followed.split()[0]
        last = fleet.status(first)["restarted_as"]
        assert f"run {last}: fail" in followed
        assert (ends(fleet, first), ends(fleet, last)) == (["canceled"], ["failed"])


def ends(fleet: LivingFleet, run_id: str) -> list[str]:
    """Return the ends of a run in the ledger."""
    entries = Ledger(fleet.folder / "state").entries(run_id)
    return [str(one.data["status"]) for one in entries if one.kind == LineKind.ENDED]


JUDGED = ("--on", "agents", "--suite", "todo", "--profile", "lenient")


def begin_judged(fleet: LivingFleet) -> OpenProject:
    """Register a suite and a profile for the attempts of a race."""
    opened = open_project(fleet.project, fleet.environ)
    suite = write_suite(fleet.folder / "suite", made=HOLDOUT.format(wanted="made"))
    register(opened.suites, suite, now=opened.now())
    profile = make_profile("lenient", ("isolation_unverified",))
    opened.profiles.create(profile, by="ann", now=opened.now())
    return opened


@pytest.mark.crash
def test_attempts_of_a_race_are_executed_by_workers_and_judged_here(tmp_path: Path) -> None:
    with living(tmp_path, QUICK.replace("digraph quick", "digraph linear")) as fleet:
        opened = begin_judged(fleet)
        fleet.start_worker()
        fleet.attractor("race", "pipeline.dot", "--attempts", "2", *JUDGED)
        shown = json.loads(fleet.attractor("race", "show", "--json"))
        assert (shown["pool"], shown["winner"] != "", shown["ended"]) == ("agents", True, True)
        runs = [one["run_id"] for one in shown["attempts"]]
        assert [one["verdict"] for one in shown["attempts"]] == ["go", "go"]
        assert [fleet.row(run_id).pool for run_id in runs] == ["agents"] * 2
        assert len(list(opened.ledger.mentioning("race_begun"))) == 1


@pytest.mark.crash
@pytest.mark.parametrize("kill", [None, *range(1, 1 + count(ci=1, full=8))])
def test_first_go_cancels_attempts_that_work_and_wait_in_the_fleet(
    tmp_path: Path, kill: int | None
) -> None:
    flag = tmp_path / "flag"
    once = f"mkdir {flag} && echo made > made.txt || sleep 600"
    source = QUICK.replace("digraph quick", "digraph linear")
    with living(tmp_path, source.replace("echo made >> made.txt", once)) as fleet:
        opened = begin_judged(fleet)
        # One attempt after the other: after the first one has ended, one works and one waits.
        fleet.start_worker("--slots", "1")
        words = ("race", "pipeline.dot", "--attempts", "3", "--stop", "first_go", *JUDGED)
        if kill is None:
            shown = fleet.attractor(*words, "--sandbox", "none")
        else:
            command = (*PROGRAM, *words, "--sandbox", "none")
            race = subprocess.Popen(command, cwd=fleet.project, env=fleet.environ)
            wait_until(flag.exists, fleet.logs)
            time.sleep(random.Random(kill).uniform(0, 8))
            race.kill()
            race.wait()
            shown = fleet.attractor("race", "resume")
        assert "time decided: the first go ended the race" in shown
        [listed] = list_races(opened.ledger, opened.identity.project_id())
        assert listed.results is not None
        assert is_time_decided(listed.race, listed.results)
        by_status = sorted((one.status, one.verdict) for one in listed.results)
        assert by_status == [("awaiting_human", "go"), ("canceled", ""), ("canceled", "")]
        assert len(list(opened.ledger.mentioning("race_ended"))) == 1
        lost = [one.run_id for one in listed.results if not one.verdict]
        assert [ends(fleet, run_id) for run_id in lost] == [["canceled"]] * 2
        assert [fleet.row(run_id).state for run_id in lost] == [RowState.ENDED] * 2


@pytest.mark.crash
def test_run_of_an_automation_is_executed_by_a_worker(tmp_path: Path) -> None:
    with living(tmp_path, QUICK) as fleet:
        create = ("automation", "create", "nightly", "pipeline.dot", "--cron", "0 3 * * *")
        fleet.attractor(*create, "--on", "agents")
        run_id = fleet.attractor("automation", "run", "nightly").split()[0]
        assert fleet.row(run_id).pool == "agents"
        [start] = json.loads(fleet.attractor("automation", "show", "nightly", "--json"))["starts"]
        assert (start["run_id"], start["state"]) == (run_id, "begun")
        fleet.start_worker()
        wait_until(lambda: fleet.row(run_id).state is RowState.ENDED, fleet.logs)
        assert "success" in fleet.attractor("resume", run_id)
