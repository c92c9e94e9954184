"""The first stage of an app: everything is new, and is rehearsed."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.growth.api import plans
from attractor.growth.apps.process import app_sandbox
from attractor.growth.deployment.requirements import require_deployable
from attractor.growth.morph import Risk
from attractor.growth.simulation.rehearse import rehearse
from attractor.growth.simulation.report import Depth, simulations_of
from attractor.growth.simulation.running import as_recording
from tests.growth.apps.small_app import write_small_app
from tests.growth.deployment.living import NEW_FIELD, Living, make_living, make_released
from tests.growth.simulation.test_running import NOW, PLAN


def test_everything_of_a_first_stage_is_new_and_rehearsed(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app")
    plan = app.plan(NEW_FIELD)
    assert (plan.is_first, plan.risk) == (True, Risk.MEDIUM)
    with pytest.raises(Refused, match="has medium risk and no rehearsal"):
        require_deployable(app.plane, plan)
    [report] = simulations_of(app.plane.plans.folder_of(plan.id), plan.hash)
    assert report.diff.summary.startswith("the first stage, everything is new: ")
    for words in ("added entity block: Block", "added panel triage: Triage"):
        assert words in report.diff.changes
        assert f"- {words}" in str(plans.review(app.plane, plan.id)["mutation"])
    assert {one.change for one in report.files} == {"added"}
    assert {"triage", "contract_allocation"} <= set(report.may_change)
    assert report.screenshots == ("after.svg",)
    assert plans.describe_plan(app.plane, plan.id)["is_first"] is True
    plans.simulate(app.plane, plan.id, Depth.REHEARSAL)
    require_deployable(app.plane, plan)


@pytest.mark.anyio
async def test_panel_that_fails_without_records_blocks_a_first_stage(tmp_path: Path) -> None:
    after = write_small_app(tmp_path / "after", {"panels/brief": "return records['none']"})
    plan = replace(PLAN, is_first=True)
    recording, sandbox = as_recording(plan, None, NOW), await app_sandbox({}, hide=[])
    found = await rehearse(plan, [recording], before=None, after=after, sandbox=sandbox)
    assert found.faults == ("GET /panels/brief fails in the built app: status 500",)


def test_later_stage_and_a_stored_plan_of_before_are_not_first(tmp_path: Path) -> None:
    app: Living = make_released(tmp_path / "app")
    plan = app.plan(NEW_FIELD, is_simulated=False)
    assert (plan.is_first, plan.risk) == (False, Risk.LOW)
    # The hash of a plan that is stored without the key stays as it was.
    assert "first" not in plan.to_dict()
