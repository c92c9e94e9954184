"""Conversions of values; complete migrations are tested with ruling G11."""

import pytest
from hypothesis import example, given, settings, strategies as st

from attractor.base.json import Json
from attractor.growth.migration import FieldRetyped, convert
from tests.counts import count
from tests.tables import table

TYPES = ("text", "integer", "number", "date", "boolean")
VALUES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "01", "1.0", "true", "2026-01-01", " 7 "]),
)


@pytest.mark.parametrize("before", TYPES)
@pytest.mark.parametrize("after", TYPES)
@settings(max_examples=count(ci=5, full=500), deadline=None)
@given(value=VALUES)
@example(value=-0.0)
def test_retyping_goes_back_exactly(before: str, after: str, value: Json) -> None:
    migration = FieldRetyped("contract", "qty", before, after)
    state = {"contract": ({"id": "a", "qty": value}, {"id": "b"})}
    migrated = migration.up(state)
    restored = migration.down(migrated.state, migrated.residue).state
    assert repr(restored) == repr(state)


@table(
    ("value", "type_", "converted"),
    [
        ("12", "integer", 12),
        (" 7 ", "number", 7.0),
        (2.0, "integer", 2),
        (2.5, "integer", 2.5),
        ("true", "boolean", True),
        ("yes", "boolean", "yes"),
        (True, "text", "true"),
        (None, "text", None),
        ("2026-01-01", "date", "2026-01-01"),
    ],
)
def test_a_value_that_does_not_fit_stays(value: Json, type_: str, converted: Json) -> None:
    assert repr(convert(value, type_)) == repr(converted)
