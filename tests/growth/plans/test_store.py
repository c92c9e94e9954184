import json
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, Refused
from attractor.base.locks import FileLock
from attractor.factory.open_project import OpenProject
from attractor.growth.api.plans import check, drop, plan_proposal, review, simulate
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.requirements import require_deployable
from attractor.growth.development import DEVELOPMENT
from attractor.growth.errors import InvalidMorph, PlanRefused, UnknownPlan
from attractor.growth.lineage import next_stage, write_stage
from attractor.growth.plans.plan import Plan, named, read_proposal
from attractor.growth.plans.store import DEPLOYMENT, DEPLOYMENT_LOCK, MUTATION, PLAN, PlanState
from tests.growth.app import PROPOSAL, make_app
from tests.growth.test_lineage import plan_of
from tests.pipeline.projects import adjusted

HOLDOUT = """
id = "{0}"
title = "Holdout {0}"
story = "A person looks at {0}."
baseline = "any"
steps = [{{ name = "look", run = "true" }}]
checks = [{{ kind = "exit", step = "look" }}]
"""


@pytest.fixture
def app(tmp_path: Path) -> ControlPlane:
    return make_app(tmp_path / "app")


def _planned(app: ControlPlane, *morphs: object) -> Plan:
    proposal = read_proposal({"morphs": list(morphs), "tests": []} if morphs else PROPOSAL)
    return app.plans.load(str(plan_proposal(app, "HEAD", proposal)["plan_id"]))


def test_loaded_plan_equals_the_stored_one(app: ControlPlane) -> None:
    plan = _planned(app)
    again = app.plans.load(plan.id[:6])
    assert again.to_dict() == plan.to_dict()
    assert again.hash == plan.hash
    assert _planned(app).id == plan.id
    assert list(app.plans.ids()) == [plan.id]


def test_a_plan_changed_by_hand_is_refused(app: ControlPlane) -> None:
    plan = _planned(app)
    file = app.plans.folder_of(plan.id) / PLAN
    record = json.loads(file.read_text())
    changes: list[dict[str, object]] = [
        {"tests": []},
        {"morphs": [{**record["morphs"][0], "risk": "high"}, *record["morphs"][1:]]},
        {"morphs": record["morphs"][1:]},
        {"plan_id": "gp-00000000"},
        {"more": 1},
    ]
    for change in changes:
        file.write_text(json.dumps({**record, **change}))
        with pytest.raises(InvalidMorph):
            app.plans.load(plan.id)


def test_the_state_follows_from_the_records(app: ControlPlane) -> None:
    plan = _planned(app)
    folder = app.plans.folder_of(plan.id)
    report = folder / "simulation" / "sim-1" / "report.json"
    report.parent.mkdir(parents=True)

    def state() -> PlanState:
        return app.plans.state(plan)

    assert state() is PlanState.OPEN
    report.write_text('{"pins": {"plan_hash": "another"}}')
    assert state() is PlanState.OPEN
    report.write_text(json.dumps({"pins": {"plan_hash": plan.hash}}))
    assert state() is PlanState.SIMULATED
    for name in ("deploying", "parked", "deployed"):
        with FileLock(folder / DEPLOYMENT_LOCK), (folder / DEPLOYMENT).open("a") as file:
            file.write(f'{{"state": "{name}"}}\n')
            file.flush()
            assert state() == name
        # The lock of a process that ended is free.
        assert state() == name.replace("deploying", "interrupted")
    assert list(app.plans.open_plans()) == []


def test_dropped_plan_can_be_made_again(app: ControlPlane) -> None:
    plan = _planned(app)
    app.plans.drop(plan.id, "rebased")
    assert app.plans.state(plan) is PlanState.DROPPED
    again = _planned(app)
    assert again.id != plan.id
    assert [one.id for one in app.plans.open_plans()] == [again.id]


@pytest.mark.parametrize(
    ("node", "name", "fault"),
    [
        ("block", " ", "blank name for block"),
        ("evidence_policy", "x", "evidence_policy has no name"),
    ],
)
def test_rename_without_a_name_is_refused(
    app: ControlPlane, node: str, name: str, fault: str
) -> None:
    with pytest.raises(PlanRefused, match=f"rename: {fault}"):
        _planned(app, {"type": "rename", "node": node, "name": name})


def test_unknown_plans_and_refused_proposals(app: ControlPlane) -> None:
    with pytest.raises(UnknownPlan):
        app.plans.load("gp-1")
    with pytest.raises(PlanRefused, match="exists"):
        _planned(app, {"type": "add_entity", "name": "Contract", "fields": ["x"]})
    for name, fault in (
        ("x" * 201, "201 characters; the limit is 200"),
        ("\u0420HI gate", "is CYRILLIC CAPITAL LETTER ER"),
        ("\u0391rea", "is GREEK CAPITAL LETTER ALPHA"),
    ):
        for morph in (
            {"type": "add_source", "name": name},
            {"type": "rename", "node": "block", "name": name},
            {"type": "add_field", "entity": "Block", "name": name},
        ):
            with pytest.raises(PlanRefused, match=fault):
                _planned(app, morph)
    typed = {"type": "add_field", "entity": "Block", "name": "area", "field_type": "integer"}
    for default in ("large", 1.5, True):
        with pytest.raises(PlanRefused, match="has another type"):
            _planned(app, {**typed, "default": default})
    with pytest.raises(InvalidMorph, match="no morph"):
        read_proposal({"morphs": [], "tests": []})
    with pytest.raises(AttractorError, match="unknown type"):
        _planned(app, {"type": "set_purpose", "purpose": "a mouse"})
    assert list(app.plans.ids()) == []


def test_mutation_names_morphs_state_and_identity(app: ControlPlane) -> None:
    write_stage(next_stage([], plan_of()), app.repository)
    plan = _planned(
        app,
        {"type": "drop_field", "entity": "block", "field": "crop", "erase": True},
        {"type": "add_field", "entity": "block", "name": "area", "field_type": "number"},
    )
    text = str(review(app, plan.id)["mutation"])
    for words in (
        "m1 drop_field (entity block, field crop, erase True): plate app, level mechanism",
        "writes block.crop",
        "Identity: 0 of 3 lines machine-checked.",
        "## Irreversible",
        "- added field block.area: area",
        "block: new field area",
    ):
        assert words in text


def test_edited_description_of_a_plan_is_found(app: ControlPlane) -> None:
    # A later stage: a first one would need a rehearsal.
    write_stage(next_stage([], plan_of()), app.repository)
    source = {"type": "add_source", "name": "Soil"}
    plan = _planned(app, source)
    simulate(app, plan.id)
    require_deployable(app, plan)
    file = app.plans.folder_of(plan.id) / MUTATION
    whole = file.read_text()
    for text in (whole.replace("Soil", "Sand"), f"{whole}\n", whole.replace(plan.id, "gp-1")):
        file.write_text(text)
        with pytest.raises(InvalidMorph, match=r"mutation.md was changed by hand"):
            review(app, plan.id)
        with pytest.raises(Refused, match=r"changed_text: .*mutation.md was changed by hand"):
            require_deployable(app, plan)
    assert check(app, plan.id)["next"] == f"attractor grow drop {plan.id}"
    file.unlink()
    assert [one.message for one in app.check(plan).findings] == [f"{plan.id}/{MUTATION} is missing"]
    drop(app, plan.id)
    again = _planned(app, source)
    assert again.id != plan.id
    assert app.check(again).is_deployable


def test_plan_of_an_earlier_version_has_the_hash_that_it_had(app: ControlPlane) -> None:
    plan = named(replace(_planned(app), is_first=False, text_hash=""))
    assert not plan.to_dict().keys() & {"first", "text"}
    app.plans.save(plan)
    assert app.plans.load(plan.id).hash == plan.hash
    (app.plans.folder_of(plan.id) / MUTATION).write_text("as an earlier version wrote it\n")
    assert "earlier version" in app.plans.mutation(plan)


def test_words_of_one_script_are_names(app: ControlPlane) -> None:
    for words in ("Café-Größe", "Поле 7", "β-carotene", "µg_dose"):
        assert _planned(app, {"type": "add_source", "name": words})


def test_scenario_binding_counts_only_if_the_suite_has_it(app: ControlPlane) -> None:
    development = app.repository / DEVELOPMENT
    line = '\n[[identity]]\nline = "No medical claims"\nscenario = "no-claims"\n'
    development.write_text(development.read_text() + line)
    plan = _planned(app)
    assert "'No medical claims' is bound to 'no-claims'" in str(review(app, plan.id)["mutation"])
    app = ControlPlane(adjusted(app.project, suite="farm"))
    for must, checked in (("others", 0), ("no-*", 1)):
        _register_suite(app, must)
        found = app.coverage(plan)
        assert (found.machine_checked, len(found.missing)) == (checked, 1 - checked)


def _register_suite(app: ControlPlane, must: str) -> None:
    folder = app.repository / "scenarios" / "farm"
    (folder / "holdout").mkdir(parents=True, exist_ok=True)
    gate = f'[gate]\nmust = ["{must}"]\n'
    (folder / "suite.toml").write_text(f'name = "farm"\npipeline = "crew"\n{gate}')
    for name in ("no-claims", "others"):
        (folder / "holdout" / f"{name}.scenario.toml").write_text(HOLDOUT.format(name))
    suites = OpenProject(app.project).suites
    suites.add(suites.seal(folder), folder, by="a person", now=app.project.machine.clock.now())
