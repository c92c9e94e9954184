from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.backoff import Backoff
from attractor.base.errors import UsageError

waits = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36_500))


def milliseconds(number: float) -> timedelta:
    return timedelta(milliseconds=number)


def test_without_jitter_waits_double_up_to_the_maximum():
    plain = Backoff(jitter=False)
    assert [plain.delay(attempt) for attempt in (1, 2, 3, 9)] == [
        milliseconds(200),
        milliseconds(400),
        milliseconds(800),
        milliseconds(51_200),
    ]
    assert plain.delay(10) == plain.delay(10_000) == timedelta(seconds=60)


def test_a_factor_of_one_waits_the_same_each_time():
    constant = Backoff(initial=milliseconds(500), factor=1, jitter=False)
    assert {constant.delay(attempt) for attempt in (1, 2, 10_000)} == {milliseconds(500)}


def test_a_wait_of_nothing_stays_nothing():
    assert Backoff(initial=timedelta()).delay(10_000, seed="run") == timedelta()


def test_jitter_is_the_same_on_every_machine():
    spread = Backoff()
    assert [spread.delay(attempt, seed="run/node") for attempt in (1, 2, 3)] == [
        timedelta(microseconds=number) for number in (275_884, 562_822, 923_989)
    ]


def test_jitter_depends_on_seed_and_attempt():
    constant = Backoff(factor=1)
    assert len({constant.delay(attempt, seed="run") for attempt in range(1, 101)}) > 90
    assert len({constant.delay(1, seed=f"run {number}") for number in range(100)}) > 90
    assert constant.delay(1, seed="1:run") != constant.delay(11, seed=":run")


def test_jitter_spreads_over_half_to_one_and_a_half():
    shares = [Backoff(factor=1).delay(attempt) / milliseconds(200) for attempt in range(1, 2001)]
    assert min(shares) < 0.51
    assert max(shares) > 1.49
    assert abs(sum(shares) / len(shares) - 1) < 0.03


@given(waits, waits, st.floats(1, 1e300), st.integers(1, 10_000), st.text())
def test_every_wait_lies_within_its_bounds(
    one: timedelta, other: timedelta, factor: float, attempt: int, seed: str
):
    spread = Backoff(initial=min(one, other), factor=factor, maximum=max(one, other))
    plain = Backoff(spread.initial, spread.factor, spread.maximum, jitter=False)
    base = plain.delay(attempt)
    microsecond = timedelta(microseconds=1)
    assert spread.initial <= base <= spread.maximum
    assert base / 2 - microsecond <= spread.delay(attempt, seed=seed) <= base * 1.5 + microsecond
    assert spread.delay(attempt, seed=seed) == spread.delay(attempt, seed=seed)
    assert base <= plain.delay(attempt + 1)


@pytest.mark.parametrize("factor", [0.5, 0, -2, float("nan"), float("inf")])
def test_a_factor_that_does_not_grow_is_refused(factor: float):
    with pytest.raises(UsageError, match="factor"):
        Backoff(factor=factor)


@pytest.mark.parametrize(
    ("initial", "maximum"),
    [
        (timedelta(seconds=-1), timedelta(seconds=1)),
        (timedelta(seconds=2), timedelta(seconds=1)),
        (timedelta(seconds=2), timedelta.max),
    ],
)
def test_bounds_that_are_none_are_refused(initial: timedelta, maximum: timedelta):
    with pytest.raises(UsageError, match="cannot start at"):
        Backoff(initial=initial, maximum=maximum)


def test_attempts_are_counted_from_one():
    with pytest.raises(UsageError, match="no attempt 0"):
        Backoff().delay(0)


def test_a_backoff_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Backoff().factor = 3.0  # pyright: ignore[reportAttributeAccessIssue]
