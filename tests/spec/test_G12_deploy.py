"""G12: a deployment parks without a decision, and changes code and state together."""

from pathlib import Path
from urllib.error import HTTPError

import pytest

from attractor.cli.runs.growth import app_lines
from attractor.growth.api.deployments import describe_app
from attractor.growth.plans.store import PlanState
from tests.growth.deployment.living import NEW_FIELD, Living, make_released
from tests.pipeline.projects import git


def require_proposed_roll_back(app: Living) -> None:
    """Let the running app fail: `grow status` proposes a roll-back, and the app does not change."""
    assert describe_app(app.plane)["changes"] == []
    with pytest.raises(HTTPError):
        app.post("/run/contract_allocation", {})
    shown = "\n".join(app_lines(describe_app(app.plane)))
    errors = "contract_allocation: errors: 1 of 1 runs, before 0 of 0 runs"
    assert f"{errors} (proposal: attractor grow rollback v0)" in shown
    assert app.stage == "v0-2"


def test_plan_parks_for_a_decision_and_is_deployed_after_it(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app", is_generated=True)
    try:
        plan = app.plan(NEW_FIELD)
        rehearsed = app.rehearse(plan)
        parked = app.deploy(plan)
        # Nothing is built twice.
        assert parked.run_id == rehearsed
        assert (parked.stage, parked.waits_for) == ("v0-2", "decision")
        assert (app.state_of(plan), app.stage) == (PlanState.PARKED, "v0")
        assert app.deploy(plan).run_id == parked.run_id
        app.decide(parked.run_id)
        done = app.deploy(plan)
        assert (done.waits_for, app.state_of(plan)) == ("", PlanState.DEPLOYED)
        assert app.get("/health")["spec_hash"] == plan.result.spec_hash
        assert app.records() == [{"id": "b1", "crop": "rye", "soil": "loam"}]
        require_proposed_roll_back(app)
    finally:
        app.stop()
    subjects = git(app.folder, "log", "--format=%s", "-3").splitlines()
    assert subjects == ["Grow to v0-2", "Plan Juvenile v0-2", "Seed"]
    # The plan commit changes the specification only.
    changed = git(app.folder, "diff", "--name-only", "HEAD~2", "HEAD~1").splitlines()
    assert {one.partition("/")[0] for one in changed} == {"spec"}
