from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import InvalidDuration
from attractor.language.source.syntax_tree import Attributes, Plain, Span, Value, ValueKind, quoted
from attractor.language.source.text import read_text
from tests.tables import table


@table(
    ("plain", "kind", "text"),
    [
        ("a", ValueKind.STRING, '"a"'),
        (True, ValueKind.BOOLEAN, "true"),
        (False, ValueKind.BOOLEAN, "false"),
        (-3, ValueKind.INTEGER, "-3"),
        (0.5, ValueKind.FLOAT, "0.5"),
        (timedelta(minutes=15), ValueKind.DURATION, "15m"),
    ],
)
def test_a_value_made_in_code_is_written_as_a_pipeline_would(
    plain: Plain, kind: ValueKind, text: str
) -> None:
    value = Value.of(plain)
    assert (value.kind, value.plain, value.text) == (kind, plain, text)
    assert str(value) == (plain if isinstance(plain, str) else text)


def test_values_compare_and_are_replaced() -> None:
    here = Value(ValueKind.INTEGER, 7, "007", Span("a", 1, 1, 1, 4))
    assert {here} == {Value.of(7)}
    assert Value.of(1) != Value.of(True)
    before = Attributes.of({"a": 1, "b": 2})
    after = before.replaced("a", Value.of(3))
    assert [after.number(key) for key in "ab"] == [3, 2]
    assert before.number("a") == 1
    assert after.replaced("c", Value.of("x")).text("c") == "x"
    with pytest.raises(InvalidDuration, match="2 hours"):
        Attributes.of({"timeout": "2 hours"}).duration("timeout")


def test_attributes_are_read_by_type_quoted_or_not() -> None:
    attributes = Attributes.of({"a": 3, "b": "-3", "c": "x", "d": True, "e": "true", "f": "15m"})
    assert [attributes.number(key) for key in "abcdx"] == [3, -3, None, None, None]
    assert [attributes.flag(key) for key in "adex"] == [False, True, True, False]
    assert attributes.duration("f") == timedelta(minutes=15)
    assert attributes.duration("x") is None
    assert attributes.text("x", "none") == "none"
    assert [attributes.text(key) for key in "acd"] == ["3", "x", "true"]


@table("text", ["--3", "³", "1" * 5000, "", "3.0"])
def test_invalid_integers_are_none(text: str) -> None:
    assert Attributes.of({"a": text}).number("a") is None


@given(st.text())
def test_a_text_in_quotes_is_read_as_itself(text: str) -> None:
    assert read_text(quoted(text)[1:-1]) == (text, False)
