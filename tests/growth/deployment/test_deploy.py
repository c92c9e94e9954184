from pathlib import Path

from attractor.growth.plans.store import PlanState
from tests.growth.deployment.living import NEW_FIELD, make_living
from tests.pipeline.projects import git


def test_plan_parks_for_a_decision_and_goes_on(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app")
    try:
        first = app.plan({"type": "add_source", "name": "weather"})
        parked = app.deploy(first)
        assert (parked.stage, parked.waits_for) == ("v0", "decision")
        assert app.state_of(first) is PlanState.PARKED
        assert app.deploy(first).run_id == parked.run_id
        app.decide(parked.run_id)
        done = app.deploy(first)
        assert (done.waits_for, app.state_of(first)) == ("", PlanState.DEPLOYED)
        assert app.get("/health") == {"ok": True, "built": "v0.json\n"}
        subjects = git(app.folder, "log", "--format=%s", "-3").splitlines()
        assert subjects == ["Grow to v0", "Plan Seed v0", "App"]
        app.post("/data/block", {"id": "b1", "crop": "rye"})
        grown = app.grow(NEW_FIELD)
        assert (grown.stage, grown.url) == ("v0-2", done.url)
        assert app.records() == [{"id": "b1", "crop": "rye", "soil": "loam"}]
        app.post("/data/block", {"id": "b2", "crop": "oat", "soil": "clay"})
        back = app.roll_back()
        assert (back.stage, back.waits_for) == ("v0-3", "decision")
        app.decide(back.run_id)
        assert app.roll_back().listed == ["block/b2"]
        assert app.records() == [{"id": "b1", "crop": "rye"}, {"id": "b2", "crop": "oat"}]
        assert git(app.folder, "diff", "HEAD~4", "HEAD", "--stat", "--", "spec/nodes") == ""
    finally:
        app.stop()
