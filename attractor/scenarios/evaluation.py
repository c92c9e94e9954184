"""Plays the trials of a suite, several at once if the suite says so, and continues after a crash.

The number of trials is fixed in advance: an evaluation neither stops early nor repeats a failed
trial. As soon as the candidate's code runs, a trial is never played again by itself: a lost sandbox
or a crashed twin counts against the candidate, and a trial that was running when the process died
is cut: it has no result until a person orders that it is played again. If the judge fails, only the
judge is asked again. Before the candidate's code runs, listed errors are retried, and any other
error ends the trial without a result.
"""

import asyncio
import os
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from fractions import Fraction
from functools import partial
from typing import Protocol, TypeVar

from attractor.base.amounts import number_of
from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.base.errors import (
    AttractorError,
    FileError,
    MachineryError,
    ProcessNotStarted,
    UsageError,
    VerificationError,
    first_sentence,
)
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.base.processes import ExecResult
from attractor.base.records import read_fields
from attractor.base.toml import printable
from attractor.engine.outcome import Culprit, Usage
from attractor.engine.truncation import shorten
from attractor.environments.errors import (
    CommandUnusable,
    FileUnusable,
    NotSupported,
    PortUnusable,
    RemoteLost,
    SandboxLost,
    SandboxNotStarted,
)
from attractor.environments.missing_program import missing_command, missing_in_a_shell
from attractor.scenarios.check import EARLY_END, CheckResult, StepRecord
from attractor.scenarios.satisfaction import ScenarioTally
from attractor.scenarios.suite import Scenario, Suite, TrialSettings
from attractor.scenarios.unjudged import KeptTrial
from attractor.scenarios.wall.crossing import Crossed, CrossedInTest
from attractor.workspaces.errors import GitFailed

R = TypeVar("R")

_RESTORE = "restore it from a backup"
_ENDED = re.compile(r"\bended with (12[67]): ")
_OUTPUT_LINES = 5
_OUTPUT_WIDTH = 300
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
        return _seed({"seed": suite_seed, "scenario": self.scenario, "trial": self.number})


def _seed(words: JsonObject) -> int:
    return int(content_hash(canonical_json(words).encode())[:_SEED_DIGITS], 16)


def seeded_suite(suite: Suite, number: int) -> Suite:
    """Return the suite with the seed for the nth evaluation of a tree; the first has its own.

    With equal seeds, another evaluation would repeat the same trials, and count them twice.
    """
    if number == 1:
        return suite
    trials, settings = suite.settings.trials, suite.settings
    seed = _seed({"seed": trials.seed, "evaluation": number})
    trials = trials.model_copy(update={"seed": seed})
    settings = settings.model_copy(update={"trials": trials})
    return suite.model_copy(update={"settings": settings})


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


class NoResult(StrEnum):
    """The kinds of trials without a result, which count neither as satisfied nor as failed."""

    CUT = "cut"
    """It ended early: the process died, or an error came before the candidate's code ran."""
    UNJUDGED = "unjudged"
    """It ended, but the judge failed."""


@dataclass(frozen=True)
class StepOutput:
    """The last lines of the standard output or error of a step."""

    step: str
    exit_code: int
    lines: tuple[str, ...]

    @property
    def missing_command(self) -> str:
        """The words about the missing program because of which the step failed, or ""."""
        text = "\n".join(self.lines)
        result = ExecResult("", text, self.exit_code, False, 0)
        return missing_command(result) or missing_in_a_shell(text)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the lines."""
        return {"step": self.step, "exit_code": self.exit_code, "lines": list(self.lines)}


def stderr_of_steps(steps: Iterable[StepRecord]) -> tuple[StepOutput, ...]:
    """Return the last lines of each step that wrote to standard error."""
    return tuple(
        StepOutput(step.name, step.exit_code, lines)
        for step in steps
        if step.exit_code is not None and (lines := _short_lines(step.stderr))
    )


def stdout_of_steps(steps: Iterable[StepRecord]) -> tuple[StepOutput, ...]:
    """Return the last lines of each step that wrote to standard output, or was answered."""
    return tuple(
        StepOutput(step.name, step.exit_code or 0, lines)
        for step in steps
        if (lines := _short_lines(step.stdout or step.body))
    )


@dataclass(frozen=True)
class TrialResult:
    """The result of a trial; a trial with an error counts against the candidate.

    `processor_ms` is the processor time of all programs since the trial before, so the sum over
    trials is right. `cost_usd` and `tokens` are the usage of the judge. `troubles` are all troubles
    of the trial, also those after which it was played again; of a trial with `no_result`, the last
    one is the reason. `stderr` and `stdout` are the last lines of steps of a trial that is not
    satisfied. `kept` is what the judge needs of an unjudged trial, and `crossed` what crossed the
    wall: they are in no record.
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
    no_result: NoResult | None = None
    stderr: tuple[StepOutput, ...] = ()
    stdout: tuple[StepOutput, ...] = ()
    kept: KeptTrial | None = None
    unpriced_tokens: int = 0
    crossed: Crossed = field(default_factory=dict[str, CrossedInTest])
    processor_ms: int = 0

    @property
    def usage(self) -> Usage:
        """The usage of the judge."""
        return Usage(
            output_tokens=self.tokens,
            cost_usd=self.cost_usd,
            unpriced_tokens=self.unpriced_tokens,
        )

    @property
    def missing_command(self) -> str:
        """The words about the missing program because of which the trial failed, or ""."""
        if self.satisfied:
            return ""
        ended = [check.reason for check in self.checks if check.kind == EARLY_END]
        found = [step.missing_command for step in self.stderr]
        # Of a service, only the reason of the early end is known.
        found += [
            missing_command(ExecResult("", reason, int(match[1]), False, 0))
            for reason in ended
            if (match := _ENDED.search(reason))
        ]
        return next(filter(None, found), "")

    def to_record(self) -> JsonObject:
        """Return the JSON record of the result."""
        # Without members for no troubles, a result and no output, the seals of older
        # results are still valid.
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
            **unpriced_record(self.unpriced_tokens),
            **processor_record(self.processor_ms),
            **troubles_record(self.troubles),
            **no_result_record(self.no_result),
            **({"stderr": [step.to_record() for step in self.stderr]} if self.stderr else {}),
            **({"stdout": [step.to_record() for step in self.stdout]} if self.stdout else {}),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Json]) -> "TrialResult":
        """Read the record of a trial."""
        key: dict[str, Json] = {"scenario": record.get("scenario"), "number": record.get("trial")}
        # A record without a culprit, of an earlier version, is refused.
        own = {"culprit": record["culprit"] or None} if "culprit" in record else {}
        optional = ("troubles", "no_result", "stderr", "stdout", "kept", "unpriced_tokens")
        own_fields = (*optional, "crossed", "processor_ms")
        return _read(cls, {**record, **own, "key": key}, *own_fields)


def unpriced_record(tokens: int) -> dict[str, Json]:
    """Return the member of a record with the tokens whose cost is unknown, if there are any."""
    return {"unpriced_tokens": tokens} if tokens else {}


def processor_record(milliseconds: int) -> dict[str, Json]:
    """Return the member of a record with processor time, if it was measured."""
    return {"processor_ms": milliseconds} if milliseconds else {}


def cut_trial(key: TrialKey, trouble: Trouble, suite_seed: int) -> TrialResult:
    """Return the record of a trial that ended early, without a result."""
    return TrialResult(
        key,
        False,
        (),
        0,
        error=trouble.reason,
        culprit=trouble.culprit,
        seed=key.seed(suite_seed),
        troubles=(trouble,),
        no_result=NoResult.CUT,
    )


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


def no_result_record(no_result: NoResult | None) -> JsonObject:
    """Return the member of the record of a trial without a result, otherwise no member."""
    return {"no_result": no_result.value} if no_result else {}


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


def _short_lines(text: str) -> tuple[str, ...]:
    lines = text.rstrip().splitlines()[-_OUTPUT_LINES:]
    return tuple(shorten(printable(line), _OUTPUT_WIDTH) for line in lines)


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
            played=sum(one.key.scenario == scenario.id and not one.no_result for one in results),
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
JudgeAgain = Callable[[Scenario, TrialResult], Awaitable[TrialResult | None]]
"""Asks the judge of an unjudged trial again; returns what changed of its record, or None."""


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
    """The records of a crashed evaluation: results, and recorded troubles of trials without one.

    The trials that were running are among the results, as cut.
    """

    results: Mapping[TrialKey, TrialResult] = field(default_factory=dict[TrialKey, TrialResult])
    troubles: Mapping[TrialKey, tuple[Trouble, ...]] = field(
        default_factory=dict[TrialKey, tuple[Trouble, ...]]
    )


class TrialTrouble(MachineryError):
    """A trial that ended without a result because of its culprit; `cost_usd` was spent.

    `reason` contains no words of a holdout (default: a sentence about the culprit). With
    `ends_evaluation`, the start of the trial does not count: the next process plays it.
    """

    def __init__(
        self,
        message: str,
        culprit: Culprit,
        *,
        reason: str = "",
        cost_usd: float = 0.0,
        tokens: int = 0,
        unpriced_tokens: int = 0,
    ) -> None:
        super().__init__(message)
        self.trouble = Trouble(culprit, reason or f"Trouble of the {culprit}")
        self.cost_usd, self.tokens, self.unpriced_tokens = cost_usd, tokens, unpriced_tokens
        self.ends_evaluation = False

    @property
    def culprit(self) -> Culprit:
        """The cause of the trouble."""
        return self.trouble.culprit


_CULPRITS = (
    (NotSupported, Culprit.MACHINERY),
    ((FileUnusable, PortUnusable), Culprit.CANDIDATE),
    ((UsageError, CommandUnusable), Culprit.SUITE),
)
_RETRIED = (
    SandboxNotStarted,
    SandboxLost,
    RemoteLost,
    ProcessNotStarted,
    GitFailed,
    FileError,
    OSError,
)
"""The errors after which a trial is played again, if the candidate's code did not run."""
_NOT_BEGUN = (Culprit.MACHINERY, Culprit.TWIN)
"""The culprits of trouble before the candidate's code ran; later, trouble is the candidate's."""
_CANNOT_BE_CAUSED = (VerificationError, NotSupported)
"""The errors that the candidate cannot cause: they end the evaluation, with their remedy."""


def _is_retried(error: Exception) -> bool:
    if isinstance(error, TrialTrouble):
        return error.culprit in _NOT_BEGUN
    return isinstance(error, _RETRIED)


def _is_result(error: Exception) -> bool:
    """Return whether a trial that ended with an error counts: it is known whose error it is."""
    return isinstance(error, TrialTrouble) or trouble_of(error).culprit is Culprit.CANDIDATE


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
        if isinstance(error, _CANNOT_BE_CAUSED):
            return
        trouble = trouble_of(error)
        is_candidates = trouble.culprit in (Culprit.MACHINERY, Culprit.TWIN)
        if is_candidates or not isinstance(error, TrialTrouble):
            raise TrialTrouble(
                trouble.message,
                Culprit.CANDIDATE if is_candidates else trouble.culprit,
                reason=trouble.trouble.reason,
                cost_usd=trouble.cost_usd,
                tokens=trouble.tokens,
                unpriced_tokens=trouble.unpriced_tokens,
            ) from error


async def evaluate(
    scenarios: Sequence[Scenario],
    play_trial: PlayTrial,
    log: TrialLog,
    settings: TrialSettings,
    *,
    earlier: EarlierTrials | None = None,
    judge_again: JudgeAgain | None = None,
    before_trial: Callable[[], None] = do_nothing,
    tell: Callable[[str], None] = do_nothing,
) -> list[TrialResult]:
    """Return the results of all trials; at most `settings.at_once` are played at once.

    Scenarios that are played alone come last. A worker records the result of its trial before it
    starts another trial. After an error or the first cancellation no trial starts, and those in
    flight end; the second cancellation cuts them. `before_trial` is called before each trial; its
    error ends the evaluation like any other. At the end the judge of each unjudged trial is asked
    once more.
    """
    before, numbers = earlier or EarlierTrials(), range(1, settings.n + 1)
    trials = [(one, TrialKey(one.id, number)) for one in scenarios for number in numbers]
    known = {key: before.results[key] for _, key in trials if key in before.results}
    running = _Evaluation(play_trial, log, settings, before, known, len(trials), before_trial)
    for is_alone, at_once in ((False, settings.at_once), (True, 1)):
        waiting = deque(
            one
            for one in trials
            if one[1] not in known and one[0].is_played_alone is is_alone and not running.is_stopped
        )
        count = min(at_once, len(waiting))
        if workers := [asyncio.create_task(running.work(waiting)) for _ in range(count)]:
            await _end(workers, partial(running.stop, tell))
    for scenario, key in trials if judge_again else ():
        result = running.results[key]
        if judge_again and result.kept and (judged := await judge_again(scenario, result)):
            running.record(judged)
    return [running.results[key] for _, key in trials]


@dataclass
class _Evaluation:
    """The results of a running evaluation."""

    play_trial: PlayTrial
    log: TrialLog
    settings: TrialSettings
    before: EarlierTrials
    results: dict[TrialKey, TrialResult]
    count: int
    before_trial: Callable[[], None]
    in_flight: int = 0
    is_stopped: bool = False

    async def work(self, waiting: deque[tuple[Scenario, TrialKey]]) -> None:
        """Play waiting trials, one after another; an error stops the other workers too."""
        try:
            while waiting and not self.is_stopped:
                self.before_trial()
                scenario, key = waiting.popleft()
                troubles = [*self.before.troubles.get(key, ())]
                self.in_flight += 1
                self.record(
                    await _played(scenario, key, self.play_trial, self.log, self.settings, troubles)
                )
                self.in_flight -= 1
        except Exception:
            self.is_stopped = True
            raise

    def record(self, result: TrialResult) -> None:
        """Record a result with the progress."""
        self.results[result.key] = result
        finished, trials = len(self.results), self.count
        mean_ms = sum(one.duration_ms for one in self.results.values()) / finished
        rounds = -(-(trials - finished) // self.settings.at_once)
        self.log.completed(result, Progress(finished, trials, round(rounds * mean_ms / 1000)))

    def stop(self, tell: Callable[[str], None]) -> None:
        """Start no further trial."""
        self.is_stopped = True
        tell(
            f"Interrupted: no further trial starts, and {number_of(self.in_flight, 'trial')} in "
            "flight will end. A second interruption cuts them: they will have no result."
        )


async def _end(workers: Sequence[asyncio.Task[None]], stop: Callable[[], None]) -> None:
    """Wait for the end of all workers, even if one fails; the first cancellation calls `stop`."""
    canceled: asyncio.CancelledError | None = None
    try:
        await asyncio.wait(workers)
    except asyncio.CancelledError as cancellation:
        canceled = cancellation
        stop()
        await asyncio.wait(workers)
    finally:
        for worker in workers:
            worker.cancel()
        ended = await asyncio.gather(*workers, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    if canceled:
        raise canceled


async def _played(
    scenario: Scenario,
    key: TrialKey,
    play_trial: PlayTrial,
    log: TrialLog,
    settings: TrialSettings,
    troubles: list[Trouble],
) -> TrialResult:
    """Play a trial; after a listed error before the candidate's code ran, play it again.

    `troubles` are those of the trial before the process died.
    """
    error, no_result, cost_usd, tokens, unpriced = "", None, 0.0, 0, 0
    while len(troubles) <= settings.infra_retries and all(
        trouble.culprit in _NOT_BEGUN for trouble in troubles
    ):
        log.started(key)
        try:
            result = await play_trial(scenario, key)
        except _CANNOT_BE_CAUSED as cause:
            found = trouble_of(cause)
            found.ends_evaluation = True
            log.troubled(key, found)
            raise
        # An unexpected error, too, must not end the evaluation: a candidate might cause it.
        except Exception as cause:  # noqa: BLE001
            found = trouble_of(cause)
            error = found.message
            cost_usd += found.cost_usd
            tokens += found.tokens
            unpriced += found.unpriced_tokens
            troubles.append(found.trouble)
            log.troubled(key, found)
            if not _is_retried(cause):
                no_result = None if _is_result(cause) else NoResult.CUT
                break
        else:
            return replace(
                result,
                retries=len(troubles),
                troubles=(*troubles, *result.troubles),
                cost_usd=cost_usd + result.cost_usd,
                tokens=tokens + result.tokens,
                unpriced_tokens=unpriced + result.unpriced_tokens,
            )
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
        unpriced_tokens=unpriced,
        troubles=tuple(troubles),
        no_result=no_result,
    )
