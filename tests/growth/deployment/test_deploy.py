"""Plans that may not be deployed, dropped plans, roll-backs and variants."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from attractor.base.errors import AttractorError, ExitCode, NoGo, Refused
from attractor.base.locks import FileLock
from attractor.factory.decisions.decide import DecisionKind
from attractor.growth.api.plans import check, drop, rebase, simulate
from attractor.growth.deployment.app_supervisor import app_process
from attractor.growth.deployment.history import read_history
from attractor.growth.deployment.requirements import NotDeployable
from attractor.growth.deployment.targets import local
from attractor.growth.development import DEVELOPMENT
from attractor.growth.errors import AppFailed
from attractor.growth.lineage import next_stage, read_stages, write_stage
from attractor.growth.plans.plan import Plan
from attractor.growth.plans.store import DEPLOYMENT, DEPLOYMENT_LOCK, PlanState
from attractor.growth.simulation.report import Depth, read_simulation, save_simulation
from attractor.supervision.process import ProcessStatus
from tests.copies import copies
from tests.growth.deployment.life import live
from tests.growth.deployment.living import NEW_FIELD, Living, make_released
from tests.growth.test_lineage import plan_of
from tests.pipeline.projects import git


@pytest.fixture
def app() -> Living:
    folder = copies().empty_folder()
    copies().take(folder, "released", lambda: _make(folder))
    return Living(folder / "app")


def _make(folder: Path) -> None:
    make_released(folder / "app")


def test_plan_without_a_fitting_simulation_is_refused(app: Living) -> None:
    plan = app.plan(NEW_FIELD)
    [report] = app.plane.plans.folder_of(plan.id).glob("simulation/*/report.json")
    whole = read_simulation(report.parent)
    moved = whole.migration.model_copy(update={"fault": "loses a record"})
    faulty = whole.model_copy(update={"migration": moved})
    pins = whole.pins.model_copy(update={"plan_hash": "0" * 64})
    other = whole.model_copy(update={"pins": pins})
    for simulation, message, hint in (
        (
            faulty,
            "shows a fault: loses a record",
            f"see all faults: attractor grow simulate {plan.id}",
        ),
        (other, "no simulation", f"attractor grow simulate {plan.id}"),
    ):
        save_simulation(simulation, report.parent)
        with pytest.raises(Refused, match=message) as refused:
            app.deploy(plan)
        assert refused.value.exit_code is ExitCode.REFUSED
        assert hint in refused.value.hint
    risky = app.plan({"type": "drop_field", "entity": "Block", "field": "crop"})
    with pytest.raises(Refused, match="no rehearsal"):
        app.deploy(risky)
    assert {app.state_of(one) for one in (plan, risky)} == {PlanState.OPEN, PlanState.SIMULATED}


def test_plan_without_the_address_of_a_service_is_refused(app: Living) -> None:
    source = {"type": "add_source", "name": "Calendar"}
    step = {"type": "add_step", "name": "Look", "after": "phi_gate", "reads": ["Calendar"]}
    plan = app.plan(source, step, is_simulated=False)
    with pytest.raises(Refused, match=r"growth.adapters.calendar.url is not set"):
        app.deploy(plan)


OTHER = {"type": "add_field", "entity": "Block", "name": "soil", "default": "clay"}


def test_colliding_and_stale_plans_are_refused(app: Living) -> None:
    plan = app.plan(NEW_FIELD)
    other = app.plan(OTHER)
    with pytest.raises(Refused, match=f"{plan.id} collides with {other.id}"):
        app.deploy(plan)
    app.plane.plans.drop(other.id, "not wanted")
    (app.folder / "spec/nodes/device/web.json").unlink()
    section = app.folder / "spec/nodes/section/deployment.json"
    record: dict[str, Any] = json.loads(section.read_text())
    record["edges"]["contains"].remove("web")
    section.write_text(json.dumps(record))
    with pytest.raises(Refused, match="stale_base") as refused:
        app.deploy(plan)
    assert f"attractor grow rebase {plan.id}" in refused.value.hint


def follow(app: Living, command: str) -> None:
    """Do what a printed command says; another command than these fails."""
    program, verb, *words = shlex.split(command)
    if verb == "grow":
        verb, *words = words
    assert program == "attractor"
    steps: dict[str, Callable[[str], object]] = {
        "drop": lambda id_: drop(app.plane, id_),
        "deploy": lambda id_: app.deploy(app.plane.plans.load(id_)),
        "decide": app.decide,
    }
    steps[verb](words[0])


def test_way_out_of_a_collision_works_step_by_step(app: Living) -> None:
    plan, other = app.plan(NEW_FIELD), app.plan(OTHER)
    with pytest.raises(Refused, match="collides with") as refused:
        app.deploy(plan)
    follow(app, refused.value.hint.partition(": ")[2])
    taken: list[str] = []
    while command := str(check(app.plane, plan.id)["next"]):
        taken.append(command.split()[1])
        follow(app, command)
    assert taken == ["grow", "decide", "grow"]
    states = (app.state_of(plan), app.state_of(other))
    assert (states, app.stage) == ((PlanState.DEPLOYED, PlanState.DROPPED), "v0-2")
    assert app.records() == [{"id": "b1", "crop": "rye", "soil": "loam"}]
    app.stop()


def test_way_out_of_a_collision_with_a_deployment_drops_the_other_plan(app: Living) -> None:
    plan, deployed = app.plan(NEW_FIELD), app.plan(OTHER)
    folder = app.plane.plans.folder_of(deployed.id)
    (folder / DEPLOYMENT).write_text('{"state":"deploying"}\n')
    with FileLock(folder / DEPLOYMENT_LOCK):
        with pytest.raises(Refused, match="collides with") as refused:
            app.deploy(plan)
        found = cast("list[dict[str, str]]", check(app.plane, plan.id)["collisions"])
        remedy = refused.value.hint.partition(": ")[2]
        assert [one["remedy"] for one in found] == [remedy]
        follow(app, remedy)
    assert app.state_of(plan) is PlanState.DROPPED
    assert check(app.plane, deployed.id)["collisions"] == []


def change_crew(app: Living, before: str, after: str) -> None:
    """Commit another pipeline of the crew."""
    crew = app.folder / "pipelines" / "crew.dot"
    crew.write_text(crew.read_text().replace(before, after))
    git(app.folder, "commit", "--quiet", "--all", "--message", "Crew")


def test_no_go_and_rejection_deploy_nothing(app: Living) -> None:
    change_crew(app, "ls packages spec/lineage", "echo nothing")
    plan = app.plan(NEW_FIELD)
    with pytest.raises(NoGo, match="unresolved_failure") as refused:
        app.deploy(plan)
    assert refused.value.exit_code is ExitCode.NO_GO
    assert app.state_of(plan) is PlanState.PARKED
    run_id = refused.value.hint.rpartition(" ")[2]
    assert f"attractor decide {run_id} --reject" in str(check(app.plane, plan.id)["next"])
    app.decide(run_id, DecisionKind.REJECTED)
    assert check(app.plane, plan.id)["next"] == f"attractor grow deploy {plan.id}"
    with pytest.raises(NoGo, match="was rejected"):
        app.deploy(plan)
    assert (app.state_of(plan), app.stage) == (PlanState.DROPPED, "v0")
    assert git(app.folder, "log", "-1", "--format=%s") == "Crew\n"


@pytest.mark.parametrize("path", ["spec/nodes/domain/domain.json", "spec/lineage/v0.json"])
def test_gate_stops_a_tree_with_an_edited_specification_or_lineage(app: Living, path: str) -> None:
    built = "> app/built.txt"
    change_crew(app, built, f"{built} && echo >> {path}")
    with pytest.raises(NoGo, match="protected_path"):
        app.deploy(app.plan(NEW_FIELD))
    assert app.stage == "v0"


def test_decision_is_asked_for_after_the_tree_was_found_clean(app: Living) -> None:
    notes = app.folder / "notes.txt"
    notes.write_text("old\n")
    git(app.folder, "add", "--all")
    git(app.folder, "commit", "--quiet", "--message", "Notes")
    plan = app.plan(NEW_FIELD)
    notes.write_text("half written\n")
    with pytest.raises(Refused, match=r"uncommitted changes.*: notes.txt") as refused:
        app.deploy(plan)
    # Nothing was built.
    assert git(app.folder, "branch", "--list", "attractor/run/*") == ""
    assert check(app.plane, plan.id)["next"] == f"attractor grow deploy {plan.id}"
    app.rehearse(plan)
    with pytest.raises(Refused, match=r"uncommitted changes.*: notes.txt"):
        app.deploy(plan)
    assert app.state_of(plan) is PlanState.INTERRUPTED
    stash = refused.value.hint.partition(": ")[2].partition(";")[0]
    assert refused.value.hint.endswith(f"; then: attractor grow deploy {plan.id}")
    subprocess.run(shlex.split(stash), check=True)
    parked = app.deploy(plan)
    assert parked.waits_for == "decision"
    app.decide(parked.run_id)
    git(app.folder, "stash", "pop")
    with pytest.raises(Refused, match=r"uncommitted changes.*: notes.txt"):
        app.deploy(plan)
    subprocess.run(shlex.split(stash), check=True)
    assert app.deploy(plan).stage == "v0-2"
    app.stop()


def test_plan_whose_run_always_fails_is_dropped(app: Living) -> None:
    change_crew(app, "ls packages spec/lineage", "exit 1")
    plan = app.plan(NEW_FIELD)
    for _ in range(2):
        with pytest.raises(AttractorError):
            app.deploy(plan)
        assert app.state_of(plan) is PlanState.FAILED
    assert check(app.plane, plan.id)["next"] == f"attractor grow deploy {plan.id}"
    assert rebase(app.plane, plan.id)["plan_id"] == plan.id
    assert drop(app.plane, plan.id)["state"] == "dropped"
    for depth in Depth:
        with pytest.raises(NotDeployable, match="was dropped"):
            simulate(app.plane, plan.id, depth)


def test_record_that_does_not_fit_is_corrected_in_the_app(app: Living) -> None:
    file = app.folder / DEVELOPMENT
    file.write_text(f'{file.read_text()}\n[rules.retype_field]\nrisk = "low"\n')
    git(app.folder, "commit", "--all", "--quiet", "--message", "Lower the risk")
    retype = {"type": "retype_field", "entity": "Block", "field": "crop", "field_type": "boolean"}
    app.start(os.environ)
    app.post("/data/block", {"id": "b1", "crop": "true"})
    plan = app.plan(retype)
    app.decide(app.deploy(plan).run_id)
    app.post("/data/block", {"id": "b1", "crop": "rye"})
    with pytest.raises(Refused, match="block/b1: crop is not of type boolean") as refused:
        app.deploy(plan)
    assert refused.value.exit_code is ExitCode.REFUSED
    assert f"correct them in it, then: attractor grow deploy {plan.id}" in refused.value.hint
    # The app was started again after the refusal.
    assert (app.stage, app.records()) == ("v0", [{"id": "b1", "crop": "rye"}])
    app.post("/data/block", {"id": "b1", "crop": "true"})
    app.deploy(plan)
    assert (app.stage, app.records()) == ("v0-2", [{"id": "b1", "crop": True}])
    app.stop()


def killed(app: Living, word: str) -> Plan:
    """Deploy a plan in a process that dies at its first call that contains a word."""
    plan = app.plan(NEW_FIELD)
    app.decide(app.deploy(plan).run_id)
    assert live(app, plan, word, "1") == -signal.SIGKILL
    assert app.state_of(plan) is PlanState.INTERRUPTED
    return plan


def test_plan_is_dropped_after_a_kill_before_its_promotion(app: Living) -> None:
    plan = killed(app, "block.jsonl")
    with (
        FileLock(app.plane.plans.folder_of(plan.id) / DEPLOYMENT_LOCK),
        pytest.raises(Refused, match=f"locked by process {os.getpid()} ") as refused,
    ):
        drop(app.plane, plan.id)
    assert refused.value.exit_code is ExitCode.REFUSED
    assert drop(app.plane, plan.id)["next"] == ""
    with pytest.raises(Refused, match="was dropped"):
        app.deploy(plan)
    assert git(app.folder, "log", "-1", "--format=%s") == "Seed\n"


def test_plan_is_dropped_after_a_kill_between_promotion_and_switch(app: Living) -> None:
    plan = killed(app, "current.new")
    assert git(app.folder, "log", "-1", "--format=%s") == "Grow to v0-2\n"
    command, *words = shlex.split(str(drop(app.plane, plan.id)["next"]))
    assert command == "git"
    with pytest.raises(Refused, match="was dropped"):
        app.deploy(plan)
    git(app.folder, *words)
    assert git(app.folder, "diff", "--stat", "HEAD", ":/^Seed") == ""
    run_id = app.grow(OTHER).run_id
    assert [one.run_id for one in asyncio.run(read_history(app.plane.project))] == ["", run_id]
    assert (app.stage, app.records()) == ("v0-2", [{"id": "b1", "crop": "rye", "soil": "clay"}])
    app.stop()


def test_plan_whose_release_runs_is_rolled_back_and_not_dropped(app: Living) -> None:
    plan = killed(app, "app_supervisor")
    with pytest.raises(Refused, match="is deployed") as refused:
        drop(app.plane, plan.id)
    assert refused.value.hint == "undo it: attractor grow rollback"
    app.deploy(plan)
    assert (app.stage, app.state_of(plan)) == ("v0-2", PlanState.DEPLOYED)
    app.stop()


def test_failed_deployment_starts_the_old_release_unless_a_person_had_stopped_it(
    app: Living, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: object) -> None:
        raise AppFailed("the new app is not healthy")

    plan = app.plan(NEW_FIELD)
    app.decide(app.deploy(plan).run_id)
    monkeypatch.setattr("attractor.growth.deployment.deploy.transfer", fail)
    try:
        app.start(os.environ)
        with pytest.raises(AppFailed, match="the new app"):
            app.deploy(plan)
        assert (app.get("/health")["ok"], app.stage) == (True, "v0")
        local.stop(app.releases)
        with pytest.raises(AppFailed, match="the new app"):
            app.deploy(plan)
        assert app_process(app.releases.folder).status is ProcessStatus.NONE
    finally:
        app.stop()


def test_roll_back_without_an_earlier_stage_is_refused(app: Living) -> None:
    with pytest.raises(Refused, match="there is no stage to roll back to"):
        app.roll_back()


def test_variant_is_a_branch_and_is_not_released(app: Living) -> None:
    plan = app.plan({"type": "add_source", "name": "weather"})
    run_id = app.deploy(plan, variant="dry").run_id
    assert f"attractor decide {run_id} --approve" in str(check(app.plane, plan.id)["next"])
    app.decide(run_id)
    again = f"attractor grow deploy {plan.id} --variant dry"
    assert check(app.plane, plan.id)["next"] == again
    with pytest.raises(Refused, match="is already approved") as refused:
        app.decide(run_id)
    assert refused.value.hint.endswith(f"next: {again}")
    done = app.deploy(plan, variant="dry")
    assert (done.stage, done.url, app.stage) == ("v0a", "", "v0")
    assert git(app.folder, "log", "-1", "--format=%s", "dry") == "Grow to v0a\n"
    assert git(app.folder, "log", "-1", "--format=%s", "main") == "Seed\n"


def test_stage_after_a_promoted_one_that_never_ran_is_refused(app: Living) -> None:
    stages = read_stages(app.folder)
    write_stage(next_stage(stages, plan_of({"type": "add_source", "name": "new"})), app.folder)
    git(app.folder, "add", "--all")
    git(app.folder, "commit", "--quiet", "--message", "Promoted by a deployment that was killed")
    plan = app.plan(NEW_FIELD)
    app.decide(app.deploy(plan).run_id)
    with pytest.raises(Refused, match="v0-3 follows v0-2, and v0 runs"):
        app.deploy(plan)
    assert app.stage == "v0"
