"""A plan is tried on the running app's state: true values in a sandbox, pseudonyms elsewhere."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.growth.api import plans
from attractor.growth.apps.process import app_sandbox
from attractor.growth.morph import read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph
from attractor.growth.simulation.recorded import with_pseudonyms
from attractor.growth.simulation.rehearse import Rehearsed, rehearse
from attractor.growth.simulation.report import Depth, Simulation, StateSeen, simulations_of
from attractor.growth.simulation.running import RunningState, as_recording
from attractor.growth.simulation.simulations import simulate
from attractor.growth.specification.files import read_spec, write_spec
from tests.growth.apps.small_app import SPEC, write_small_app
from tests.growth.deployment.living import NEW_FIELD, Living, make_released
from tests.needs import needs_bubblewrap

TRUE = {
    "block": (
        {"id": "b1", "kilos": 5, "locked_until": None, "name": "b1", "owner": "Ann Example"},
        {"id": "b2", "kilos": 7, "locked_until": None, "name": "b2", "owner": "Bo Example"},
    ),
    "harvest": ({"id": "h-b1", "kilos": 5},),
}
NOW = datetime(2026, 5, 5, tzinfo=UTC)
STATE = RunningState(TRUE, with_pseudonyms(TRUE, SPEC, str))
MORPH = read_morph({"type": "add_field", "entity": "block", "name": "soil", "default": "loam"})
PLAN = Plan("gp-1", SPEC, (PlannedMorph(MORPH, "app", MORPH.level, MORPH.risk),), (), "")
LOSES = """

_whole = Transaction.load


def _lose(self, folder):
    _whole(self, folder)
    if 'Ann' in str(self.records('block')):
        self._connection.execute('DELETE FROM records WHERE id = ?', ('b2',))


Transaction.load = _lose
"""
"""An app that loses a record of the true values only."""


def report_of(app: Living, plan: Plan) -> Simulation:
    return simulations_of(app.plane.plans.folder_of(plan.id), plan.hash)[0]


async def rehearsed(folder: Path, more: str = "") -> Rehearsed:
    """Rehearse on the running state with an app whose store has some more lines."""
    before = write_small_app(folder / "before")
    after = write_small_app(folder / "after")
    store = after / "app" / "store.py"
    store.write_text(store.read_text() + more)
    return await rehearse(
        PLAN,
        [as_recording(PLAN, STATE, NOW)],
        before=before,
        after=after,
        sandbox=await app_sandbox({"PATH": os.defpath}, hide=[]),
        running=STATE,
    )


def test_report_counts_the_true_records_and_shows_none() -> None:
    report = simulate(PLAN, [], Depth.SPEC, STATE)
    assert report.migration.running == StateSeen(records=3, entities=2)
    assert report.migration.fault == ""
    assert report.pins.state_hash != simulate(PLAN, [], Depth.SPEC).pins.state_hash
    assert "Example" not in report.model_dump_json()
    assert [one["owner"] for one in STATE.shown["block"]] == ["person-0001", "person-0002"]


@needs_bubblewrap
@pytest.mark.anyio
async def test_built_app_that_loses_a_true_record_is_a_fault(tmp_path: Path) -> None:
    found = await rehearsed(tmp_path, LOSES)
    assert "the built app does not keep the records of block" in found.faults
    assert "Example" not in f"{found}"


@needs_bubblewrap
@pytest.mark.anyio
async def test_words_of_a_failing_app_are_not_shown(tmp_path: Path) -> None:
    fails = LOSES.replace("self._connection", "raise Invalid(str(self.records('block'))) #")
    found = await rehearsed(tmp_path, fails)
    assert "the built app does not take the state of the running app over" in found.faults
    assert "Example" not in f"{found}"


def test_plan_is_rehearsed_on_the_running_app_without_a_recording(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    plan = app.plan(NEW_FIELD)
    assert report_of(app, plan).migration.running == StateSeen(records=1, entities=1)
    plans.simulate(app.plane, plan.id, Depth.REHEARSAL)
    rehearsal = report_of(app, plan).rehearsal
    assert rehearsal
    assert (rehearsal.faults, report_of(app, plan).faults) == ((), [])
    changed = {one.request: one.is_expected for one in rehearsal.will_change}
    assert changed == {"GET /data/block": True}


def test_app_with_another_specification_than_the_base_is_named(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    tree = app.releases.open("v0").tree
    graph = read_spec(tree)
    write_spec(graph.replace(graph["triage"].with_fields(name="Home")), tree)
    plan = app.plan(NEW_FIELD)
    report = report_of(app, plan)
    assert report.migration.running is None
    assert any(f"attractor grow rebase {plan.id}" in one for one in report.risks)
