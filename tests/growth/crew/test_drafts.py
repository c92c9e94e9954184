"""Mutants of an app, and drafts of scenarios that must detect a mutant."""

import tomllib
from datetime import date
from types import SimpleNamespace
from typing import Any

from attractor.growth.crew.drafts import Draft, Mutant, mutants, mutate, scenario_text
from attractor.scenarios.check import check_registry
from attractor.scenarios.suite import Scenario
from tests.growth.apps.small_app import SPEC
from tests.growth.crew.test_answers import DRAFT
from tests.tables import table

BODY = """
def run(records, context):
    return {"block": [one for one in records["block"] if one["kilos"] > 1]}
"""
RECORDS = {"block": [{"id": "a", "kilos": 1}, {"id": "b", "kilos": 2}, {"id": "c", "kilos": 3}]}
EXPECTED = [("gate removed", "abc"), ("sort reversed", "cb"), ("output emptied", "")]


@table("kind, left", EXPECTED)
def test_mutant_changes_what_a_body_returns(kind: Any, left: str) -> None:
    module: dict[str, Any] = {}
    exec(mutate(BODY, Mutant(kind, "app/steps/x.py")), module)
    returned = module["run"](RECORDS, SimpleNamespace(today=date(2026, 1, 1)))
    assert "".join(one["id"] for one in returned["block"]) == left


def test_mutants_remove_gates_first_and_leave_panels_alone() -> None:
    bodies = {f"app/steps/{one.id}.py": one.id for one in SPEC.of_kind("step")}
    found = list(mutants(SPEC, {**bodies, "app/panels/brief.py": "brief"}))
    assert found[0] == Mutant("gate removed", "app/steps/phi_gate.py")
    assert {one.path for one in found} == set(bodies)
    assert {one.kind for one in found} == {kind for kind, _ in EXPECTED}


def test_draft_is_a_valid_train_scenario() -> None:
    record = {**DRAFT, "given": {"block": [{"id": "b", "name": 'größe "x"', "locked_until": None}]}}
    table = tomllib.loads(scenario_text(Draft.model_validate(record)))
    scenario = Scenario.model_validate({**table, "split": "train"})
    assert scenario.id == "locked"
    assert [one.kind for one in scenario.checks] == ["json"]
    assert "json" in check_registry()
    assert table["steps"][1]["json"] == [{"id": "b", "name": 'größe "x"'}]
