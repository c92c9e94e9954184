"""Plays the trials of a suite, several at once if the suite says so, and continues after a crash.

The number of trials is fixed in advance: an evaluation neither stops early nor repeats a failed
trial. Only trouble of the machinery, a twin or the judge is retried, and finally counts against the
candidate. A trial that was running when the process died counts as trouble of the machinery.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, MachineryError, UsageError, VerificationError
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.environments.errors import CommandUnusable, FileUnusable, NotSupported, PortUnusable
from attractor.scenarios.check import CheckResult
from attractor.scenarios.satisfaction import ScenarioTally
from attractor.scenarios.suite import Scenario, Suite, TrialSettings

_SEED_DIGITS = 12
"""Hexadecimal digits of a seed, which programs with 53-bit integers can read exactly."""


class Culprit(StrEnum):
    """The cause of a failure."""

    CANDIDATE = "candidate"
    PIPELINE = "pipeline"
    MODEL = "model"
    TWIN = "twin"
    MACHINERY = "machinery"
    SUITE = "suite"


@dataclass(frozen=True)
class TrialKey:
    """The id of a trial: the scenario and the number of the trial."""

    scenario: str
    number: int

    def seed(self, suite_seed: int) -> int:
        """Return the seed of the trial.

        The candidate does not see it: the seeds of train trials are known to agents, so another
        seed would reveal a holdout.
        """
        words = {"seed": suite_seed, "scenario": self.scenario, "trial": self.number}
        return int(content_hash(canonical_json(words).encode())[:_SEED_DIGITS], 16)


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial; a trial with an error counts against the candidate.

    `cost_usd` and `tokens` are the usage of the judge.
    """

    key: TrialKey
    satisfied: bool
    checks: tuple[CheckResult, ...]
    duration_ms: int
    retries: int = 0
    error: str = ""
    culprit: Culprit | None = None
    seed: int = 0
    cost_usd: float = 0.0
    tokens: int = 0

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
            "culprit": self.culprit.value if self.culprit else "",
            "seed": self.seed,
            "cost_usd": self.cost_usd,
            "tokens": self.tokens,
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
                "culprit": str(culprit),
                "seed": int(seed),
                "cost_usd": float(cost),
                "tokens": int(tokens),
            }:
                return cls(
                    TrialKey(scenario, number),
                    satisfied,
                    tuple(_check(check) for check in checks),
                    duration,
                    retries,
                    error,
                    Culprit(culprit) if culprit else None,
                    seed,
                    cost,
                    tokens,
                )
            case _:
                raise VerificationError(
                    "corrupt record of a trial", hint="restore it from a backup"
                )


def is_satisfied(checks: Sequence[CheckResult], *, min_soft_score: float) -> bool:
    """Return whether every hard check passed and the mean score of the soft checks is enough."""
    # From text: 0.7 as a float is slightly less than seven tenths.
    soft = [Fraction(str(one.score)) for one in checks if not one.hard]
    is_enough = not soft or sum(soft) / len(soft) >= Fraction(str(min_soft_score))
    return is_enough and all(one.passed for one in checks if one.hard)


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
        "hard": check.hard,
    }


def _check(record: Json) -> CheckResult:
    match record:
        case {
            "kind": str(kind),
            "passed": bool(passed),
            "score": float(score),
            "reason": str(reason),
            "evidence": str(evidence),
            "hard": bool(hard),
        }:
            return CheckResult(kind, passed, score, reason, evidence, hard)
        case _:
            raise VerificationError("corrupt record of a check", hint="restore it from a backup")


PlayTrial = Callable[[Scenario, TrialKey], Awaitable[TrialResult]]


@dataclass(frozen=True)
class Progress:
    """The progress of an evaluation; `seconds_left` is an estimate."""

    finished: int
    trials: int
    seconds_left: int

    def to_record(self) -> JsonObject:
        """Return the JSON record of the progress."""
        return {
            "finished": self.finished,
            "trials": self.trials,
            "seconds_left": self.seconds_left,
        }


class TrialLog(Protocol):
    """Records the trials of an evaluation."""

    def started(self, key: TrialKey) -> None:
        """Record the start of a trial."""
        ...

    def troubled(self, key: TrialKey, culprit: Culprit, trouble: str) -> None:
        """Record trouble that is not a result of the candidate."""
        ...

    def completed(self, result: TrialResult, progress: Progress) -> None:
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


class TrialTrouble(MachineryError):
    """A trial that ended without a result because of its culprit; `cost_usd` was spent."""

    def __init__(
        self, message: str, culprit: Culprit, *, cost_usd: float = 0.0, tokens: int = 0
    ) -> None:
        super().__init__(message)
        self.culprit, self.cost_usd, self.tokens = culprit, cost_usd, tokens


_CULPRITS = (
    (NotSupported, Culprit.MACHINERY),
    ((FileUnusable, PortUnusable), Culprit.CANDIDATE),
    ((UsageError, CommandUnusable), Culprit.SUITE),
)
_RETRIED = (Culprit.MACHINERY, Culprit.TWIN, Culprit.MODEL)


def trouble_of(error: AttractorError | OSError) -> TrialTrouble:
    """Return the trouble that an error during a trial means."""
    if isinstance(error, TrialTrouble):
        return error
    found = (culprit for kinds, culprit in _CULPRITS if isinstance(error, kinds))
    return TrialTrouble(str(error), next(found, Culprit.MACHINERY))


async def evaluate(
    scenarios: Sequence[Scenario],
    play_trial: PlayTrial,
    log: TrialLog,
    settings: TrialSettings,
    *,
    earlier: EarlierTrials | None = None,
) -> list[TrialResult]:
    """Return the results of all trials; at most `settings.concurrency` are played at once.

    A worker records the result of its trial before it starts another trial.
    """
    before = earlier or EarlierTrials()
    numbers, concurrency = range(1, settings.n + 1), settings.concurrency
    all_trials = [(one, TrialKey(one.id, number)) for one in scenarios for number in numbers]
    results = {key: before.results[key] for _, key in all_trials if key in before.results}
    waiting = deque(one for one in all_trials if one[1] not in results)

    async def work() -> None:
        while waiting:
            scenario, key = waiting.popleft()
            begun = before.begun[key]
            result = await _played(scenario, key, play_trial, log, settings, begun)
            results[key] = result
            log.completed(result, _progress([*results.values()], len(all_trials), concurrency))

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(waiting))):
                workers.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [results[key] for _, key in all_trials]


def _progress(results: Sequence[TrialResult], trials: int, concurrency: int) -> Progress:
    """Estimate the remaining time from the mean duration of the finished trials."""
    mean_ms = sum(one.duration_ms for one in results) / len(results)
    rounds = -(-(trials - len(results)) // concurrency)
    return Progress(len(results), trials, round(rounds * mean_ms / 1000))


async def _played(
    scenario: Scenario,
    key: TrialKey,
    play_trial: PlayTrial,
    log: TrialLog,
    settings: TrialSettings,
    begun: int,
) -> TrialResult:
    """Play a trial; after trouble, play the trial again, up to the limit.

    `begun` counts the starts of the trial before the process died.
    """
    trouble = TrialTrouble("the evaluation crashed during this trial", Culprit.MACHINERY)
    cost_usd, tokens, attempt = 0.0, 0, begun
    for attempt in range(begun, settings.infra_retries + 1):
        log.started(key)
        try:
            result = await play_trial(scenario, key)
            return replace(
                result,
                retries=attempt,
                cost_usd=cost_usd + result.cost_usd,
                tokens=tokens + result.tokens,
            )
        except VerificationError:
            raise
        except (AttractorError, OSError) as error:
            trouble = trouble_of(error)
            cost_usd, tokens = cost_usd + trouble.cost_usd, tokens + trouble.tokens
            log.troubled(key, trouble.culprit, trouble.message)
            if trouble.culprit not in _RETRIED:
                break
    return TrialResult(
        key,
        False,
        (),
        0,
        retries=min(attempt, settings.infra_retries),
        error=trouble.message,
        culprit=trouble.culprit,
        seed=key.seed(settings.seed),
        cost_usd=cost_usd,
        tokens=tokens,
    )
