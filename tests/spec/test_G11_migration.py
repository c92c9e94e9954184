"""Migrations belong to the types of morphs, and go back byte for byte (growth, G11)."""

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.growth.migration import Record, State, parse_records, state_text
from attractor.growth.morph import Morph, morph_registry, read_morph
from attractor.growth.plans.mutation import mutation_text
from attractor.growth.plans.plan import Plan, PlannedMorph
from attractor.growth.specification.graph import SpecGraph
from tests.counts import count
from tests.growth.sequences import GUARDED, MAKERS, random_sequence
from tests.tables import table

VALUES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "01", "1.0", "true", "2026-01-01", " 7 "]),
)
MIGRATING = {"add_entity", "add_field", "drop_entity", "drop_field", "retype_field"}


def _fields(graph: SpecGraph) -> Mapping[str, list[str]]:
    return {
        one.id: [field.id.partition(".")[2] for field in graph.children(one.id, "field")]
        for one in graph.of_kind("entity")
    }


@st.composite
def states(draw: st.DrawFn, graph: SpecGraph) -> State:
    """Generate the state of an app: some entities, each with records that have some fields."""
    state: dict[str, tuple[Record, ...]] = {}
    for entity, fields in _fields(graph).items():
        if draw(st.booleans()):
            ids = draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=3))
            record = st.dictionaries(st.sampled_from(fields), VALUES, max_size=3)
            state[entity] = tuple({**draw(record), "id": one} for one in ids)
    return state


def _plan(*morphs: Morph) -> Plan:
    planned = [PlannedMorph(one, "plate", one.level, one.risk) for one in morphs]
    return Plan("gp-1", GUARDED, tuple(planned), (), "hash")


def _made(name: str, seed: int) -> Morph:
    """Return a random morph of a type that fits the farm."""
    random = Random(seed)
    while True:
        try:
            morph = read_morph({"type": name, **MAKERS[name](random, GUARDED, f"new {seed}")})
            morph.apply(GUARDED)
        except AttractorError:
            continue
        return morph


def _bytes(state: State) -> Mapping[str, str]:
    return {name: state_text(records) for name, records in state.items()}


def _goes_back(plan: Plan, state: State) -> None:
    migrated = plan.migration.up(state)
    for entity, text in _bytes(migrated.state).items():
        assert state_text(parse_records(text, place=entity)) == text
    restored = plan.migration.down(migrated.state, migrated.residue)
    assert _bytes(restored.state) == _bytes(state)
    assert restored.defaulted == []


@pytest.mark.parametrize("name", sorted(MIGRATING))
@settings(max_examples=count(ci=15, full=500), deadline=None)
@given(seed=st.integers(0, 10_000), state=states(GUARDED))
def test_down_after_up_restores_every_byte(name: str, seed: int, state: State) -> None:
    plan = _plan(_made(name, seed))
    assert plan.migration.steps
    assert plan.steps[0].is_reversible
    _goes_back(plan, state)


@table("name", sorted(set(MAKERS) - MIGRATING))
def test_other_types_change_no_state(name: str) -> None:
    assert _made(name, 1).migration(GUARDED) is None


@settings(max_examples=count(ci=15, full=500), deadline=None)
@given(seed=st.integers(0, 10_000), state=states(GUARDED))
def test_whole_sequences_go_back(seed: int, state: State) -> None:
    _goes_back(_plan(*random_sequence(seed, GUARDED)), state)


ERASING: Mapping[str, Mapping[str, Any]] = {
    "drop_field": {"entity": "block", "field": "crop", "erase": True},
    "drop_entity": {"entity": "block_plan", "erase": True},
}


def test_all_types_that_may_erase_are_known() -> None:
    erasing = {name for name, one in morph_registry().items() if "erase" in one.model_fields}
    assert erasing == set(ERASING)


@pytest.mark.parametrize("name", ERASING)
def test_an_irreversible_morph_is_named_before_it_runs(name: str) -> None:
    entity = read_morph({"type": "add_entity", "name": "Block plan", "fields": ["row"]})
    plan = _plan(entity, read_morph({"type": name, **ERASING[name]}))
    assert [one.is_reversible for one in plan.steps] == [True, False]
    assert not plan.migration.is_reversible
    text = mutation_text(plan)
    assert f"## Irreversible\n\n- m2 {name} " in text
    assert "erased for good" in text
    migration = plan.steps[1].migration
    assert migration
    entity_id = ERASING[name]["entity"]
    state: State = {entity_id: ({"id": "a", "crop": "secret", "row": "secret"},)}
    _, residue = migration.up(state)
    assert "secret" not in str(residue)


DECIDED: Mapping[str, tuple[Mapping[str, Any], str, Json]] = {
    # parameters, words of the description, the value in the place of "big"
    "refuse": ({}, "becomes integer", "big"),
    "default": ({"unfit": "default", "default": 0}, "that does not fit becomes 0", 0),
    "aside": ({"unfit": "aside"}, "that does not fit is kept aside", None),
}


@table("unfit", DECIDED)
def test_a_morph_decides_about_values_that_do_not_fit(unfit: str) -> None:
    parameters, words, value = DECIDED[unfit]
    retype = {"type": "retype_field", "entity": "block", "field": "crop", "field_type": "integer"}
    plan = _plan(read_morph({**retype, **parameters}))
    assert words in mutation_text(plan)
    state: State = {"block": ({"id": "a", "crop": "big"}, {"id": "b", "crop": "7"})}
    [misfit] = plan.migration.misfits(state)
    assert misfit.record == "block/a"
    assert "big" not in str(misfit)
    assert bool(misfit.instead) is (unfit != "refuse")
    crops = [one["crop"] for one in plan.migration.up(state).state["block"]]
    assert crops == [value, 7]
    _goes_back(plan, state)


def test_records_written_since_go_back_by_defaults_and_are_listed() -> None:
    morphs = [
        {"type": "drop_field", "entity": "block", "field": "crop", "default": "unknown"},
        {
            "type": "retype_field",
            "entity": "block",
            "field": "plant_count",
            "field_type": "integer",
        },
        {"type": "add_field", "entity": "block", "name": "area"},
        {"type": "add_entity", "name": "Sensor", "fields": ["value"]},
    ]
    plan = _plan(*map(read_morph, morphs))
    old: State = {
        "block": tuple({"id": f"o{i}", "crop": i, "plant_count": f"0{i}"} for i in range(1000)),
        "contract": ({"id": "c", "buyer": "Ann"},),
    }
    new, residue = plan.migration.up(old)
    since = tuple({"id": f"n{i:03}", "plant_count": i, "area": "3"} for i in range(1000))
    sensors: tuple[Record, ...] = ({"id": "s", "value": "7"},)
    written: State = {**new, "block": (*new["block"], *since), "sensor": sensors}
    restored = plan.migration.down(written, residue)
    assert restored.state["block"][:1000] == old["block"]
    assert restored.state["contract"] == old["contract"]
    assert restored.state["block"][1000] == {"id": "n000", "plant_count": "0", "crop": "unknown"}
    assert set(restored.state) == {"block", "contract"}
    assert restored.defaulted == [*(f"block/n{i:03}" for i in range(1000)), "sensor/s"]


def test_a_value_written_since_into_a_new_field_of_an_old_record_is_listed() -> None:
    add: dict[str, Json] = {"type": "add_field", "entity": "block", "name": "area"}
    plan = _plan(read_morph({**add, "field_type": "integer", "default": 1}))
    old: State = {"block": ({"id": "a"}, {"id": "b"})}
    new, residue = plan.migration.up(old)
    first, second = new["block"]
    restored = plan.migration.down({"block": ({**first, "area": 2}, second)}, residue)
    assert restored.state == old
    assert restored.defaulted == ["block/a"]
