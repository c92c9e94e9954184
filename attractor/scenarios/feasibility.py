"""How many trials of a suite may fail before the gate must say no."""

from collections.abc import Iterator
from fractions import Fraction
from math import floor

from attractor.scenarios.satisfaction import failures_tolerated
from attractor.scenarios.suite import Suite


def failures_allowed(suite: Suite) -> int:
    """Return how many trials of holdouts may fail at most; -1 when too few are played for a go.

    Every rule has its say: each scenario's own pass rate, the satisfaction and the lower bound.
    """
    gate, trials = suite.settings.gate, suite.settings.trials.n
    holdouts = suite.of_split("holdout")
    bound = failures_tolerated(
        trials * len(holdouts), gate.min_lower_bound, confidence=gate.confidence
    )
    left = sum((one.weight * trials for one in holdouts), Fraction(0)) * (1 - gate.min_satisfaction)
    allowed = 0
    # The lightest first: so many failures there can be at most.
    for weight in sorted(_forgiven(suite)):
        left -= weight
        if left < 0:
            break
        allowed += 1
    return min(bound, allowed)


def _forgiven(suite: Suite) -> Iterator[Fraction]:
    """Yield the weight of every trial that its own scenario's pass rate lets fail."""
    trials = suite.settings.trials.n
    for one in suite.of_split("holdout"):
        for _ in range(floor(trials * (1 - one.min_pass_rate))):
            yield one.weight
