"""Plays the trials of a suite, and continues after a crash.

The number of trials is fixed in advance: an evaluation neither stops early nor repeats a failed
trial. Only a machinery error is retried, and finally counts against the candidate. A trial that
was running when the process died counts as a machinery error.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, VerificationError
from attractor.base.json import Json, JsonObject
from attractor.scenarios.check import CheckResult
from attractor.scenarios.satisfaction import ScenarioTally
from attractor.scenarios.suite import Scenario, Suite


@dataclass(frozen=True)
class TrialKey:
    """The id of a trial: the scenario and the number of the trial."""

    scenario: str
    number: int


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial; a machinery error counts against the candidate."""

    key: TrialKey
    satisfied: bool
    checks: tuple[CheckResult, ...]
    duration_ms: int
    retries: int = 0
    error: str = ""

    def to_record(self) -> JsonObject:
        """Return the JSON record of the result."""
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
        """Read the record of a trial."""
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
                raise VerificationError(
                    "corrupt record of a trial", hint="restore it from a backup"
                )


def trial_keys(suite: Suite) -> list[TrialKey]:
    """Return the trials of the held-out scenarios, in playing order."""
    numbers = range(1, suite.settings.trials.n + 1)
    return [TrialKey(one.id, number) for one in suite.of_split("holdout") for number in numbers]


def count_trials(
    scenarios: Sequence[Scenario], results: Sequence[TrialResult]
) -> list[ScenarioTally]:
    """Return the numbers of played and satisfied trials of each scenario."""
    return [
        ScenarioTally(
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
            raise VerificationError("corrupt record of a check", hint="restore it from a backup")


_RESTORE = "restore it from a backup"

PlayTrial = Callable[[Scenario, TrialKey], Awaitable[TrialResult]]


class TrialLog(Protocol):
    """Records the trials of an evaluation."""

    def started(self, key: TrialKey) -> None:
        """Record the start of a trial."""
        ...

    def troubled(self, key: TrialKey, trouble: str) -> None:
        """Record a machinery error of a trial."""
        ...

    def completed(self, result: TrialResult) -> None:
        """Record the result of a trial."""
        ...


@dataclass(frozen=True)
class EarlierTrials:
    """The records of a crashed evaluation: results, and the number of starts of each trial."""

    results: Mapping[TrialKey, TrialResult] = field(default_factory=dict[TrialKey, TrialResult])
    begun: Counter[TrialKey] = field(default_factory=Counter[TrialKey])

    @property
    def has_begun(self) -> bool:
        """Whether any trial was started."""
        return bool(self.results) or any(self.begun.values())


async def evaluate(
    scenarios: Sequence[Scenario],
    play_trial: PlayTrial,
    log: TrialLog,
    *,
    trials: int,
    infra_retries: int,
    earlier: EarlierTrials | None = None,
) -> list[TrialResult]:
    """Return the results of all trials, each recorded before the next trial begins."""
    before = earlier or EarlierTrials()
    results: list[TrialResult] = []
    for scenario in scenarios:
        for number in range(1, trials + 1):
            key = TrialKey(scenario.id, number)
            result = before.results.get(key)
            if result is None:
                allowed = infra_retries + 1 - before.begun[key]
                result = await _played(scenario, key, play_trial, log, infra_retries, allowed)
                log.completed(result)
            results.append(result)
    return results


async def _played(
    scenario: Scenario,
    key: TrialKey,
    play_trial: PlayTrial,
    log: TrialLog,
    infra_retries: int,
    allowed: int,
) -> TrialResult:
    """Play a trial; after a machinery error, play the trial again, up to the limit."""
    trouble = "the evaluation crashed during this trial"
    for attempt in range(infra_retries + 1 - allowed, infra_retries + 1):
        log.started(key)
        try:
            return replace(await play_trial(scenario, key), retries=attempt)
        except (MachineryError, OSError) as error:
            trouble = str(error)
            log.troubled(key, trouble)
    return TrialResult(key, False, (), 0, retries=infra_retries, error=trouble)
