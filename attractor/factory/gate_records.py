"""The input of the gate, and its report with one result for each rule."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from attractor.base.amounts import format_seconds, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_fields
from attractor.engine.outcome import NOTHING_USED, Culprit, Usage, format_usage_cost
from attractor.engine.questions.question import describe_author
from attractor.environments.environment import Promises
from attractor.factory.races import Race
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.suite_figures import NOT_MEASURED, SuiteFigures
from attractor.records.summary import NOT_JUDGED

if TYPE_CHECKING:
    from fractions import Fraction

    from attractor.scenarios.evaluation import TrialResult, TroubleCount
    from attractor.scenarios.findings import ChangeReading
    from attractor.scenarios.suite import Suite
    from attractor.scenarios.suite_setup import SetupResult

NO_SUITE = "no_suite"
"""The rule that a run without a suite fails."""

WEAK_SUITE = "weak_suite"
"""The rule about the suite alone, which feedback leaves out."""

RULES = (
    NO_SUITE,
    "no_verdict",
    "chain_broken",
    "hash_mismatch",
    "isolation_unverified",
    "holdout_leak",
    "suite_burned",
    WEAK_SUITE,
    "credential_exposed",
    "dirty_base",
    "protected_path",
    "unverified_answer",
    "unresolved_failure",
    "must",
    "requirements",
    "satisfaction",
    "lower_bound",
    "breadth",
    "regression",
    "infra_errors",
    "instability",
    "budget",
    "process",
)
"""The ids of all rules, in the order of a report.

The report on a run without a suite names them, without loading the rules.
"""

BOUND_SENTENCE = "The bound is a confidence for these scenarios only, not for others."


class Domain(StrEnum):
    """The phase of a run in which a failure happened."""

    BOOT = "boot"
    EXECUTION = "execution"
    EVALUATION = "evaluation"
    DECISION = "decision"


@dataclass(frozen=True)
class CarriedPaths:
    """The paths of the project that trials got, and the hash of their contents.

    `have_changed`: the paths changed between the start of the evaluation and its end.
    """

    paths: tuple[str, ...] = ()
    content: str = ""
    have_changed: bool = False


NOTHING_CARRIED = CarriedPaths()


@dataclass(frozen=True)
class EvaluationRecord:
    """An evaluation of a tree with a suite, and the results of the evaluation's trials.

    It is not finished before each trial has a result, and has not ended while trials may be in
    flight or waiting. `can_replay` means that some of its cut trials
    can be played again; `is_final`, that
    its run has ended. `protected_paths` are protected paths that the candidate changed. `setup` is
    the result of the suite's setup, if that was executed once. `reading` is that of the change, if
    the suite has a judge. `specification` says how that of the base differs from the requirements.
    """

    tree: str
    suite_seal: str
    promises: Promises
    results: "tuple[TrialResult, ...]"
    is_finished: bool = True
    protected_paths: tuple[str, ...] = ()
    run_id: str = ""
    carried: CarriedPaths = NOTHING_CARRIED
    has_ended: bool = True
    can_replay: bool = True
    is_final: bool = False
    setup: "SetupResult | None" = None
    reading: "ChangeReading | None" = None
    specification: tuple[str, ...] = ()


@dataclass(frozen=True)
class Replay:
    """A person's order to play cut trials again: the number of trials, who and why."""

    count: int
    by: str
    rationale: str

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the order."""
        return {"count": self.count, "by": self.by, "rationale": self.rationale}

    def __str__(self) -> str:
        return f"{number_of(self.count, 'trial')} played again by {self.by}: {self.rationale}"


@dataclass(frozen=True)
class Waiver:
    """A person's recorded exception for one failed scenario, until a time."""

    scenario: str
    expires: datetime


@dataclass(frozen=True)
class GivenAnswer:
    """The author of an answer, and the proof of the author's identity."""

    question: str
    by: str
    proof: str

    def __str__(self) -> str:
        return f"{self.question} by {describe_author(self.by, self.proof)}"


@dataclass(frozen=True)
class WindowFigures:
    """Figures over the last decided runs of a project, as many as the profile's window says.

    `first_try` are approved runs without a run of the same pipeline that was rejected or failed
    since the approval before; `incidents` are approved runs whose suite was burned later, and
    `false_go` approved runs that a person marked as defective.
    """

    runs: int = 0
    pipelines: int = 0
    approved: int = 0
    first_try: int = 0
    retries: int = 0
    promoted: int = 0
    rolled_back: int = 0
    incidents: int = 0
    false_go: int = 0


NEVER_VALID = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class VerdictCost:
    """The cost of all finished evaluations of a run.

    `seconds` are those of all trials together. `processor_seconds` are those of the programs that
    the evaluation waited for. `judge` is the usage of the judge and the reader of the change.
    """

    trials: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    judge: Usage = NOTHING_USED

    def __add__(self, other: "VerdictCost") -> "VerdictCost":
        return VerdictCost(
            self.trials + other.trials,
            self.seconds + other.seconds,
            self.processor_seconds + other.processor_seconds,
            self.judge + other.judge,
        )

    def __str__(self) -> str:
        judge = f", judge {format_usage_cost(self.judge)}" if self.judge.tokens else ""
        # Earlier versions measured no processor time.
        used = self.processor_seconds
        processor = f", {format_seconds(used)} of processor time" if used else ""
        trials = number_of(self.trials, "trial")
        return f"{trials} in {format_seconds(self.seconds)}{processor}{judge}"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the cost."""
        return {
            "trials": self.trials,
            "seconds": round(self.seconds, 3),
            "processor_seconds": round(self.processor_seconds, 3),
            "judge_usd": self.judge.cost_usd,
            "judge_unpriced_tokens": self.judge.unpriced_tokens,
        }


@dataclass(frozen=True)
class GateInput:
    """The input of the gate: tree, suite, profile and evaluations.

    Evaluations of the same tree with the same suite in other runs count too. `earlier` are the
    evaluations of the last approved run of the pipeline. `incidents` are leaks of holdouts in this
    run; a leak in any run burns the version of the suite. `unsearched` is the reason why a run
    ended without the search for leaks. `attempts` is the number of the tree among the trees
    evaluated with this version. Without `now`, no waiver is valid. `ended` is the status of a run
    that failed or was canceled. `answers` are those of people to the run's questions.
    `other_versions` are the pipeline's versions that the suite is for, if the run used another.
    `suite_notes` are what people should know of the registration of the suite, which proved the
    baselines of scenarios if `has_baselines`.
    `measured` are the counts of what the suite noticed then, if it was measured. `registered` are
    the hashes of the carried paths with which it was registered.
    `race` is the race of which the run, or a run that it continues, is an attempt; else one with
    an attempt of this tree. `by_attempts` are the other runs that are attempts of any race, or
    restarts of them. `exposure` says why the author of the files may know the holdouts, and
    `place` where stages worked that had no sandbox of this machine.
    """

    tree: str
    suite: "Suite | None"
    suite_seal: str
    evaluations: tuple[EvaluationRecord, ...]
    profile: Profile
    by_other_runs: tuple[EvaluationRecord, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    now: datetime = NEVER_VALID
    earlier: tuple[EvaluationRecord, ...] = ()
    window: WindowFigures = WindowFigures()
    incidents: tuple[str, ...] = ()
    unsearched: str = ""
    is_burned: bool = False
    attempts: int = 0
    base_is_dirty: bool = False
    usage: Usage = NOTHING_USED
    ended: str = ""
    answers: tuple[GivenAnswer, ...] = ()
    other_versions: Sequence[str] = ()
    suite_notes: tuple[str, ...] = ()
    measured: SuiteFigures | None = None
    replays: tuple[Replay, ...] = ()
    has_baselines: bool = False
    registered: Collection[str] = ()
    race: Race | None = None
    cost: VerdictCost = VerdictCost()
    by_attempts: Collection[str] = ()
    exposure: str = ""
    place: str = ""

    def is_trusted(self, evaluated: EvaluationRecord) -> bool:
        """Return whether satisfied trials count: holdouts were isolated, or isolation is not
        required, and the carried paths are those of a registration.
        """
        is_isolated = evaluated.promises.guards_holdouts
        return self.has_registered_paths(evaluated) and (
            is_isolated or self.profile.allows("isolation_unverified")
        )

    def has_registered_paths(self, evaluated: EvaluationRecord) -> bool:
        """Return whether the carried paths of an evaluation are those of a registration."""
        return evaluated.carried.content in ("", *self.registered)

    def counting_results(self) -> "list[TrialResult]":
        """Return the trials that count.

        Of untrusted trials in other runs, only failed trials count.
        """
        return [result for evaluation in self.counting_evaluations() for result in evaluation]

    def counting_evaluations(self) -> "list[list[TrialResult]]":
        """Return the trials that count, by evaluation; evaluations in other runs come first."""
        return [
            [result for result in one.results if self.is_trusted(one) or not result.satisfied]
            for one in self._others_of_tree()
        ] + [list(one.results) for one in self._own_of_tree()]

    def not_ended(self) -> list[str]:
        """Return the other runs whose evaluation of this tree has not ended."""
        return [one.run_id for one in self._others_of_tree() if not one.has_ended]

    def of_tree(self) -> list[EvaluationRecord]:
        """Return the evaluations of this tree; those in other runs come first."""
        return [*self._others_of_tree(), *self._own_of_tree()]

    @property
    def reading(self) -> "ChangeReading | None":
        """The last reading of the change: of this run, else of another one with this tree."""
        return next((one.reading for one in reversed(self.of_tree()) if one.reading), None)

    def without_result(self) -> "dict[str, list[TrialResult]]":
        """Return the trials of this tree without a result, by run; other runs come first."""
        found: dict[str, list[TrialResult]] = {}
        for one in self.of_tree():
            if missing := [result for result in one.results if result.no_result]:
                found.setdefault(one.run_id, []).extend(missing)
        return found

    def _others_of_tree(self) -> list[EvaluationRecord]:
        judged = (self.tree, self.suite_seal)
        return [one for one in self.by_other_runs if (one.tree, one.suite_seal) == judged]

    def _own_of_tree(self) -> list[EvaluationRecord]:
        return [one for one in self.evaluations if one.tree == self.tree]


@dataclass(frozen=True)
class RuleResult:
    """The result of a rule, in words that reveal no holdout.

    A rule that does not apply neither passes nor fails; `words` give the reason. `remedy` says what
    would change a failure.
    """

    rule: str
    passed: bool = True
    applies: bool = True
    figure: str = ""
    threshold: str = ""
    words: str = ""
    remedy: str = ""
    domain: Domain = Domain.EVALUATION
    culprit: Culprit = Culprit.CANDIDATE

    @property
    def failed(self) -> bool:
        """Whether this rule alone makes the verdict 'no-go'."""
        return self.applies and not self.passed

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the result."""
        record: dict[str, Json] = {
            "rule": self.rule,
            "applies": self.applies,
            "passed": self.passed,
            "figure": self.figure,
            "threshold": self.threshold,
            "words": self.words,
        }
        if self.failed:
            record |= {
                "remedy": self.remedy,
                "domain": self.domain.value,
                "culprit": self.culprit.value,
            }
        return record


@dataclass(frozen=True)
class GateReport:
    """The result of the gate: one result for each rule, and the figures of all holdouts.

    `troubles` are those of all trials, also of trials that were played again. `replays` are the
    orders of persons to play cut trials again. `carried` are the paths of the project that trials
    of the run got. `setups` are the results of the suite's setup in evaluations of the run.
    `suite_notes` are what people should know of the registration of the suite. `measured` are the
    counts of what it noticed then, if it was measured. `reading` is the last one of the change; it
    decides nothing.
    """

    rules: tuple[RuleResult, ...]
    played: int = 0
    satisfied: int = 0
    satisfaction: "Fraction | int" = 0
    bound: float = 0.0
    flaky: int = 0
    troubles: "tuple[TroubleCount, ...]" = ()
    replays: tuple[Replay, ...] = ()
    carried: tuple[str, ...] = ()
    setups: "tuple[SetupResult, ...]" = ()
    suite_notes: tuple[str, ...] = ()
    measured: SuiteFigures | None = None
    reading: "ChangeReading | None" = None
    cost: VerdictCost = VerdictCost()

    @property
    def reasons(self) -> tuple[RuleResult, ...]:
        """The rules that failed."""
        return tuple(one for one in self.rules if one.failed)

    def setup_sentences(self) -> list[str]:
        """Return sentences about the setup of the suite, each once."""
        found = (sentence for one in self.setups for sentence in one.sentences())
        return [*dict.fromkeys(found)]

    def reading_sentences(self) -> list[str]:
        """Return the findings of the reader of the change, if one was asked, for people."""
        return self.reading.sentences() if self.reading else []

    @property
    def measured_words(self) -> str:
        """The counts of what the suite noticed at its registration, for people."""
        return str(self.measured or NOT_MEASURED)

    @property
    def go(self) -> bool:
        """Whether no rule failed."""
        return not self.reasons

    @property
    def verdict(self) -> str:
        """The verdict for people: a run without a suite has neither a go nor a no-go."""
        if any(reason.rule == NO_SUITE for reason in self.reasons):
            return NOT_JUDGED
        return "go" if self.go else "no-go"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the report."""
        return {
            "go": self.go,
            "reasons": [{"rule": reason.rule, "words": reason.words} for reason in self.reasons],
            "rules": [one.to_record() for one in self.rules],
            "played": self.played,
            "satisfied": self.satisfied,
            "satisfaction": f"{self.satisfaction}",
            "lower_bound": self.bound,
            "bound_means": BOUND_SENTENCE,
            "flaky": self.flaky,
            "troubles": [trouble.to_record() for trouble in self.troubles],
            **({"replays": [one.to_record() for one in self.replays]} if self.replays else {}),
            "carried": [*self.carried],
            **({"setups": [write_fields(one) for one in self.setups]} if self.setups else {}),
            **({"suite_notes": [*self.suite_notes]} if self.suite_notes else {}),
            "measured": self.measured.to_record() if self.measured else None,
            "cost": self.cost.to_record(),
            **({"reading": write_fields(self.reading)} if self.reading else {}),
        }


def report_of_one(failed: RuleResult, why: str) -> GateReport:
    """Return the report of one failed rule; no other rule applies."""
    return GateReport(tuple(failed if name == failed.rule else idle(name, why) for name in RULES))


def idle(rule: str, why: str) -> RuleResult:
    """Return the result of a rule that does not apply."""
    return RuleResult(rule, applies=False, words=why)


def without_suite() -> GateReport:
    """Return the report on a run without a suite."""
    words = "the run has no suite"
    failed = RuleResult(
        NO_SUITE,
        passed=False,
        words=words,
        remedy="start a run with --suite",
        domain=Domain.BOOT,
        culprit=Culprit.SUITE,
    )
    return report_of_one(failed, words)
