"""Conversions of values to the types of fields."""

from attractor.base.json import Json
from attractor.growth.conversion import convert, fits
from tests.tables import table


@table(
    ("value", "type_", "converted"),
    [
        ("12", "integer", 12),
        (" 7 ", "number", 7.0),
        (2.0, "integer", 2),
        ("true", "boolean", True),
        (True, "text", "true"),
        (None, "text", None),
        ("2026-01-01", "date", "2026-01-01"),
        (" 20260101", "date", "2026-01-01"),
    ],
)
def test_a_value_that_fits_is_converted(value: Json, type_: str, converted: Json) -> None:
    assert repr(convert(value, type_)) == repr(converted)
    assert fits(converted, type_)


@table(
    ("value", "type_"),
    [
        ("big", "integer"),
        (2.5, "integer"),
        ("1e999", "number"),
        (2**53 + 1, "number"),
        ("yes", "boolean"),
        ("tomorrow", "date"),
        ("2026-02-30", "date"),
        (20260101, "date"),
        (["a"], "text"),
    ],
)
def test_a_value_that_does_not_fit_stays(value: Json, type_: str) -> None:
    assert repr(convert(value, type_)) == repr(value)
    assert not fits(convert(value, type_), type_) or type_ == "number"
