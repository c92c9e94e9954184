import subprocess
import sys
import time

import pytest
from hypothesis import given, strategies as st

from attractor.language.conditions.condition import (
    ALWAYS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Contains,
    Matches,
    Not,
    NumberComparison,
    Truth,
    Unreadable,
    each_clause,
    keys_of,
    read_number,
)
from attractor.language.conditions.grammar import compile_pattern
from attractor.language.conditions.parse import key_places, parse_condition, read_condition
from attractor.language.source.syntax_tree import quoted
from tests.language.condition_trees import conditions, naively, values
from tests.tables import table


def test_evaluation_stops_at_the_deciding_clause() -> None:
    asked: list[str] = []

    def note(key: str) -> str:
        asked.append(key)
        return "x" if key == "d" else ""

    AllOf((Comparison("a", ""), Comparison("b", "x"), Comparison("c", ""))).holds(note)
    AnyOf((Truth("d"), Truth("e"))).holds(note)
    assert asked == ["a", "b", "d"]


@given(conditions, values)
def test_evaluation_agrees_with_the_documentation(
    condition: Condition, held: dict[str, str]
) -> None:
    assert condition.holds(lambda key: held.get(key, "")) is naively(condition, held)


@given(conditions)
def test_condition_lists_the_keys_that_it_reads(condition: Condition) -> None:
    asked: set[str] = set()
    for clause in each_clause(condition):
        clause.holds(lambda key: (asked.add(key), "")[1])
    assert keys_of(condition) == asked


def test_clauses_are_listed_without_operators() -> None:
    a, b, c = Comparison("a", "1"), Contains("b", "x"), NumberComparison("c", "<", "3")
    assert list(each_clause(AllOf((a, AnyOf((Not(b), c)))))) == [a, b, c]
    assert list(each_clause(ALWAYS)) == []


@table(
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
def test_numbers_in_comparisons(text: str, number: float | None) -> None:
    assert read_number(text) == number


A, B, C = Comparison("a", "1"), Comparison("b", "2"), Comparison("c", "3")


@table(
    ("text", "condition"),
    [
        ("", ALWAYS),
        (" \n", ALWAYS),
        ("outcome=success", Comparison("outcome", "success")),
        (" outcome != fail ", Comparison("outcome", "fail", is_equal=False)),
        ("preferred_label=Fix", Comparison("preferred_label", "Fix")),
        ("context.a.b=-3", Comparison("context.a.b", "-3")),
        ("context.flag=true", Comparison("context.flag", "true")),
        ("tests_passed=true", Comparison("tests_passed", "true")),
        ("context.m=gpt-5.2:x", Comparison("context.m", "gpt-5.2:x")),
        (
            "outcome=success&&context.a=1",
            AllOf((Comparison("outcome", "success"), Comparison("context.a", "1"))),
        ),
        (
            'context.a="x && y" && context.b!=""',
            AllOf((Comparison("context.a", "x && y"), Comparison("context.b", "", is_equal=False))),
        ),
        ('a="x || !(y)"', Comparison("a", "x || !(y)")),
        (r'context.a="say \"no\" \\ \n"', Comparison("context.a", 'say "no" \\ \n')),
        (r'context.a="\d"', Comparison("context.a", r"\d")),
    ],
)
def test_a_condition_is_read(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition
    assert read_condition(text) == condition


@table(
    ("text", "condition"),
    [
        ("a", Truth("a")),
        ("a=1 || b=2 || c=3", AnyOf((A, B, C))),
        ("a=1 || b=2 && c=3", AnyOf((A, AllOf((B, C))))),
        ("a=1 && b=2 || c=3", AnyOf((AllOf((A, B)), C))),
        ("(a=1 || b=2) && c=3", AllOf((AnyOf((A, B)), C))),
        ("(((a=1)))", A),
        ("(a=1 && b=2) && c=3", AllOf((AllOf((A, B)), C))),
        ("!a=1", Not(A)),
        ("!a", Not(Truth("a"))),
        ("! a=1 && b=2", AllOf((Not(A), B))),
        ("!(a=1 && b=2)", Not(AllOf((A, B)))),
        ("!!a=1", A),
        ("! ! !a=1", Not(A)),
        ("a<3", NumberComparison("a", "<", "3")),
        ("a <= -3", NumberComparison("a", "<=", "-3")),
        ("a > 0.5", NumberComparison("a", ">", "0.5")),
        ('a>="3"', NumberComparison("a", ">=", "3")),
        ("a contains b", Contains("a", "b")),
        ('a contains "b && c"', Contains("a", "b && c")),
        ("contains contains contains", Contains("contains", "contains")),
        ("a=matches", Comparison("a", "matches")),
        (r'a matches "^\d+$"', Matches("a", r"^\d+$", compile_pattern(""))),
    ],
)
def test_a_condition_beyond_the_core_is_read(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


def test_conditions_are_cached() -> None:
    assert read_condition("a=1 || b=2") is read_condition("a=1 || b=2")


def test_a_condition_of_the_core_is_read_without_the_grammar() -> None:
    code = (
        "import sys; from attractor.language.conditions.parse import parse_condition as parse;"
        "parse('outcome=success && context.a!=1'); sys.exit('lark' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "a=1" + ")" * 10_000,
        "(" * 10_000,
        "!" * 10_001 + "a=1",
        "!(" * 10_000 + "a=1" + ")" * 10_000,
        "a=1 && " * 20_000 + "a=1",
        "a=1 || " * 20_000 + "b",
        "a" * 100_000 + " b",
        "a=" + "b " * 50_000,
        'a="' + "\\" * 50_001,
        "=" * 50_000,
    ],
    ids=lambda text: text[:10],
)
def test_no_size_or_depth_is_too_much(text: str) -> None:
    condition = read_condition(text)
    condition.holds(lambda key: "")
    assert condition == read_condition(text)
    assert hash(condition) == hash(read_condition(text))


def test_excess_parentheses_are_a_mistake() -> None:
    condition = read_condition("(" * 31 + "a" + ")" * 31)
    assert isinstance(condition, Unreadable)
    assert condition.fault == "more than 30 nested parentheses"
    assert read_condition("(" * 30 + "a" + ")" * 30) == Truth("a")


@given(st.text())
def test_any_text_is_a_condition_or_has_a_fault_inside(text: str) -> None:
    diagnose(text)


@given(
    st.lists(
        st.sampled_from(
            [*'=!<>&|()"\\ ~', "&&", "||", "a", "b.c", "3", "0.5", " contains ", " matches ", "and"]
        ),
        max_size=12,
    )
)
def test_any_sequence_of_tokens_is_a_condition_or_has_a_fault_inside(pieces: list[str]) -> None:
    diagnose("".join(pieces))


def diagnose(text: str) -> None:
    condition = read_condition(text)
    if isinstance(condition, Unreadable):
        assert 0 <= condition.start <= condition.end <= len(text)
        assert condition.fix


@given(st.text())
def test_any_text_can_be_compared_with_in_quotes(text: str) -> None:
    assert parse_condition(f"context.a={quoted(text)}") == Comparison("context.a", text)


def test_key_is_a_whole_word_outside_quotes() -> None:
    text = 'context.ab="context.a" && context.a=b && context.a=c'
    assert key_places(text)["context.a"] == text.index("context.a=b")


def test_places_of_many_keys_are_found_in_one_pass() -> None:
    text = " && ".join(f"context.a{one}=b" for one in range(100_000))
    started = time.process_time()
    places = key_places(text)
    assert all(text.startswith(f"context.a{one}=", places[f"context.a{one}"]) for one in range(9))
    assert time.process_time() - started < 20
