"""How much of a suite a candidate satisfies, in exact fractions, and how sure that is.

How many trials of a suite may fail before the gate must say no.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import exp, floor, lgamma, log, log1p

from attractor.base.dataclasses import dataclass
from attractor.scenarios.suite import Suite

BOUND_SENTENCE = (
    "The bound says how sure we are about these scenarios; it says nothing about others."
)
_HALVINGS = 60


@dataclass(frozen=True)
class Tally:
    """The trials of one scenario: how many were played and satisfied, and what it weighs."""

    scenario: str
    played: int
    satisfied: int
    weight: Fraction = Fraction(1)
    min_pass_rate: Fraction = Fraction(1)

    @property
    def passed(self) -> bool:
        """Whether enough of its trials satisfied it."""
        return self.played > 0 and Fraction(self.satisfied, self.played) >= self.min_pass_rate

    @property
    def is_flaky(self) -> bool:
        """Whether some of its trials satisfied it and others did not."""
        return 0 < self.satisfied < self.played


def satisfaction(tallies: Sequence[Tally]) -> Fraction:
    """Return the weighted share of satisfied trials; nothing played satisfies nothing."""
    total = sum((tally.weight * tally.played for tally in tallies), Fraction(0))
    if not total:
        return Fraction(0)
    return sum((tally.weight * tally.satisfied for tally in tallies), Fraction(0)) / total


def lower_bound(satisfied: int, played: int, *, confidence: float = 0.95) -> float:
    """Return the one-sided Clopper-Pearson bound: the true share is above it, this surely.

    It is the share at which as many satisfied trials or more are as unlikely as the confidence
    leaves room for. It is rounded down, never up.
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
    """Return how many trials, all satisfied, reach a lower bound."""

    def reaches(trials: int) -> bool:
        return lower_bound(trials, trials, confidence=confidence) >= bound

    enough = 1
    while not reaches(enough):
        enough *= 2
    # The more trials, the higher the bound: so the first that is enough is found by halving.
    return bisect_left(range(enough + 1), True, lo=1, key=reaches)


def failures_tolerated(played: int, bound: float, *, confidence: float = 0.95) -> int:
    """Return how many of the trials may fail while the bound still holds; -1 when none may."""
    if bound <= 0:
        return played
    unlikely = 1 - confidence

    def is_too_many(failures: int) -> bool:
        return _at_least(played - failures, played, bound) > unlikely

    def holds(failures: int) -> bool:
        return lower_bound(played - failures, played, confidence=confidence) >= bound

    tolerated = bisect_left(range(played + 1), True, key=is_too_many) - 1
    # The bound that is told is rounded down, so it has the last word on the edge.
    while tolerated >= 0 and not holds(tolerated):
        tolerated -= 1
    return tolerated


def _at_least(satisfied: int, played: int, share: float) -> float:
    """Return how likely so many satisfied trials or more are, at a true share."""
    return sum(_exactly(k, played, share) for k in range(satisfied, played + 1))


def _exactly(k: int, n: int, share: float) -> float:
    # By logarithms: the number of ways is too large for a float with a thousand trials.
    ways = lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
    missed = (n - k) * log1p(-share) if k < n else 0.0
    return exp(ways + k * log(share) + missed)


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
