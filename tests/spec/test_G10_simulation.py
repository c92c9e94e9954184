"""G10: a simulation pins plan, traffic and state; a change outside of `may_change` blocks."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.growth.apps.process import app_sandbox
from attractor.growth.deployment.requirements import require_deployable
from attractor.growth.morph import read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph
from attractor.growth.simulation.rehearse import rehearse
from attractor.growth.simulation.report import Depth, Rehearsal, save_simulation
from attractor.growth.simulation.simulations import simulate
from attractor.growth.simulation.traffic import Conditions, Exchange, Recording, Request, Response
from tests.growth.apps.small_app import SPEC, write_small_app
from tests.growth.deployment.living import NEW_FIELD, Living, make_released

pytestmark = pytest.mark.anyio

BLOCKS = tuple(
    {"id": one, "name": one, "kilos": 5, "locked_until": None, "owner": None}
    for one in ("b1", "b2")
)
REQUESTS = (
    Request(method="POST", path="/run/nightly"),
    Request(method="GET", path="/data/harvest"),
)
RECORDING = Recording(
    "night",
    Conditions.model_validate({"clock": "2026-05-05T06:00:00Z", "seed": 1}),
    {"block": BLOCKS},
    tuple(Exchange(request=one, response=Response(status=200)) for one in REQUESTS),
)


def plan_of(**morph: object) -> Plan:
    one = read_morph(morph)
    return Plan("gp-1", SPEC, (PlannedMorph(one, "app", one.level, one.risk),), (), "")


async def test_change_outside_of_what_may_change_blocks(tmp_path: Path) -> None:
    before = write_small_app(tmp_path / "before")
    other = {"steps/allocate": "return {'harvest': []}"}
    after = write_small_app(tmp_path / "after", other)
    sandbox = await app_sandbox({}, hide=[])
    harmless = plan_of(type="set_preference", name="short notes")
    touching = plan_of(type="allocate", strategy="all of it", step="allocate")
    for plan, blocked in ((harmless, 3), (touching, 0)):
        found = await rehearse(plan, [RECORDING], before=before, after=after, sandbox=sandbox)
        rehearsal = Rehearsal(run_id="r", tree="t", will_change=found.will_change)
        report = simulate(plan, [RECORDING], Depth.REHEARSAL)
        report = report.model_copy(update={"rehearsal": rehearsal})
        assert len(found.will_change) == 3
        assert len(report.faults) == blocked
    same = await rehearse(harmless, [RECORDING], before=before, after=before, sandbox=sandbox)
    assert same.will_change == ()


def test_simulation_pins_plan_traffic_and_state() -> None:
    first, second = (plan_of(type="set_preference", name=one) for one in ("short", "long"))
    hotter = replace(RECORDING, state={"block": BLOCKS[:1]})
    pins = [
        simulate(plan, [recording], depth).pins.model_dump()
        for plan, recording, depth in (
            (first, RECORDING, Depth.SPEC),
            (second, RECORDING, Depth.SPEC),
            (first, hotter, Depth.SPEC),
            (first, RECORDING, Depth.REHEARSAL),
        )
    ]
    changed = [{key for key, one in other.items() if pins[0][key] != one} for other in pins[1:]]
    assert changed == [{"plan_hash"}, {"state_hash"}, {"depth"}]


def test_deploying_wants_a_simulation_of_this_very_plan(tmp_path: Path) -> None:
    make_released(tmp_path / "app")
    app = Living(tmp_path / "app")
    plan = app.plan(NEW_FIELD, is_simulated=False)
    folder = app.plane.plans.folder_of(plan.id) / "simulation" / "gs-1"
    folder.mkdir(parents=True)
    report = simulate(plan, [], Depth.SPEC)
    other = json.loads(report.model_dump_json())
    other["pins"]["plan_hash"] = "0" * 64
    save_simulation(type(report).model_validate(other), folder)
    with pytest.raises(Refused, match="no simulation"):
        require_deployable(app.plane, plan)
    save_simulation(report, folder)
    require_deployable(app.plane, plan)
