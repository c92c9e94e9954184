import pytest

from attractor.language.conditions import (
    ALWAYS,
    AllOf,
    Comparison,
    Unreadable,
    canonical_outcome,
)

VALUES = {"outcome": "success", "context.n": "3", "preferred_label": "Fix"}


def lookup(key: str) -> str:
    return VALUES.get(key, "")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (ALWAYS, True),
        (Comparison("outcome", "success"), True),
        (Comparison("outcome", "Success"), False),
        (Comparison("outcome", "fail"), False),
        (Comparison("outcome", "fail", is_equal=False), True),
        (Comparison("context.none", ""), True),
        (Comparison("context.none", "x"), False),
        (Comparison("context.none", "x", is_equal=False), True),
        (AllOf((Comparison("outcome", "success"), Comparison("context.n", "3"))), True),
        (AllOf((Comparison("outcome", "success"), Comparison("context.n", "4"))), False),
        (Unreadable("fault", "fix", 0, 1), False),
    ],
)
def test_it_holds_or_not(condition: Comparison, holds: bool) -> None:
    assert condition.holds(lookup) is holds


@pytest.mark.parametrize("key", ["outcome", "context.outcome"])
@pytest.mark.parametrize("found", ["fail", "failed", "failure"])
@pytest.mark.parametrize("wanted", ["fail", "failed", "failure"])
def test_words_for_outcomes_are_compared_by_what_they_mean(
    key: str, found: str, wanted: str
) -> None:
    assert Comparison(key, wanted).holds({key: found}.__getitem__)
    assert not Comparison(key, wanted, is_equal=False).holds({key: found}.__getitem__)


def test_other_keys_know_no_aliases() -> None:
    assert not Comparison("context.word", "fail").holds({"context.word": "failed"}.__getitem__)


def test_the_canonical_words() -> None:
    words = ["succeeded", "success", "partially_succeeded", "failed", "retry", "Failed"]
    canonical = ["success", "success", "partial_success", "fail", "retry", "Failed"]
    assert [canonical_outcome(word) for word in words] == canonical


def test_it_tells_which_keys_it_asks_for() -> None:
    condition = AllOf((Comparison("outcome", "fail"), ALWAYS, Comparison("context.a", "1")))
    assert condition.keys() == {"outcome", "context.a"}
    assert ALWAYS.keys() == Unreadable("", "", 0, 0).keys() == frozenset()


def test_clauses_are_asked_from_left_to_right_until_one_does_not_hold() -> None:
    asked: list[str] = []

    def note(key: str) -> str:
        asked.append(key)
        return ""

    AllOf((Comparison("a", ""), Comparison("b", "x"), Comparison("c", ""))).holds(note)
    assert asked == ["a", "b"]
