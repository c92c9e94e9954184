import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.condition_parser import parse_condition, read_condition
from attractor.language.conditions import ALWAYS, AllOf, Comparison, Condition, Unreadable
from attractor.language.errors import InvalidCondition
from attractor.language.values import quoted


@pytest.mark.parametrize(
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
        (r'context.a="say \"no\" \\ \n"', Comparison("context.a", 'say "no" \\ \n')),
    ],
)
def test_a_condition_is_read(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition
    assert read_condition(text) == condition


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("outcome==fail", "'outcome==fail' compares with ==", (0, 13)),
        ("outcome", "'outcome' compares with nothing", (0, 7)),
        ("outcome=", "'outcome=' compares with nothing", (0, 8)),
        ("=success", "'=success' is not a comparison", (0, 8)),
        ("a=b && ", "a clause of the condition is missing", (7, 7)),
        ("&& a=b", "a clause of the condition is missing", (0, 0)),
        ("a=b && c=Needs work", "the value 'Needs work' has to stand in quotes", (7, 19)),
        ("a=0.5", "the value '0.5' has to stand in quotes", (0, 5)),
        ("a=1s", "the value '1s' has to stand in quotes", (0, 4)),
        ("x-y=3", "'x-y' is not a key", (0, 5)),
        ('a="b', "the quotes of 'a=\"b' are never closed", (0, 4)),
        ("a is b", "'a is b' is not a comparison", (0, 6)),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, message: str, where: tuple[int, int]) -> None:
    with pytest.raises(InvalidCondition) as raised:
        parse_condition(text)
    error = raised.value
    assert (error.message, (error.start, error.end)) == (message, where)
    assert error.hint
    assert read_condition(text) == Unreadable(message, error.hint, *where)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("a=1 || b=2", "||"),
        ("!a=b", "!"),
        ("(a=b)", "("),
        ("a<3", "<"),
        ("a>=3", ">="),
        ("a contains b", "contains"),
        ("a matches b", "matches"),
        ("a=b and c=d", "and"),
    ],
)
def test_what_is_not_supported_says_so(text: str, sign: str) -> None:
    condition = read_condition(text)
    assert isinstance(condition, Unreadable)
    assert condition.fault == f"'{sign}' is not supported in conditions"


@given(st.text())
def test_any_text_is_a_condition_or_has_a_fault_within_it(text: str) -> None:
    condition = read_condition(text)
    if isinstance(condition, Unreadable):
        assert 0 <= condition.start <= condition.end <= len(text)
        assert condition.fix


@given(st.text())
def test_any_text_can_be_compared_with_in_quotes(text: str) -> None:
    assert parse_condition(f"context.a={quoted(text)}") == Comparison("context.a", text)
