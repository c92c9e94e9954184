"""A plan consists of typed morphs; rules add the fields that no planner sets (growth, G8)."""

from pathlib import Path
from typing import Any, cast

import pytest

from attractor.growth.api.plans import describe_plan, plan_proposal
from attractor.growth.control_plane import ControlPlane
from attractor.growth.errors import InvalidMorph
from attractor.growth.migration import FieldAdded, FieldRetyped
from attractor.growth.morph import (
    Level,
    Risk,
    morph_registry,
    parameters_of,
    read_morph,
    type_of,
    write_morph,
)
from attractor.growth.plans.plan import read_proposal
from attractor.growth.specification.difference import compare_specs
from tests.growth.app import PROPOSAL, make_app
from tests.growth.seed import farm
from tests.tables import table


def test_the_planners_output_of_the_seed_is_a_valid_plan_verbatim(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    answer = plan_proposal(app, "HEAD", read_proposal(PROPOSAL))
    assert list(answer) == ["plan_id", "morphs", "tests"]
    assert {**PROPOSAL, "plan_id": answer["plan_id"]} == answer
    plan = app.plans.load(str(answer["plan_id"]))
    assert [one.describe() for one in compare_specs(plan.base, plan.result)] == [
        "added source contracts: contracts",
        "changed step phi_gate.guards: none -> allocate_to_contracts, surplus_allocator, "
        "packlists, route_plan, invoices",
        "changed step allocate_to_contracts.strategy: none -> priority",
        "added panel contract_tracker: contract_tracker",
        "added panel price_spread: price_spread",
    ]


def test_rules_add_id_plate_level_risk_and_hashes(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    answer = plan_proposal(app, "HEAD", read_proposal(PROPOSAL))
    plan = app.plans.load(str(answer["plan_id"]))
    rows = [(one["id"], one["plate"], one["level"], one["risk"]) for one in _morphs(app, plan.id)]
    assert rows == [
        ("m1", "app", "mechanism", "low"),
        ("m2", "app", "policy", "medium"),
        ("m3", "app", "policy", "medium"),
        ("m4", "app", "mechanism", "low"),
    ]
    touched = {"yield_forecast", "contract_allocation", "phi_gate", "allocate_to_contracts"}
    assert plan.read_hashes == {one: plan.base[one].hash for one in sorted(touched)}


def _morphs(app: ControlPlane, plan_id: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", describe_plan(app, plan_id)["morphs"])


@table("claim", ["level", "risk", "plate", "id", "reads", "hash"])
def test_other_claims_of_a_planner_are_refused(claim: str) -> None:
    source = {"type": "add_source", "name": "x", claim: "low"}
    with pytest.raises(InvalidMorph, match=f"{claim}: extra inputs are not permitted"):
        read_proposal({"morphs": [source], "tests": []})
    with pytest.raises(InvalidMorph, match="not a proposal"):
        read_proposal({**PROPOSAL, claim: "low"})


def test_every_type_is_a_file_with_level_risk_and_organ() -> None:
    seed = {"add_source", "insert_gate", "allocate", "add_surface"}
    assert seed <= set(morph_registry())
    for name, one in morph_registry().items():
        assert isinstance(one.level, Level)
        assert isinstance(one.risk, Risk)
        assert one.organ
        assert one.__module__ == f"attractor.growth.morphs.{name}"


def test_a_morph_is_written_as_it_was_read() -> None:
    proposal = read_proposal(PROPOSAL)
    assert [write_morph(one) for one in proposal.morphs] == PROPOSAL["morphs"]
    assert [type_of(one) for one in proposal.morphs][0] == "add_source"


def test_fields_get_a_type_a_key_and_a_pii_flag() -> None:
    fields = ["colour", {"name": "plate", "key": True}, {"name": "seats", "type": "integer"}]
    records: list[dict[str, Any]] = [
        {"type": "add_entity", "name": "Van", "fields": fields},
        {"type": "add_field", "entity": "Van", "name": "owner", "pii": True, "key": True},
        {"type": "retype_field", "entity": "Van", "field": "seats", "field_type": "number"},
        {"type": "retype_field", "entity": "Van", "field": "plate", "key": False, "pii": True},
    ]
    graph, migrations = farm(), list[object]()
    for record in records:
        morph = read_morph(record)
        assert write_morph(morph) == record
        migrations.append(morph.migration(graph))
        graph = morph.apply(graph)
    found = {one.id: dict(one.fields) for one in graph.children("van")}
    assert found == {
        "van.colour": {"name": "colour"},
        "van.owner": {"name": "owner", "type": "text", "key": "true", "pii": "true"},
        "van.plate": {"name": "plate", "pii": "true"},
        "van.seats": {"name": "seats", "type": "number"},
    }
    assert migrations[1:] == [
        FieldAdded("van", "owner", keys=("owner", "plate")),
        FieldRetyped("van", "seats", "integer", "number"),
        FieldRetyped("van", "plate", "text", "text", keys=("owner",)),
    ]
    flag = read_morph({"type": "retype_field", "entity": "Van", "field": "colour", "pii": True})
    assert flag.migration(graph) is None


@table(
    ("parameters", "fault"),
    [
        ({}, "name field_type, pii or key"),
        ({"pii": True, "unfit": "aside"}, "unfit and field_type belong together"),
        ({"field_type": "integer", "unfit": "default"}, "a default and unfit 'default'"),
        ({"field_type": "integer", "default": 0}, "a default and unfit 'default'"),
        ({"field_type": "date", "unfit": "default", "default": "soon"}, "is not of type date"),
        ({"field_type": "integer", "unfit": "guess"}, "unfit: input should be 'refuse'"),
    ],
)
def test_a_retype_that_decides_nothing_or_wrongly_is_refused(
    parameters: dict[str, Any], fault: str
) -> None:
    record = {"type": "retype_field", "entity": "Block", "field": "crop", **parameters}
    with pytest.raises(InvalidMorph, match=fault):
        read_morph(record)


def test_a_fault_of_a_field_of_a_new_entity_is_named() -> None:
    record = {"type": "add_entity", "name": "Van", "fields": [{"name": "seats", "typ": "integer"}]}
    with pytest.raises(InvalidMorph, match=r"fields.0.NewField.typ: extra inputs are not perm"):
        read_morph(record)


def test_a_planner_reads_which_values_a_parameter_takes() -> None:
    words = {one.name: str(one) for name in _TYPED for one in parameters_of(name)}
    fields = "name, type, key, pii, required, choices, unit, refers_to, shown"
    assert words["fields"] == f"fields: list of text or {{{fields}}}"
    assert words["unfit"] == "[unfit: refuse or default or aside]"
    assert words["field_type"] == "[field_type: text or integer or number or date or boolean]"
    assert words["key"] == "[key: true or false]"


_TYPED = ("add_entity", "add_field", "retype_field")
