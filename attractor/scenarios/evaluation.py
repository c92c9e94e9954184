"""Plays every trial of a suite once, and goes on with the missing ones after a crash.

How often a scenario is played is fixed beforehand: no early stop on green, no second try for a red
trial. Only trouble of the machinery is tried again, a few times, and then counts against the
candidate. A trial that was in flight when the evaluation died counts as such trouble.

What a trial saw of a candidate, for checks to judge.

The result of one trial, and how it is written down.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, VerificationError
from attractor.base.json import Json, JsonObject, content_hash
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.satisfaction import Tally
from attractor.scenarios.suite import Scenario, Suite


@dataclass(frozen=True)
class StepRecord:
    """How one step went: a command's end, a service's readiness or a request's answer."""

    name: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    is_ready: bool | None = None
    http_status: int | None = None
    body: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Observed:
    """Every step by name, and the environment in which they were made."""

    steps: Mapping[str, StepRecord]
    environment: ExecutionEnvironment


@dataclass(frozen=True)
class CheckResult:
    """What a check says: passed or not, how nearly, why, and the hash of what it looked at."""

    kind: str
    passed: bool
    score: float
    reason: str
    evidence: str


class Check(Protocol):
    """Judges one thing a trial saw; built from what the suite writes below its kind."""

    async def judge(self, observed: Observed) -> CheckResult:
        """Look, and say whether it holds."""
        ...


def judged(kind: str, *, passed: bool, reason: str, evidence: str) -> CheckResult:
    """Return the result of a check that either holds or does not."""
    digest = content_hash(evidence.encode("utf-8", "surrogateescape"))
    return CheckResult(kind, passed, 1.0 if passed else 0.0, reason, digest)


def step_record(observed: Observed, kind: str, step: str) -> StepRecord | CheckResult:
    """Return a step's record, or the failed check when the step was never reached."""
    record = observed.steps.get(step)
    if record is None:
        return judged(kind, passed=False, reason=f"step {step} was not reached", evidence="")
    if record.trouble:
        reason = f"step {step}: {record.trouble}"
        return judged(kind, passed=False, reason=reason, evidence=record.trouble)
    return record


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
                raise VerificationError("a kept trial is not one", hint="bring it back from a copy")


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
            raise VerificationError(
                "a check of a kept trial is not one", hint="bring it back from a copy"
            )


PlayTrial = Callable[[Scenario, TrialKey], Awaitable[TrialResult]]


class TrialLog(Protocol):
    """Where an evaluation writes what happens, before it goes on."""

    def started(self, key: TrialKey) -> None:
        """Note that a trial begins."""
        ...

    def troubled(self, key: TrialKey, trouble: str) -> None:
        """Note that the machinery failed a trial."""
        ...

    def completed(self, result: TrialResult) -> None:
        """Note how a trial ended."""
        ...


@dataclass(frozen=True)
class Earlier:
    """What an evaluation that died had written: results, and how often each trial had begun."""

    results: Mapping[TrialKey, TrialResult] = field(default_factory=dict[TrialKey, TrialResult])
    begun: Counter[TrialKey] = field(default_factory=Counter[TrialKey])

    @property
    def has_begun(self) -> bool:
        """Whether any trial was begun."""
        return bool(self.results) or any(self.begun.values())


async def evaluate(
    scenarios: Sequence[Scenario],
    play_trial: PlayTrial,
    log: TrialLog,
    *,
    trials: int,
    infra_retries: int,
    earlier: Earlier | None = None,
) -> list[TrialResult]:
    """Return the result of every trial, each written to the log before the next begins."""
    before = earlier or Earlier()
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
    """Play one trial as often as the machinery's trouble allows."""
    trouble = "the evaluation died while it was played"
    for attempt in range(infra_retries + 1 - allowed, infra_retries + 1):
        log.started(key)
        try:
            return replace(await play_trial(scenario, key), retries=attempt)
        except (MachineryError, OSError) as error:
            trouble = str(error)
            log.troubled(key, trouble)
    return TrialResult(key, False, (), 0, retries=infra_retries, error=trouble)
