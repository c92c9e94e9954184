"""The server's steps for runs in the fleet, over rows of a real database."""

import json
import os
import shutil
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.files import make_private_folder
from attractor.base.locks import take_slot
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.fleet.dispatch.dispatch import copy_fence
from attractor.fleet.fleet import KEEP_BLOBS_S, Fleet
from attractor.fleet.records import EVALUATE, AttemptEnd, Reason, ReasonKind, RowState
from attractor.pipeline.execute import resume
from attractor.server.fleet.loop import KEEP_ENDED_S
from attractor.server.processes import keyed_work
from tests.cli.fleet_desk import (
    FleetDesk,
    sqlite_template as sqlite_template,  # a fixture
)
from tests.cli.running import attractor
from tests.fleet.runs import ProjectInFleet
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.scenarios.suites import SCENARIO, SUITE, write_suite
from tests.server.conftest import serving
from tests.server.test_fleet_page import PIPELINE, service_of

ENDS = "digraph ends { start [shape=Mdiamond]; done [shape=Msquare]; start -> done }"


def ends(rows: FleetDesk, run: str) -> list[str]:
    """Return the ends of a run in the ledger."""
    entries = Ledger(rows.state).entries(run)
    return [str(one.data["status"]) for one in entries if one.kind == LineKind.ENDED]


def begin(rows: FleetDesk, *words: str) -> str:
    begun = rows.do("run", "pipeline.dot", "--on", "p", *words)
    assert begun.returncode == 0, begun.stderr
    return begun.stdout.strip()


def finish(rows: FleetDesk, run: str) -> None:
    """Let a worker execute a run to its end."""

    async def walk(fleet: Fleet) -> None:
        here = ProjectInFleet(fleet, rows.project)
        project = here.opened.project
        async with here.dispatch.held(run) as root:
            machine = replace(project.machine, state_dir=rows.state, fences=copy_fence)
            await resume(root, replace(project, machine=machine))

    rows.within(walk)
    rows.beat()
    rows.end(run, AttemptEnd(state=RowState.ENDED))


def test_run_that_was_canceled_without_an_owner_is_canceled_here_and_recorded(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    run = begin(rows)
    rows.within(lambda fleet: fleet.table.cancel(run))
    assert rows.run(run).state is RowState.ENDED
    with serving(service_of(rows)) as server, server.client("read") as client:
        wait_until(lambda: ends(rows, run) == ["canceled"])
        assert client.get(f"/pipelines/{run}").json()["status"] == "canceled"


def test_people_are_told_once_of_a_budget_that_is_used_up(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    told = tmp_path / "told"
    settings = f'[notify]\ncommand = "cat >> {told}"\n'
    (rows.project / "attractor.toml").write_text(settings)
    run = begin(rows)
    rows.beat()
    spent = {"stopped": "the budget max_cost_usd is exhausted: 2 of 1"}
    end = AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.BUDGET, spent))
    rows.end(run, end)
    for _ in range(2):
        with serving(service_of(rows)) as server, server.client() as client:
            wait_until(told.exists)
            # Each resume is another attempt, which stops for the same reason.
            assert client.post(f"/api/v1/runs/{run}/resume").json()["taken"]
            wait_until(lambda: rows.run(run).state is RowState.QUEUED)
            rows.end(run, end)
            time.sleep(3)
    [notice] = [json.loads(line) for line in told.read_text().splitlines()]
    assert (notice["kind"], notice["run_id"], notice["text"]) == ("budget", run, spent["stopped"])
    assert notice["command"] == f"attractor resume {run} --max-cost-usd 4.00"


def test_another_server_of_the_state_folder_does_the_work_when_the_first_one_ends(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    first, second = begin(rows), begin(rows)
    told = list[str]()
    with ExitStack() as other:
        other.enter_context(serving(service_of(rows)))
        rows.within(lambda fleet: fleet.table.cancel(first))
        wait_until(lambda: ends(rows, first) == ["canceled"])
        with serving(service_of(rows, told.append)) as server, server.client("read") as client:
            wait_until(lambda: len(told) > 0)
            assert client.get("/api/v1/fleet").json()["faults"] == []
            other.close()
            rows.within(lambda fleet: fleet.table.cancel(second))
            wait_until(lambda: ends(rows, second) == ["canceled"])
    [waits] = told
    assert f"locked by process {os.getpid()}" in waits
    assert ends(rows, first) == ["canceled"]


def test_fault_of_one_run_is_shown_and_keeps_no_other_one_back(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    broken, good = begin(rows), begin(rows)
    project = rows.run(good).project
    rows.add("lost", project=project)
    store = rows.state / "fleet" / "store" / "universes" / "home"
    head = rows.run("lost").head
    (store / head[:2] / head[2:4] / head).unlink()
    rows.beat()
    reason = Reason(ReasonKind.PAUSED, {"stopped": "enough"})
    rows.end("lost", AttemptEnd(state=RowState.PARKED, reason=reason))
    told = list[str]()
    with serving(service_of(rows, told.append)) as server, server.client("read") as client:

        def faults() -> list[str]:
            return client.get("/api/v1/fleet").json()["faults"]

        wait_until(lambda: [one for one in faults() if "no blob" in one] != [])
        rows.within(lambda fleet: fleet.table.cancel(good))
        wait_until(lambda: ends(rows, good) == ["canceled"])
        # Without a whole head, no old blob is removed.
        assert {one.partition(":")[0] for one in faults()} <= {"lost", "old runs and blobs"}
    assert len([line for line in told if line.startswith("fleet, lost: no blob")]) == 1
    assert ends(rows, broken) == []


def test_run_that_ended_is_evaluated_however_long_all_processes_are_taken(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_work, "AGAIN_S", 0.1)
    rows = FleetDesk(tmp_path, sqlite_template, ENDS)
    (rows.project / "attractor.toml").write_text("[server]\nmax_processes = 1\n")
    run = begin(rows)
    finish(rows, run)
    processes = rows.state / "server" / "processes"
    make_private_folder(processes)
    slot = take_slot(processes, 1)
    assert slot
    with serving(service_of(rows)) as server, server.client("read") as client:
        # More tries than an evaluation that fails may have.
        time.sleep(3.0)
        assert client.get("/api/v1/fleet").json()["faults"] == []
        slot.close()
        wait_until(lambda: client.get(f"/pipelines/{run}").json()["status"] == "awaiting_human")


def test_evaluation_in_a_pool_waits_for_the_store_of_sealed_suites(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed_work, "AGAIN_S", 0.1)
    rows = FleetDesk(tmp_path, sqlite_template, ENDS)
    sealed = tmp_path / "sealed"
    (rows.project / "attractor.toml").write_text(f'[fleet]\nsealed_store = "{sealed}"\n')
    scenario = SCENARIO.format(id="a", story="A.").replace("echo milk", "test -e made.txt")
    suite = write_suite(tmp_path / "suite", suite=SUITE.replace("linear", "ends"), a=scenario)
    assert rows.do("suite", "register", str(suite)).returncode == 0
    rows.do("profile", "create", "lenient", "--allow", "isolation_unverified")
    run = begin(rows, "--sandbox", "none", "--suite", "todo", "--profile", "lenient")
    trials = f"{run}.evaluation.1.1"
    sealed.touch()
    service = service_of(rows)
    with serving(service):
        wait_until(lambda: "store" in service.fleet.away)
        finish(rows, run)
        # More tries than an evaluation that fails may have.
        time.sleep(10.0)
        sealed.unlink()
        wait_until(lambda: rows.within(lambda fleet: fleet.table.run(trials)) is not None)
        # Its process ends.
        rows.within(lambda fleet: fleet.table.cancel(trials))
        wait_until(lambda: rows.within(lambda fleet: fleet.table.run(trials)) is None)


def test_run_that_ended_long_ago_leaves_the_fleet_and_stays_in_its_project(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    gone = make_project(tmp_path / "gone", PIPELINE)
    state = {"ATTRACTOR_STATE_DIR": str(rows.state)}
    lost = attractor("run", "pipeline.dot", "--on", "p", folder=gone, variables=state)
    rows.within(lambda fleet: fleet.table.cancel(lost.stdout.strip()))
    old, waiting = begin(rows), begin(rows)
    rows.within(lambda fleet: fleet.table.cancel(old))
    shutil.rmtree(gone)
    with serving(service_of(rows)):
        wait_until(lambda: ends(rows, old) == ["canceled"])
    rows.rig(lambda rig: rig.pass_time(KEEP_ENDED_S + 60))
    # It is done once a day.
    (rows.state / "fleet" / "old-removed").unlink()
    with serving(service_of(rows)) as server, server.client("read") as client:
        wait_until(lambda: rows.within(lambda fleet: fleet.table.run(old)) is None)
        assert client.get(f"/pipelines/{old}").json()["status"] == "canceled"
    assert rows.run(waiting).state is RowState.QUEUED
    assert rows.read("fleet", "check", "--deep")["differences"] == []


def test_rows_of_trials_leave_the_fleet_only_after_a_cancel_of_their_run(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    waiting, canceled = begin(rows), begin(rows)
    trials = {run: f"{run}.evaluation.1.1" for run in (canceled, waiting)}
    rows.within(lambda fleet: fleet.table.cancel(canceled))
    with serving(service_of(rows)):
        wait_until(lambda: ends(rows, canceled) == ["canceled"])
    sealed = {"pool": EVALUATE, "project": rows.run(waiting).project}
    for name in trials.values():
        rows.add(name, **sealed)
    # The pool has played those of the run that goes on; nobody has recorded their results yet.
    rows.within(lambda fleet: fleet.table.cancel(trials[waiting]))
    with serving(service_of(rows)):
        wait_until(lambda: rows.run(trials[canceled]).state is RowState.ENDED)
    rows.rig(lambda rig: rig.pass_time(KEEP_ENDED_S + 60))
    (rows.state / "fleet" / "old-removed").unlink()
    with serving(service_of(rows)):
        wait_until(lambda: rows.within(lambda fleet: fleet.table.run(trials[canceled])) is None)
    assert rows.run(trials[waiting]).state is RowState.ENDED


def test_blobs_that_no_run_has_are_removed_from_the_store_after_a_week(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    begin(rows)

    async def put_two(fleet: Fleet) -> None:
        blobs = await fleet.blobs_of("home")
        await blobs.put(b"old")
        rows.age_blobs(KEEP_BLOBS_S + 60)
        await blobs.put(b"young")

    rows.within(put_two)
    assert rows.read("fleet", "check")["unreached"] == 2
    with serving(service_of(rows)):
        wait_until(lambda: rows.read("fleet", "check")["unreached"] == 1)
    assert rows.read("fleet", "check", "--deep")["differences"] == []
