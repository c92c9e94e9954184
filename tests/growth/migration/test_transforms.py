from collections.abc import Mapping

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.json import Json
from attractor.growth.migration.state import Record, State, parse_records, state_text
from attractor.growth.migration.transforms import (
    EntityAdded,
    EntityDropped,
    FieldAdded,
    FieldDropped,
    FieldRetyped,
    Migration,
    Sequenced,
)
from tests.counts import count

VALUES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "01", "1.0", "true", "2026-01-01", " 7 "]),
)


def _records(ids: list[str], fields: list[dict[str, Json]]) -> tuple[Record, ...]:
    return tuple({"id": id_, **one} for id_, one in zip(ids, fields, strict=False))


STATES = st.dictionaries(
    st.sampled_from(["contract", "block"]),
    st.builds(
        _records,
        st.lists(st.sampled_from("abcdef"), unique=True),
        st.lists(st.dictionaries(st.sampled_from(["sku", "qty"]), VALUES), min_size=6, max_size=6),
    ),
)
REVERSIBLE: Mapping[str, Migration] = {
    "add_field": FieldAdded("contract", "sku", "x"),
    "drop_field": FieldDropped("contract", "sku"),
    **{
        f"retype_field from {before} to {after}": FieldRetyped("contract", "qty", before, after)
        for before in ("text", "integer", "number", "boolean")
        for after in ("text", "integer", "number", "boolean")
    },
    "add_entity": EntityAdded("contract"),
    "drop_entity": EntityDropped("contract"),
    "sequence": Sequenced(
        [
            FieldRetyped("contract", "qty", "text", "integer"),
            FieldAdded("contract", "sku", 1),
            FieldDropped("contract", "qty"),
            EntityAdded("harvest"),
            EntityDropped("block"),
        ]
    ),
}


def _bytes(state: State) -> Mapping[str, str]:
    # An entity without records has no line.
    return {name: state_text(records) for name, records in state.items() if records}


@pytest.mark.parametrize("name", REVERSIBLE)
@settings(max_examples=count(ci=10, full=500), deadline=None)
@given(state=STATES)
def test_down_after_up_restores_every_byte(name: str, state: State) -> None:
    migrated = REVERSIBLE[name].up(state)
    restored = REVERSIBLE[name].down(migrated.state, migrated.residue)
    assert _bytes(restored.state) == _bytes(state)
    for entity, text in _bytes(state).items():
        assert state_text(parse_records(text, place=entity)) == text


def test_records_written_since_go_back_by_defaults_and_are_listed() -> None:
    migration = FieldDropped("contract", "sku", "unknown")
    old: State = {"contract": tuple({"id": f"o{i}", "sku": i} for i in range(1000))}
    new, residue = migration.up(old)
    since = tuple({"id": f"n{i}", "qty": i} for i in range(1000))
    restored = migration.down({"contract": (*new["contract"], *since)}, residue)
    assert restored.state["contract"][:1000] == old["contract"]
    assert restored.state["contract"][1000] == {"id": "n0", "qty": 0, "sku": "unknown"}
    assert restored.defaulted == [f"contract/n{i}" for i in range(1000)]


def test_erasure_keeps_no_residue() -> None:
    state: State = {"contract": ({"id": "a", "sku": "secret"},)}
    for migration in (
        FieldDropped("contract", "sku", is_reversible=False),
        EntityDropped("contract", is_reversible=False),
    ):
        assert "secret" not in str(migration.up(state))
        assert "for good" in migration.describe()
