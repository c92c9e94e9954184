"""Every command in the runbooks of apps works in the situation of its page."""

import asyncio
import json
from pathlib import Path
from typing import cast

import pytest

from attractor.growth.api import deployments, plans
from attractor.growth.deployment.draft_store import read_feedback
from attractor.growth.deployment.start import start_release
from attractor.growth.deployment.targets import local
from attractor.growth.development import DEVELOPMENT
from attractor.growth.plans.store import PlanState
from tests import examples
from tests.counts import IS_FULL
from tests.growth.deployment.living import NEW_FIELD, Living, make_living, make_released
from tests.growth.deployment.test_draft_store import IDS, current, said, told, write_feedback
from tests.growth.deployment.test_killed_deployments import live
from tests.growth.deployment.test_start import kill_all
from tests.pipeline.projects import git
from tests.test_runbooks import OF_APPS

KILLED, ROLLED_BACK = OF_APPS[:2]
UNANSWERED, DOWN, COLLIDING, UNFIT = OF_APPS[3:]
PLATE = """
[organs.panels]
kind = "surfaces"
nodes = ["interface"]

[[plates]]
organ = "panels"
accepts = ["add_surface", "rename"]
"""


def variables(app: Living) -> dict[str, str]:
    """Return the variables of the commands: the folders of the test, and the token that decides."""
    opened = app.plane.project
    return {
        "HOME": str(app.folder.parent),
        "ATTRACTOR_STATE_DIR": str(opened.machine.state_dir),
        "ATTRACTOR_WORKSPACES_DIR": str(opened.workspaces_dir),
        "ATTRACTOR_TOKEN": app.make_token(),
    }


@pytest.mark.skipif(
    not IS_FULL,
    reason="at full counts only: test_killed_deployments kills and resumes a deployment",
)
def test_killed_deployment_is_resumed(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    plan = app.plan(NEW_FIELD)
    app.decide(app.deploy(plan).run_id)
    try:
        assert live(app, plan, "block.jsonl", "1", "later") != 0
        examples.play(KILLED, app.folder, variables(app))
    finally:
        app.stop()


def test_app_is_rolled_back(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app")
    try:
        runs = [
            app.grow(*morphs).run_id
            for morphs in ([{"type": "add_source", "name": "weather"}], [NEW_FIELD])
        ]
        old = [{"id": f"a{number}", "crop": "rye", "soil": "loam"} for number in range(3)]
        app.post("/data/block", *old, {"id": "b", "crop": "oat", "soil": "clay"})
        write_feedback(current(app).state, said(IDS[0]))
        with (app.folder / DEVELOPMENT).open("a") as file:
            file.write(PLATE)
        git(app.folder, "commit", "--quiet", "--all", "--message", "Let panels grow")
        examples.play(ROLLED_BACK, app.folder, variables(app))
        assert (app.folder / DEVELOPMENT).read_text().endswith(PLATE)
        [record] = (app.plane.folder / "rollbacks").glob("*/rollback.json")
        assert json.loads(record.read_text())["kept"] == ["panels accepts add_surface, rename"]
        assert app.records()[0] == {"id": "a0", "crop": "rye"}
        assert app.records()[-1] == {"id": "b", "crop": "oat"}
        assert [one.words for one in read_feedback(current(app))] == ["Show the drill"]
        shown = deployments.lineage(app.plane)
    finally:
        app.stop()
    assert git(app.folder, "diff", "HEAD~5", "HEAD", "--stat", "--", "spec/nodes") == ""
    stages = cast("list[dict[str, str]]", shown["stages"])
    found = [(one["stage"], one["parent"], one["decided_by"]) for one in stages]
    assert found == [("v0", "", "ann"), ("v0-2", "v0", "ann"), ("v0-3", "v0-2", "ann-decide")]
    assert [one["run_id"] for one in stages[:2]] == runs
    assert stages[-1]["returns_to"] == "v0"


def test_unanswered_feedback_is_answered(tmp_path: Path) -> None:
    hidden = said("7be01c55aa92", "nice\u200b app", release="v0")
    app = told(tmp_path, said("3f9c2a71d0b4", release="v0"), hidden)
    examples.play(UNANSWERED, app.folder, variables(app))
    assert app.stage == "v0"


def test_app_that_is_down_is_started(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    try:
        asyncio.run(start_release(app.plane.project, app.releases, local.part))
        kill_all(app)
        examples.play(DOWN, app.folder, variables(app))
        assert app.records() == [{"id": "b1", "crop": "rye"}]
    finally:
        app.stop()


def test_one_of_two_colliding_plans_is_dropped(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    kept, dropped = app.plan(NEW_FIELD), app.plan({**NEW_FIELD, "default": "clay"})
    examples.play(COLLIDING, app.folder, {**variables(app), "PLAN": dropped.id})
    assert (app.state_of(kept), app.state_of(dropped)) == (PlanState.SIMULATED, PlanState.DROPPED)


def test_value_that_does_not_fit_is_put_aside(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    retype = {"type": "retype_field", "entity": "Block", "field": "crop", "field_type": "boolean"}
    app.plan(retype, is_simulated=False)
    examples.play(UNFIT, app.folder, variables(app))
    [plan] = app.plane.plans.open_plans()
    plans.simulate(app.plane, plan.id)
    assert plans.describe_simulation(app.plane, plan.id)["faults"] == []
