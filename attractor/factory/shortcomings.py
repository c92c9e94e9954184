"""What a candidate fell short of, in the holdouts' own words: for the operator's eyes only."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.factory.gate import Judged
from attractor.scenarios.evaluation import TrialResult, tally


@dataclass(frozen=True)
class Shortcoming:
    """A held-out scenario of which not every trial was satisfied, and why."""

    scenario: str
    title: str
    played: int
    satisfied: int
    reasons: tuple[str, ...]

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "played": self.played,
            "satisfied": self.satisfied,
            "reasons": list(self.reasons),
        }


def shortcomings(judged: Judged) -> list[Shortcoming]:
    """Return every held-out scenario that a trial did not satisfy, or that was not played."""
    if judged.suite is None:
        return []
    holdouts = judged.suite.of_split("holdout")
    results = judged.counted()
    return [
        Shortcoming(
            scenario.id,
            scenario.title,
            count.played,
            count.satisfied,
            _reasons([one for one in results if one.key.scenario == scenario.id]),
        )
        for scenario, count in zip(holdouts, tally(holdouts, results), strict=True)
        if count.satisfied < count.played or not count.played
    ]


def _reasons(results: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return why trials were not satisfied, each reason once and in the order they came."""
    troubles = [f"machinery: {one.error}" for one in results if one.error]
    failed = [
        f"{check.kind}: {check.reason}"
        for one in results
        for check in one.checks
        if not check.passed
    ]
    return tuple(dict.fromkeys([*troubles, *failed]))
