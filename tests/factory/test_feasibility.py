"""The failures that a registration allows are the failures that the gate allows."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput
from attractor.scenarios.satisfaction import failures_allowed
from attractor.scenarios.suite import Suite, TrialSettings
from tests.counts import count
from tests.factory.evaluation.test_gate import judge, results, scenario, suite

RATES = st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(2, 3), Fraction(1, 4)])


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    names = "abc"[: draw(st.integers(1, 3))]
    scenarios = [
        scenario(name, min_pass_rate=draw(RATES), weight=draw(st.integers(1, 3))) for name in names
    ]
    held = suite(
        *scenarios,
        min_satisfaction=draw(RATES),
        min_lower_bound=draw(st.sampled_from([0.0, 0.3, 0.6])),
        confidence=draw(st.sampled_from([0.6, 0.95])),
    )
    trials = TrialSettings(n=draw(st.integers(1, 3)))
    return held.model_copy(update={"settings": held.settings.model_copy(update={"trials": trials})})


def outcomes(held: Suite) -> list[tuple[GateInput, int]]:
    """Return gate inputs for all possible failure counts of the scenarios, with their totals."""
    n = held.settings.trials.n
    names = [one.id for one in held.scenarios]
    ways: list[tuple[GateInput, int]] = []
    for failures in product(range(n + 1), repeat=len(names)):
        ended = {
            name: [False] * failed + [True] * (n - failed)
            for name, failed in zip(names, failures, strict=True)
        }
        ways.append((judge(held, results(**ended)), sum(failures)))
    return ways


@given(suites())
@settings(max_examples=count(ci=20, full=60))
def test_reported_number_is_the_maximum_of_failures(held: Suite) -> None:
    passing = [failed for judged, failed in outcomes(held) if gate(judged).go]
    assert failures_allowed(held) == max(passing, default=-1)


@pytest.mark.parametrize(("trials", "allowed"), [(3, 1), (4, 2)])
def test_half_of_the_trials_may_fail_if_half_must_be_satisfied(trials: int, allowed: int) -> None:
    held = suite(
        scenario("a", min_pass_rate=Fraction(1, 4)),
        min_satisfaction=Fraction(1, 2),
        min_lower_bound=0.0,
    )
    adapted = held.settings.model_copy(update={"trials": TrialSettings(n=trials)})
    assert failures_allowed(held.model_copy(update={"settings": adapted})) == allowed
