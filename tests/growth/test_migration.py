"""Retyped values and ids; complete migrations are tested with ruling G11."""

from collections.abc import Mapping, Sequence
from typing import get_args

import pytest
from hypothesis import example, given, settings, strategies as st

from attractor.base.json import Json
from attractor.growth.conversion import FieldType, fits
from attractor.growth.errors import InvalidMorph
from attractor.growth.migration import (
    FieldAdded,
    FieldDropped,
    FieldRetyped,
    Migration,
    State,
    Unfit,
)
from attractor.growth.morph import read_morph
from tests.counts import count
from tests.growth.seed import farm
from tests.tables import table

TYPES: Sequence[str] = get_args(FieldType)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
LIKE_OTHERS = st.sampled_from(["1", "01", "1.0", "true", "2026-01-01", " 7 "])
VALUES: Mapping[str, st.SearchStrategy[Json]] = {
    "text": st.text("aé7-. ", max_size=5) | LIKE_OTHERS,
    "integer": st.integers(),
    "number": st.integers() | NUMBERS,
    "date": st.dates().map(lambda day: day.isoformat()),
    "boolean": st.booleans(),
}
DEFAULTS = {"text": "x", "integer": 3, "number": 2.5, "date": "2026-01-05", "boolean": True}


@pytest.mark.parametrize("before", TYPES)
@settings(max_examples=count(ci=30, full=1000), deadline=None)
@given(data=st.data())
def test_each_value_is_converted_or_listed_and_comes_back(before: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[before], min_size=5, max_size=9))
    after, unfit = data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(Unfit))
    default = DEFAULTS[after] if unfit is Unfit.DEFAULT else None
    migration = FieldRetyped("contract", "qty", before, after, unfit=unfit, default=default)
    state: State = {
        "contract": tuple({"id": f"r{number}", "qty": one} for number, one in enumerate(values))
    }
    listed = {one.record for one in migration.misfits(state)}
    migrated = migration.up(state)
    for old, new in zip(state["contract"], migrated.state["contract"], strict=True):
        if f"contract/{new['id']}" not in listed:
            assert fits(new["qty"], after)
        else:
            assert new["qty"] == (old["qty"] if unfit is Unfit.REFUSE else default)
    restored = migration.down(migrated.state, migrated.residue)
    assert repr(restored.state) == repr(state)
    assert restored.defaulted == []


@pytest.mark.parametrize("before", TYPES)
@pytest.mark.parametrize("after", TYPES)
@settings(max_examples=count(ci=5, full=500), deadline=None)
@given(
    value=st.none() | st.booleans() | st.integers() | st.text(max_size=5) | NUMBERS | LIKE_OTHERS,
    unfit=st.sampled_from(Unfit),
)
@example(value=-0.0, unfit=Unfit.REFUSE)
def test_values_of_another_type_come_back(
    before: str, after: str, value: Json, unfit: Unfit
) -> None:
    migration = FieldRetyped("contract", "qty", before, after, unfit=unfit)
    state: State = {"contract": ({"id": "a", "qty": value}, {"id": "b"})}
    migrated = migration.up(state)
    restored = migration.down(migrated.state, migrated.residue).state
    assert repr(restored) == repr(state)


def test_a_value_written_since_that_does_not_fit_the_earlier_type_is_listed() -> None:
    migration = FieldRetyped("contract", "qty", "integer", "text")
    old: State = {"contract": ({"id": "a", "qty": 1}, {"id": "b", "qty": 2})}
    new, residue = migration.up(old)
    written = {"contract": (*new["contract"][:1], {"id": "b", "qty": "big"})}
    restored = migration.down(written, residue)
    assert restored.state == {"contract": ({"id": "a", "qty": 1}, {"id": "b", "qty": None})}
    assert restored.defaulted == ["contract/b"]


RECORDS: State = {"contract": ({"id": "7", "qty": "7", "buyer": "Ann"}, {"id": "01", "qty": "01"})}


@table(
    ("migration", "unfit"),
    [
        (FieldRetyped("contract", "qty", "text", "integer", keys=("qty",)), ["01"]),
        (FieldRetyped("contract", "buyer", "text", "text", keys=("buyer",)), ["7", "01"]),
        (FieldAdded("contract", "day", "7", keys=("day",)), ["01"]),
        (FieldAdded("contract", "day", "7"), []),
        (FieldAdded("contract", "day", "2026-01-05", type="date"), []),
        (FieldDropped("contract", "buyer", keys=("qty",)), []),
        (FieldDropped("contract", "qty", keys=("buyer",)), ["7", "01"]),
    ],
)
def test_records_whose_ids_differ_from_their_keys_are_listed(
    migration: Migration, unfit: list[str]
) -> None:
    found = migration.misfits(RECORDS)
    assert [one.record for one in found] == [f"contract/{id_}" for id_ in unfit]
    assert all(str(one).partition(": ")[2].startswith("its id differs from") for one in found)


def test_a_new_field_with_a_default_of_another_type_fits_no_record() -> None:
    found = FieldAdded("contract", "day", "soon", type="date").misfits(RECORDS)
    assert [str(one) for one in found] == [
        f"contract/{id_}: day is not of type date" for id_ in ("7", "01")
    ]


def test_default_in_quotes_is_read_as_the_type_of_the_field() -> None:
    field = {"type": "add_field", "entity": "Block", "name": "netted"}
    for type_, words, value in (("boolean", "false", False), ("integer", "3", 3)):
        migration = read_morph({**field, "field_type": type_, "default": words}).migration(farm())
        assert isinstance(migration, FieldAdded)
        assert migration.default is value
    with pytest.raises(InvalidMorph, match="another type"):
        read_morph({**field, "field_type": "boolean", "default": "perhaps"}).apply(farm())
