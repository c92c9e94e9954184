from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from attractor.base.backoff import Backoff
from attractor.base.errors import UsageError

SECOND = timedelta(seconds=1)
delays = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36_500))


def milliseconds(number: float) -> timedelta:
    return timedelta(milliseconds=number)


def test_delays_without_jitter_grow_by_the_factor_up_to_the_maximum() -> None:
    plain = Backoff(jitter=False)
    assert [plain.delay(attempt) for attempt in (1, 2, 3, 9)] == [
        milliseconds(200),
        milliseconds(400),
        milliseconds(800),
        milliseconds(51_200),
    ]
    assert plain.delay(10) == plain.delay(10_000) == timedelta(seconds=60)
    constant = Backoff(initial=milliseconds(500), factor=1, jitter=False)
    assert {constant.delay(attempt) for attempt in (1, 2, 10_000)} == {milliseconds(500)}
    assert Backoff(initial=timedelta()).delay(10_000, seed="run") == timedelta()


def test_jitter_depends_on_seed_and_attempt_alone() -> None:
    assert [Backoff().delay(attempt, seed="run/node") for attempt in (1, 2, 3)] == [
        timedelta(microseconds=number) for number in (275_884, 562_822, 923_989)
    ]
    constant = Backoff(factor=1)
    assert len({constant.delay(attempt, seed="run") for attempt in range(1, 101)}) > 90
    assert len({constant.delay(1, seed=f"run {number}") for number in range(100)}) > 90
    assert constant.delay(1, seed="1:run") != constant.delay(11, seed=":run")
    shares = [constant.delay(attempt) / milliseconds(200) for attempt in range(1, 2001)]
    assert min(shares) < 0.51
    assert max(shares) > 1.49
    assert abs(sum(shares) / len(shares) - 1) < 0.03


@given(delays, delays, st.floats(1, 1e300), st.integers(1, 10_000), st.text())
def test_every_delay_is_within_its_bounds(
    one: timedelta, other: timedelta, factor: float, attempt: int, seed: str
) -> None:
    spread = Backoff(initial=min(one, other), factor=factor, maximum=max(one, other))
    plain = Backoff(spread.initial, spread.factor, spread.maximum, jitter=False)
    base = plain.delay(attempt)
    microsecond = timedelta(microseconds=1)
    assert spread.initial <= base <= spread.maximum
    assert base / 2 - microsecond <= spread.delay(attempt, seed=seed) <= base * 1.5 + microsecond
    assert base <= plain.delay(attempt + 1)


def test_invalid_backoff_is_refused() -> None:
    for factor in (0.5, 0, -2, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="invalid backoff factor"):
            Backoff(factor=factor)
    for initial, maximum in ((-SECOND, SECOND), (2 * SECOND, SECOND), (SECOND, timedelta.max)):
        with pytest.raises(UsageError, match="invalid backoff from"):
            Backoff(initial=initial, maximum=maximum)
    with pytest.raises(UsageError, match="invalid attempt number 0"):
        Backoff().delay(0)
    with pytest.raises(FrozenInstanceError):
        Backoff().factor = 3.0  # pyright: ignore[reportAttributeAccessIssue]
