from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.changed import changed


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    names: tuple[str, ...] = field(default=(), compare=False)


@given(st.integers(), st.integers(), st.integers())
def test_it_makes_what_replace_makes(x: int, y: int, other: int) -> None:
    point = Point(x, y, ("a",))

    assert changed(point, y=other) == replace(point, y=other)
    assert changed(point, x=other, names=()).names == ()
    assert changed(point) == point


def test_the_first_one_stays_as_it_was_and_the_other_is_frozen_too() -> None:
    point = Point(1, 2)
    other = changed(point, x=5)

    assert (point.x, other.x, other.y) == (1, 5, 2)
    with pytest.raises(FrozenInstanceError):
        other.x = 6  # pyright: ignore[reportAttributeAccessIssue]


def test_a_field_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="Point has no field z"):
        changed(Point(1), z=3)
