from fractions import Fraction
from importlib import import_module
from math import comb, nextafter
from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from attractor.scenarios.satisfaction import (
    ScenarioTally,
    failures_tolerated,
    lower_bound,
    satisfaction,
    trials_needed,
)
from tests.tables import table


@table(("trials", "bound"), [(5, 0.549), (10, 0.741), (20, 0.861), (29, 0.902), (59, 0.950)])
def test_the_bound_of_trials_that_all_satisfy(trials: int, bound: float) -> None:
    assert round(lower_bound(trials, trials), 3) == bound
    assert lower_bound(trials, trials) == pytest.approx(0.05 ** (1 / trials), abs=1e-9)


def at_least(satisfied: int, played: int, share: Fraction) -> Fraction:
    """Return the exact probability of at least this number of satisfied trials."""
    return sum(
        (
            comb(played, one) * share**one * (1 - share) ** (played - one)
            for one in range(satisfied, played + 1)
        ),
        Fraction(0),
    )


def test_bounds_of_random_counts_are_exact_to_nine_digits() -> None:
    random = Random(7)
    for _ in range(200):
        played = random.randint(1, 40)
        satisfied, confidence = random.randint(1, played), random.choice([0.8, 0.9, 0.95, 0.99])
        bound = lower_bound(satisfied, played, confidence=confidence)
        digits = round(bound * 10**9)
        below, above = Fraction(digits - 1, 10**9), Fraction(digits + 1, 10**9)
        unlikely = 1 - Fraction(str(confidence))
        assert at_least(satisfied, played, below) <= unlikely <= at_least(satisfied, played, above)


def test_the_bound_of_eight_in_ten() -> None:
    # The table value of the one-sided bound at 95 %.
    assert lower_bound(8, 10) == pytest.approx(0.493099, abs=1e-6)
    assert lower_bound(0, 10) == 0.0


def test_the_bound_agrees_with_another_implementation() -> None:
    # The bound is a quantile of a beta distribution.
    special: Any = import_module("scipy.special")
    random = Random(20)
    for _ in range(1000):
        played = random.randint(1, 60)
        satisfied, confidence = random.randint(1, played), random.uniform(0.51, 0.999)
        wanted = special.betaincinv(satisfied, played - satisfied + 1, 1 - confidence)
        bound = lower_bound(satisfied, played, confidence=confidence)
        assert bound == pytest.approx(wanted, abs=1e-9), (satisfied, played, confidence)


def test_thousands_of_trials_are_no_trouble() -> None:
    assert 0.99 < lower_bound(2990, 3000) < 2990 / 3000


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_lower_bound_is_below_the_share_and_grows_with_it(counts: tuple[int, int]) -> None:
    satisfied, played = counts
    bound = lower_bound(satisfied, played)
    assert 0 <= bound <= satisfied / played
    if satisfied < played:
        assert bound < lower_bound(satisfied + 1, played)


def test_how_many_trials_and_failures_a_bound_needs() -> None:
    assert trials_needed(0.9) == 29
    assert [failures_tolerated(n, 0.9) for n in (28, 29, 59)] == [-1, 0, 1]


@given(st.integers(1, 40), st.floats(0, 0.99), st.floats(0.51, 0.99))
def test_failures_tolerated_is_the_maximum_for_the_bound(
    played: int, bound: float, confidence: float
) -> None:
    tolerated = failures_tolerated(played, bound, confidence=confidence)
    for failures in range(played + 1):
        holds = lower_bound(played - failures, played, confidence=confidence) >= bound
        assert holds == (failures <= tolerated)


@given(st.floats(0, 0.99), st.floats(0.51, 0.99))
def test_trials_needed_is_the_minimum_for_the_bound(bound: float, confidence: float) -> None:
    needed = trials_needed(bound, confidence=confidence)
    assert lower_bound(needed, needed, confidence=confidence) >= bound
    assert needed == 1 or lower_bound(needed - 1, needed - 1, confidence=confidence) < bound


def test_a_bound_of_nearly_one_is_answered_at_once() -> None:
    assert trials_needed(0.9999) == 29956
    assert trials_needed(nextafter(1, 0)) > 10**15
    assert failures_tolerated(10_000, 0.5) == 4917


def test_satisfaction_is_the_weighted_share_in_exact_fractions() -> None:
    tallies = [
        ScenarioTally("a", played=3, satisfied=1, weight=Fraction(2)),
        ScenarioTally("b", played=3, satisfied=3),
    ]
    assert satisfaction(tallies) == Fraction(5, 9)
    assert satisfaction([]) == 0


def test_a_scenario_passes_at_its_own_rate_and_some_of_each_is_flaky() -> None:
    half = ScenarioTally("a", played=10, satisfied=9, min_pass_rate=Fraction(9, 10))
    assert half.passed
    assert half.is_flaky
    assert not ScenarioTally("a", played=10, satisfied=8, min_pass_rate=Fraction(9, 10)).passed
    assert not ScenarioTally("a", played=0, satisfied=0).passed
    assert not ScenarioTally("a", played=2, satisfied=2).is_flaky
