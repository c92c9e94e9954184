import pytest
from hypothesis import given

from attractor.language.condition_operators import (
    AnyOf,
    Contains,
    Not,
    Order,
    Truth,
    each_clause,
    read_number,
)
from attractor.language.condition_parser import parse_condition
from attractor.language.conditions import ALWAYS, AllOf, Comparison, Condition
from tests.language.condition_trees import conditions, naively, values

VALUES = {
    "outcome": "success",
    "context.n": "3",
    "context.f": "2.5",
    "context.big": "100000000000000000000001",
    "context.text": "three [A] ways",
    "context.no": "false",
    "context.zero": "0",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("context.n < 4", True),
        ("context.n < 3", False),
        ("context.n <= 3", True),
        ("context.n > 2.5", True),
        ("context.f >= 2.5", True),
        ("context.n > -1", True),
        ("context.n >= 10", False),
        ("context.big > 100000000000000000000000", True),
        ("context.text < 4", False),
        ("context.text >= 4", False),
        ("context.none < 4", False),
        ("!context.none < 4", True),
        ("context.text contains [A]", None),
        ('context.text contains "[A]"', True),
        ("context.text contains Three", False),
        ('context.none contains ""', True),
        (r'context.text matches "\[[A-Z]\]"', True),
        ('context.text matches "^ways"', False),
        ('context.none matches "."', False),
        ("context.text", True),
        ("context.none", False),
        ("context.no", False),
        ("context.zero", False),
        ("!context.no && outcome=success", True),
        ("outcome=fail || outcome=succeeded", True),
        ("!(outcome=fail || context.n=3)", False),
    ],
)
def test_it_holds_or_not(text: str, holds: bool | None) -> None:
    if holds is not None:
        assert parse_condition(text).holds(lambda key: VALUES.get(key, "")) is holds


@given(conditions, values)
def test_evaluation_is_what_its_page_says(condition: Condition, held: dict[str, str]) -> None:
    assert condition.holds(lambda key: held.get(key, "")) is naively(condition, held)


def test_alternatives_are_asked_from_left_to_right_until_one_holds() -> None:
    asked: list[str] = []

    def note(key: str) -> str:
        asked.append(key)
        return "x"

    AnyOf((Truth("a"), Truth("b"))).holds(note)
    assert asked == ["a"]


@given(conditions)
def test_it_tells_which_keys_it_asks_for(condition: Condition) -> None:
    asked: set[str] = set()
    for clause in each_clause(condition):
        clause.holds(lambda key: (asked.add(key), "")[1])
    assert condition.keys() == asked


def test_its_clauses_come_without_what_joins_them() -> None:
    a, b, c = Comparison("a", "1"), Contains("b", "x"), Order("c", "<", "3")
    assert list(each_clause(AllOf((a, AnyOf((Not(b), c)))))) == [a, b, c]
    assert list(each_clause(ALWAYS)) == [ALWAYS]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("-3", -3),
        ("2.50", 2.5),
        ("1e-07", 1e-07),
        ("1E3", 1000.0),
        ("1e999", float("inf")),
        ("", None),
        ("three", None),
        (" 3", None),
        ("3\n", None),
        ("0x3", None),
        ("nan", None),
        ("inf", None),
        ("1_000", None),
        ("٣", None),
        ("9" * 5_000, None),
    ],
)
def test_what_compares_as_a_number(text: str, number: float | None) -> None:
    assert read_number(text) == number
