"""Mutants of an app, and drafts of scenarios that must detect a mutant."""

import asyncio
import sysconfig
import tomllib
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attractor.growth.crew.app_tree import read_app_tree
from attractor.growth.crew.drafts import (
    PACKAGES,
    PORT,
    Draft,
    Mutant,
    mutants,
    mutate,
    play_draft,
    scenario_text,
    try_drafts,
)
from attractor.scenarios.check import check_registry
from attractor.scenarios.suite import Scenario
from tests.growth.apps.small_app import SPEC, write_small_app
from tests.growth.crew.test_answers import DRAFT, MOVING, tree_of
from tests.ports import free_port
from tests.scenarios.test_play import play
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


def test_migration_draft_notices_lost_records_and_is_a_scenario_that_passes(tmp_path: Path) -> None:
    tree_of(tmp_path)
    app = read_app_tree(write_small_app(tmp_path))
    draft = Draft.model_validate({**MOVING, "given": {"block": [{"name": "größe", "kilos": 1}]}})
    [trial] = asyncio.run(try_drafts(app, [draft]))
    assert trial.is_kept
    assert trial.noticed == Mutant("records lost", "app/store.py")
    (tmp_path / PACKAGES).symlink_to(sysconfig.get_path("purelib"))
    table = tomllib.loads(scenario_text(draft).replace(str(PORT), str(free_port())))
    scenario = Scenario.model_validate({**table, "split": "train"})
    assert [(one.kind, one.passed) for one in play(tmp_path, scenario).checks] == [
        ("migration", True)
    ]


def test_draft_without_a_pipeline_is_kept_and_is_a_scenario(tmp_path: Path) -> None:
    tree_of(tmp_path)
    app = read_app_tree(write_small_app(tmp_path))
    expect = [{"get": "/data/block", "path": "$.records", "length": 1}]
    given = {"block": [{"name": "a"}]}
    draft = Draft.model_validate({**DRAFT, "given": given, "run": "", "expect": expect})
    [trial] = asyncio.run(try_drafts(app, [draft]))
    assert (trial.is_kept, trial.noticed) == (True, Mutant("records not added", "app/store.py"))
    names = [one["name"] for one in tomllib.loads(scenario_text(draft))["steps"]]
    assert names == ["app", "given-block", "look-1"]


def test_invalid_records_of_an_app_are_a_fault_of_the_draft(tmp_path: Path) -> None:
    app = write_small_app(tmp_path)
    web = app / "app/web.py"
    draft = Draft.model_validate({**MOVING, "given": {"block": [{"name": "a", "kilos": 1}]}})
    text = web.read_text()
    for answer in ('"[" * 100_000', '"[]"', """'{"records": [1]}'"""):
        odd = f'Route("/data/{{entity}}", lambda _: Response({answer}))'
        web.write_text(text.replace('route("/data/{entity}", "GET", "records")', odd))
        [fault] = asyncio.run(play_draft(app, draft))
        assert "GET /data/block: the answer has no valid records" in fault
