"""The satisfaction of a candidate, its lower bound, and the number of allowed failures."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from math import exp, floor, lgamma, log, log1p

from attractor.base.dataclasses import dataclass
from attractor.scenarios.suite import Suite

_HALVINGS = 60


@dataclass(frozen=True)
class ScenarioTally:
    """The numbers of played and satisfied trials of a scenario, and the scenario's weight."""

    scenario: str
    played: int
    satisfied: int
    weight: Fraction = Fraction(1)
    min_pass_rate: Fraction = Fraction(1)

    @property
    def passed(self) -> bool:
        """Whether enough trials were satisfied."""
        return self.played > 0 and Fraction(self.satisfied, self.played) >= self.min_pass_rate

    @property
    def is_flaky(self) -> bool:
        """Whether some trials were satisfied and other trials were not."""
        return 0 < self.satisfied < self.played


def satisfaction(tallies: Sequence[ScenarioTally]) -> Fraction:
    """Return the weighted share of satisfied trials (0 without trials)."""
    total = sum(tally.weight * tally.played for tally in tallies)
    if not total:
        return Fraction(0)
    return sum(tally.weight * tally.satisfied for tally in tallies) / total


@lru_cache(maxsize=1024)
def lower_bound(satisfied: int, played: int, *, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson lower bound of the true share, rounded down.

    If the true share equals this bound, the probability of at least `satisfied` satisfied trials is
    `1 - confidence`.
    """
    if satisfied == 0:
        return 0.0
    low, high = Fraction(0), Fraction(satisfied, played)
    unlikely = 1 - confidence
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_least(satisfied, played, float(middle)) > unlikely:
            high = middle
        else:
            low = middle
    return float(low)


def trials_needed(bound: float, *, confidence: float = 0.95) -> int:
    """Return the number of trials that reach a lower bound if all trials are satisfied."""

    def reaches(trials: int) -> bool:
        return lower_bound(trials, trials, confidence=confidence) >= bound

    enough = 1
    while not reaches(enough):
        enough *= 2
    # The bound grows with the number of trials, so bisection finds the smallest number.
    return bisect_left(range(enough + 1), True, lo=1, key=reaches)


def failures_tolerated(played: int, bound: float, *, confidence: float = 0.95) -> int:
    """Return the maximum number of failures with which the lower bound is still reached.

    Return -1 if the lower bound is never reached.
    """
    if bound <= 0:
        return played
    unlikely = 1 - confidence

    def is_too_many(failures: int) -> bool:
        return _at_least(played - failures, played, bound) > unlikely

    return bisect_left(range(played + 1), True, key=is_too_many) - 1


def _at_least(satisfied: int, played: int, share: float) -> float:
    """Return the probability that at least `satisfied` trials are satisfied, given a true share."""
    return sum(_exactly(k, played, share) for k in range(satisfied, played + 1))


def _exactly(k: int, n: int, share: float) -> float:
    # With logarithms: binomial coefficients of a thousand trials exceed a float.
    ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    missed = (n - k) * log1p(-share) if k < n else 0.0
    return exp(ways + k * log(share) + missed)


def failures_allowed(suite: Suite) -> int:
    """Return the number of held-out trials that can fail without a no-go.

    Return -1 if the suite has too few trials. The number considers the pass rates of scenarios, the
    satisfaction and the lower bound.
    """
    gate, trials = suite.settings.gate, suite.settings.trials.n
    holdouts = suite.of_split("holdout")
    bound = failures_tolerated(
        trials * len(holdouts), gate.min_lower_bound, confidence=gate.confidence
    )
    left = sum(holdout.weight * trials for holdout in holdouts) * (1 - gate.min_satisfaction)
    allowed = 0
    # Lightest first, because that gives the largest number of failures.
    for weight in sorted(_forgiven(suite)):
        left -= weight
        if left < 0:
            break
        allowed += 1
    return min(bound, allowed)


def _forgiven(suite: Suite) -> Iterator[Fraction]:
    """Yield the weight of every trial that may fail by the pass rate of the scenario."""
    trials = suite.settings.trials.n
    for one in suite.of_split("holdout"):
        for _ in range(floor(trials * (1 - one.min_pass_rate))):
            yield one.weight
