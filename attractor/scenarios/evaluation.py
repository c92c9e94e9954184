"""Plays the trials of a suite, several at once if the suite says so, and continues after a crash.

The number of trials is fixed in advance: an evaluation neither stops early nor repeats a failed
trial. Only trouble that the candidate cannot cause is retried, and finally counts against the
candidate: trouble before its code runs, and a judge without a model. As soon as its code runs, a
lost sandbox or a crashed twin counts against the candidate at once. A trial that was running when
the process died counts as trouble of the machinery.
"""

import asyncio
import os
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from fractions import Fraction
from typing import Protocol, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import (
    AttractorError,
    MachineryError,
    UsageError,
    VerificationError,
    first_sentence,
)
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.base.records import read_fields
from attractor.engine.outcome import Culprit
from attractor.environments.errors import CommandUnusable, FileUnusable, NotSupported, PortUnusable
from attractor.scenarios.check import CheckResult
from attractor.scenarios.satisfaction import ScenarioTally
from attractor.scenarios.suite import Scenario, Suite, TrialSettings

R = TypeVar("R")

_RESTORE = "restore it from a backup"
_SEED_DIGITS = 12
"""Hexadecimal digits of a seed, which programs with 53-bit integers can read exactly."""


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
class Trouble:
    """Trouble in a trial: the culprit, and a reason that contains no words of a holdout."""

    culprit: Culprit
    reason: str

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the trouble."""
        return {"culprit": self.culprit.value, "reason": self.reason}

    @classmethod
    def from_record(cls, record: Json) -> "Trouble":
        """Read the record of trouble."""
        return _read(cls, record)


CRASHED = Trouble(Culprit.MACHINERY, "The evaluation crashed during this trial")
"""Trouble of a trial that was running when the process died."""


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial; a trial with an error counts against the candidate.

    `cost_usd` and `tokens` are the usage of the judge. `troubles` are all troubles of the trial,
    also those after which it was played again.
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
    troubles: tuple[Trouble, ...] = ()

    def to_record(self) -> JsonObject:
        """Return the JSON record of the result."""
        # Without a member for no troubles, the seals of older results are still valid.
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
            **troubles_record(self.troubles),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Json]) -> "TrialResult":
        """Read the record of a trial."""
        key: dict[str, Json] = {"scenario": record.get("scenario"), "number": record.get("trial")}
        # A record without a culprit, of an earlier version, is refused.
        own = {"culprit": record["culprit"] or None} if "culprit" in record else {}
        return _read(cls, {**record, **own, "key": key}, "troubles")


@dataclass(frozen=True)
class TroubleCount:
    """Trouble, and the number of times that it happened."""

    trouble: Trouble
    count: int

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the trouble and its number."""
        return {**self.trouble.to_record(), "count": self.count}

    def __str__(self) -> str:
        return f"{self.count} x {self.trouble.reason} ({self.trouble.culprit})"


def count_troubles(troubles: Iterable[Trouble]) -> tuple[TroubleCount, ...]:
    """Return each trouble with its number, the most frequent first."""
    counted = Counter(troubles).most_common()
    return tuple(TroubleCount(trouble, count) for trouble, count in counted)


def troubles_record(troubles: Sequence[Trouble]) -> JsonObject:
    """Return the member of a record with troubles; without troubles, there is no member."""
    return {"troubles": [trouble.to_record() for trouble in troubles]} if troubles else {}


def troubles_of(record: Mapping[str, Json]) -> tuple[Trouble, ...]:
    """Return the troubles in a record."""
    found = record.get("troubles", [])
    if not isinstance(found, list):
        raise VerificationError("corrupt record of trouble", hint=_RESTORE)
    return tuple(map(Trouble.from_record, found))


def is_satisfied(checks: Sequence[CheckResult], *, min_soft_score: float) -> bool:
    """Return whether every hard check passed and the mean score of the soft checks is enough."""
    # From text: 0.7 as a float is slightly less than seven tenths.
    soft = [Fraction(str(check.score)) for check in checks if not check.hard]
    is_enough = not soft or sum(soft) / len(soft) >= Fraction(str(min_soft_score))
    return is_enough and all(check.passed for check in checks if check.hard)


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
            played=sum(result.key.scenario == scenario.id for result in results),
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


def _read(type_: type[R], record: Json, *optional: str) -> R:
    try:
        return read_fields(type_, record if isinstance(record, dict) else {}, *optional)
    except UsageError as cause:
        # Without the value, which may contain words of a holdout.
        raise VerificationError("corrupt record of a trial", hint=_RESTORE) from cause


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

    def troubled(self, key: TrialKey, error: "TrialTrouble") -> None:
        """Record trouble of a trial."""
        ...

    def completed(self, result: TrialResult, progress: Progress) -> None:
        """Record the result of a trial."""
        ...


@dataclass(frozen=True)
class EarlierTrials:
    """The records of a crashed evaluation: results, and the number of starts of each trial.

    `troubles` are the recorded troubles of trials without a result.
    """

    results: Mapping[TrialKey, TrialResult] = field(default_factory=dict[TrialKey, TrialResult])
    begun: Counter[TrialKey] = field(default_factory=Counter[TrialKey])
    troubles: Mapping[TrialKey, tuple[Trouble, ...]] = field(
        default_factory=dict[TrialKey, tuple[Trouble, ...]]
    )

    def troubles_of(self, key: TrialKey) -> list[Trouble]:
        """Return the troubles of a trial; a start without a record of its end crashed."""
        recorded = self.troubles.get(key, ())
        return [*recorded, *[CRASHED] * (self.begun[key] - len(recorded))]

    @property
    def has_begun(self) -> bool:
        """Whether any trial was started."""
        return bool(self.results) or any(self.begun.values())


class TrialTrouble(MachineryError):
    """A trial that ended without a result because of its culprit; `cost_usd` was spent.

    `reason` contains no words of a holdout (default: a sentence about the culprit).
    """

    def __init__(
        self,
        message: str,
        culprit: Culprit,
        *,
        reason: str = "",
        cost_usd: float = 0.0,
        tokens: int = 0,
    ) -> None:
        super().__init__(message)
        self.trouble = Trouble(culprit, reason or f"Trouble of the {culprit}")
        self.cost_usd, self.tokens = cost_usd, tokens

    @property
    def culprit(self) -> Culprit:
        """The cause of the trouble."""
        return self.trouble.culprit


_CULPRITS = (
    (NotSupported, Culprit.MACHINERY),
    ((FileUnusable, PortUnusable), Culprit.CANDIDATE),
    ((UsageError, CommandUnusable), Culprit.SUITE),
)
_RETRIED = (Culprit.MACHINERY, Culprit.TWIN, Culprit.MODEL)


def trouble_of(error: Exception) -> TrialTrouble:
    """Return the trouble that an error during a trial means."""
    if isinstance(error, TrialTrouble):
        return error
    found = (culprit for kinds, culprit in _CULPRITS if isinstance(error, kinds))
    reason = first_sentence(type(error))
    if isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno)
    words = str(error) if isinstance(error, AttractorError | OSError) else repr(error)
    return TrialTrouble(words, next(found, Culprit.MACHINERY), reason=reason)


class Attribution:
    """Attributes trouble in its block to the candidate as soon as the candidate's code can run.

    Otherwise a candidate that is about to fail could end its sandbox or crash a twin, and its trial
    would be played again. This is also true for an unexpected error: a candidate that can cause it
    could end the evaluation.
    """

    candidate_runs = False

    def __enter__(self) -> "Attribution":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if not self.candidate_runs or not isinstance(error, Exception):
            return
        # The candidate can cause neither.
        if isinstance(error, VerificationError | NotSupported):
            return
        trouble = trouble_of(error)
        if trouble.culprit in (Culprit.MACHINERY, Culprit.TWIN):
            raise TrialTrouble(
                trouble.message,
                Culprit.CANDIDATE,
                reason=trouble.trouble.reason,
                cost_usd=trouble.cost_usd,
                tokens=trouble.tokens,
            ) from error


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
    waiting = deque(trial for trial in all_trials if trial[1] not in results)

    async def work() -> None:
        while waiting:
            scenario, key = waiting.popleft()
            troubles = before.troubles_of(key)
            result = await _played(scenario, key, play_trial, log, settings, troubles)
            results[key] = result
            finished = [*results.values()]
            trials = len(all_trials)
            mean_ms = sum(one.duration_ms for one in finished) / len(finished)
            rounds = -(-(trials - len(finished)) // concurrency)
            log.completed(result, Progress(len(finished), trials, round(rounds * mean_ms / 1000)))

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(waiting))):
                workers.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [results[key] for _, key in all_trials]


async def _played(
    scenario: Scenario,
    key: TrialKey,
    play_trial: PlayTrial,
    log: TrialLog,
    settings: TrialSettings,
    troubles: list[Trouble],
) -> TrialResult:
    """Play a trial; after trouble, play the trial again, up to the limit.

    `troubles` are those of the trial before the process died, one for each start.
    """
    error, cost_usd, tokens = "", 0.0, 0
    while len(troubles) <= settings.infra_retries and all(
        trouble.culprit in _RETRIED for trouble in troubles
    ):
        log.started(key)
        try:
            result = await play_trial(scenario, key)
            return replace(
                result,
                retries=len(troubles),
                troubles=tuple(troubles),
                cost_usd=cost_usd + result.cost_usd,
                tokens=tokens + result.tokens,
            )
        except VerificationError:
            raise
        except (AttractorError, OSError) as cause:
            found = trouble_of(cause)
            error = found.message
            cost_usd += found.cost_usd
            tokens += found.tokens
            troubles.append(found.trouble)
            log.troubled(key, found)
    return TrialResult(
        key,
        False,
        (),
        0,
        retries=max(0, min(len(troubles) - 1, settings.infra_retries)),
        error=error or troubles[-1].reason,
        culprit=troubles[-1].culprit,
        seed=key.seed(settings.seed),
        cost_usd=cost_usd,
        tokens=tokens,
        troubles=tuple(troubles),
    )
