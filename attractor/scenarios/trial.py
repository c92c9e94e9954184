"""The result of one trial, and how it is written down."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken
from attractor.base.json import Json, JsonObject
from attractor.scenarios.observed import CheckResult
from attractor.scenarios.satisfaction import Tally
from attractor.scenarios.suite import Scenario, Suite


@dataclass(frozen=True)
class TrialKey:
    """Which trial of which scenario."""

    scenario: str
    number: int


@dataclass(frozen=True)
class TrialResult:
    """How one trial ended; trouble of the machinery counts against the candidate as an error."""

    key: TrialKey
    satisfied: bool
    checks: tuple[CheckResult, ...]
    duration_ms: int
    retries: int = 0
    error: str = ""

    def to_record(self) -> JsonObject:
        """Return it whole, as it is kept."""
        return {
            "scenario": self.key.scenario,
            "trial": self.key.number,
            "satisfied": self.satisfied,
            "checks": [_check_record(check) for check in self.checks],
            "duration_ms": self.duration_ms,
            "retries": self.retries,
            "error": self.error,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Json]) -> "TrialResult":
        """Read it back; a wrong shape is no result of ours."""
        match record:
            case {
                "scenario": str(scenario),
                "trial": int(number),
                "satisfied": bool(satisfied),
                "checks": list(checks),
                "duration_ms": int(duration),
                "retries": int(retries),
                "error": str(error),
            }:
                key = TrialKey(scenario, number)
                results = tuple(_check(check) for check in checks)
                return cls(key, satisfied, results, duration, retries, error)
            case _:
                raise Broken("a kept trial is not one", hint="bring it back from a copy")


def trial_keys(suite: Suite) -> list[TrialKey]:
    """Return every trial of the held-out scenarios, in the order in which they are played."""
    numbers = range(1, suite.settings.trials.n + 1)
    return [TrialKey(one.id, number) for one in suite.of_split("holdout") for number in numbers]


def tally(scenarios: Sequence[Scenario], results: Sequence[TrialResult]) -> list[Tally]:
    """Count the trials of each scenario."""
    return [
        Tally(
            scenario.id,
            played=sum(one.key.scenario == scenario.id for one in results),
            satisfied=sum(one.key.scenario == scenario.id and one.satisfied for one in results),
            weight=Fraction(scenario.weight),
            min_pass_rate=Fraction(scenario.min_pass_rate),
        )
        for scenario in scenarios
    ]


def _check_record(check: CheckResult) -> dict[str, Json]:
    return {
        "kind": check.kind,
        "passed": check.passed,
        "score": check.score,
        "reason": check.reason,
        "evidence": check.evidence,
    }


def _check(record: Json) -> CheckResult:
    match record:
        case {
            "kind": str(kind),
            "passed": bool(passed),
            "score": float(score),
            "reason": str(reason),
            "evidence": str(evidence),
        }:
            return CheckResult(kind, passed, score, reason, evidence)
        case _:
            raise Broken("a check of a kept trial is not one", hint="bring it back from a copy")
