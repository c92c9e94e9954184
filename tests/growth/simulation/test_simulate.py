"""The report of a plan before it is built: files, requests, state, risks."""

from pathlib import Path

import pytest

from attractor.growth.api.plans import SIMULATION_KEYS, plan_proposal, simulate
from attractor.growth.errors import InvalidSimulation
from attractor.growth.morph import Morph, read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph, read_proposal
from attractor.growth.simulation.impact import Impact
from attractor.growth.simulation.report import Depth, read_simulation, simulations_of
from attractor.growth.simulation.simulations import simulate as simulate_alone
from attractor.growth.simulation.traffic import Request
from tests.growth.app import make_app
from tests.growth.simulation.example_apps import example_graph, example_recordings
from tests.tables import table

FARM = "farmer-contract-allocation"


def plan_of(*morphs: Morph) -> Plan:
    planned = tuple(PlannedMorph(one, "app", one.level, one.risk) for one in morphs)
    return Plan("gp-1", example_graph(FARM), planned, (), "")


def morph(type_: str, **parameters: object) -> Morph:
    return read_morph({"type": type_, **parameters})


@table(
    ("change", "claimed", "kept"),
    [
        (morph("add_source", name="weather"), [], ["POST /run/contract_allocation", "GET /"]),
        (
            morph("add_surface", panels=["tracker"], shows=["offer"]),
            ["GET /", "GET /panels/tracker"],
            ["GET /panels/brief", "GET /data/offer", "POST /run/contract_allocation"],
        ),
        (
            morph("allocate", strategy="priority"),
            ["POST /run/contract_allocation", "GET /data/reservation", "GET /panels/composer"],
            ["GET /data/block", "POST /data/contract"],
        ),
        (
            morph("add_field", entity="Block", name="soil"),
            ["GET /data/block", "PUT /data/block/b1"],
            ["GET /data/offer", "POST /data/spray_event", "POST /run/contract_allocation"],
        ),
        (
            morph("add_field", entity="Packlist", name="note"),
            ["GET /outputs/packlists_to_pick", "POST /run/contract_allocation"],
            ["GET /data/invoice", "GET /outputs/reserved"],
        ),
        (
            morph("drop_field", entity="Block", field="plant_count"),
            ["GET /data/block", "POST /run/contract_allocation", "GET /data/invoice"],
            ["GET /data/offer"],
        ),
    ],
)
def test_only_requests_downstream_of_a_change_are_claimed(
    change: Morph, claimed: list[str], kept: list[str]
) -> None:
    plan = plan_of(change)
    impact = Impact(plan.base, plan.result)

    def claims(words: str) -> bool:
        method, path = words.split()
        return impact.claims(Request(method=method, path=path))  # pyright: ignore

    assert [one for one in claimed if not claims(one)] == []
    assert [one for one in kept if claims(one)] == []


def test_report_lists_records_that_do_not_fit() -> None:
    recordings = example_recordings(FARM)
    blocks = {str(record["id"]) for one in recordings for record in one.state["block"]}
    retype = {"entity": "Block", "field": "cultivar", "field_type": "integer"}
    refused = simulate_alone(plan_of(morph("retype_field", **retype)), recordings, Depth.SPEC)
    first = f"block/{recordings[0].state['block'][0]['id']}: cultivar is not of type integer"
    assert refused.migration.misfits[0] == first
    assert len(refused.migration.misfits) == len(blocks)
    [fault] = refused.faults
    assert fault.startswith(f"{len(blocks)} records do not fit the plan: {first}; ")
    assert fault.endswith(f"; and {len(blocks) - 5} more")
    decided = plan_of(morph("retype_field", **retype, unfit="aside"))
    report = simulate_alone(decided, recordings, Depth.SPEC)
    assert report.migration.misfits[0] == f"{first} (is kept aside)"
    assert report.faults == []


def test_report_names_files_state_and_what_cannot_be_undone() -> None:
    add = morph("add_field", entity="Offer", name="note")
    drop = morph("drop_field", entity="Invoice", field="amount", erase=True)
    report = simulate_alone(plan_of(add, drop), example_recordings(FARM), Depth.SPEC)
    assert report.diff.summary == "1 added, 1 removed"
    assert {one.change for one in report.files} == {"changed"}
    assert {"contract_allocation", "comparator"} <= set(report.may_change)
    assert report.migration.description.startswith("offer: new field note; invoice: without")
    assert report.migration.records == sum(
        len(records) for one in example_recordings(FARM) for records in one.state.values()
    )
    assert not report.migration.is_reversible
    assert any("cannot be undone: m2" in one for one in report.risks)
    assert report.faults == []


def test_answer_has_the_keys_of_the_endpoint_and_pins_the_plan(tmp_path: Path) -> None:
    plane = make_app(tmp_path / "app")
    answer = plan_proposal(
        plane,
        "HEAD",
        read_proposal({"morphs": [{"type": "add_source", "name": "weather"}], "tests": []}),
    )
    simulated = simulate(plane, str(answer["plan_id"]))
    assert tuple(simulated) == SIMULATION_KEYS
    folder = plane.plans.folder_of(str(answer["plan_id"]))
    (report,) = simulations_of(folder, plane.plans.load(str(answer["plan_id"])).hash)
    assert report.simulation_id == simulated["simulation_id"]
    assert simulations_of(folder, "another plan") == []
    place = folder / "simulation" / report.simulation_id
    (place / "report.json").write_text('{"pins": {}}')
    with pytest.raises(InvalidSimulation, match=r"report.json"):
        read_simulation(place)
