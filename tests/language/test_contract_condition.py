"""What every condition does alike, the stand-in of the handlers' tests too."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.language.conditions.condition import ALWAYS, AllOf, Comparison, Condition, Unreadable
from tests.counts import count
from tests.handlers.stages import Equals

CONDITIONS: dict[str, Condition] = {
    "always": ALWAYS,
    "equal": Comparison("context.größe", "🐍 x"),
    "unequal": Comparison("outcome", "fail", is_equal=False),
    "empty literal": Comparison("a", ""),
    "all of": AllOf((Comparison("a", "1"), Comparison("b", "2", False), Comparison("a", "1"))),
    "all of none": AllOf(()),
    "deep": AllOf((AllOf((Comparison("a", "1"),)), ALWAYS)),
    "big": AllOf(tuple(Comparison(f"k{i}", "v" * 1000) for i in range(1000))),
    "unreadable": Unreadable("a fault", "a fix", 0, 1),
    "stand-in": Equals("a", "1"),
}
conditions = pytest.mark.parametrize("condition", CONDITIONS.values(), ids=list(CONDITIONS))
SOME = settings(max_examples=count(ci=20, full=500))
VALUES = st.dictionaries(
    st.sampled_from(["a", "b", "outcome", "context.größe", "k0"]),
    st.sampled_from(["", "1", "2", "fail", "failed", "🐍 x"]) | st.text(max_size=5),
)


@conditions
@SOME
@given(values=VALUES)
def test_it_asks_only_for_the_keys_it_names(condition: Condition, values: dict[str, str]) -> None:
    asked: set[str] = set()

    def look_up(key: str) -> str:
        asked.add(key)
        return values.get(key, "")

    assert condition.holds(look_up) in (True, False)
    assert asked <= condition.keys()


@conditions
@SOME
@given(values=VALUES)
def test_the_same_values_give_the_same_answer(condition: Condition, values: dict[str, str]) -> None:
    def look_up(key: str) -> str:
        return values.get(key, "")

    assert condition.holds(look_up) is condition.holds(look_up)


@conditions
@SOME
@given(values=VALUES, more=st.text(max_size=5))
def test_what_it_does_not_name_does_not_matter(
    condition: Condition, values: dict[str, str], more: str
) -> None:
    def without_others(key: str) -> str:
        return values.get(key, "")

    named = condition.keys()

    def with_others(key: str) -> str:
        return values.get(key, "") if key in named else more

    assert condition.holds(without_others) is condition.holds(with_others)


@conditions
def test_it_names_its_keys_the_same_way_every_time(condition: Condition) -> None:
    assert condition.keys() == condition.keys()
    assert isinstance(condition.keys(), frozenset)


@conditions
def test_what_a_lookup_raises_is_raised(condition: Condition) -> None:
    def look_up(key: str) -> str:
        raise LookupError(key)

    if condition.keys():
        with pytest.raises(LookupError):
            condition.holds(look_up)
    else:
        assert condition.holds(look_up) in (True, False)
