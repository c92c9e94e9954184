"""Decides go or no-go: a pure function of evaluations and limits."""

from collections.abc import Sequence
from fractions import Fraction

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.environments.environment import Promises
from attractor.factory.profiles import Profile
from attractor.scenarios.evaluation import TrialResult, count_trials
from attractor.scenarios.satisfaction import (
    BOUND_SENTENCE,
    ScenarioTally,
    lower_bound,
    satisfaction,
)
from attractor.scenarios.suite import Suite


@dataclass(frozen=True)
class EvaluationRecord:
    """An evaluation of a tree with a suite, and the results of the evaluation's trials.

    `protected_paths` are protected paths that the candidate changed.
    """

    tree: str
    suite_seal: str
    promises: Promises
    results: tuple[TrialResult, ...]
    is_finished: bool = True
    protected_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class GateInput:
    """The input of the gate: tree, suite, profile and evaluations.

    Evaluations of the same tree with the same suite in other runs count too.
    """

    tree: str
    suite: Suite | None
    suite_seal: str
    evaluations: tuple[EvaluationRecord, ...]
    profile: Profile
    by_other_runs: tuple[EvaluationRecord, ...] = ()

    def is_trusted(self, evaluated: EvaluationRecord) -> bool:
        """Return whether satisfied trials count: holdouts were isolated, or isolation is not
        required.
        """
        return evaluated.promises.guards_holdouts or self.profile.allow_unverified_isolation

    def counting_results(self) -> list[TrialResult]:
        """Return the trials that count.

        Of untrusted trials in other runs, only failed trials count.
        """
        own = [one for one in self.evaluations if one.tree == self.tree]
        others = [
            one
            for one in self.by_other_runs
            if (one.tree, one.suite_seal) == (self.tree, self.suite_seal)
        ]
        return [result for one in own for result in one.results] + [
            result
            for one in others
            for result in one.results
            if self.is_trusted(one) or not result.satisfied
        ]


@dataclass(frozen=True)
class GateReason:
    """A rule that failed, with an explanation that reveals no holdout."""

    rule: str
    words: str


@dataclass(frozen=True)
class GateReport:
    """The result of the gate."""

    go: bool
    reasons: tuple[GateReason, ...]
    played: int
    satisfied: int
    satisfaction: Fraction
    bound: float
    flaky: int = 0

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the report."""
        return {
            "go": self.go,
            "reasons": [{"rule": one.rule, "words": one.words} for one in self.reasons],
            "played": self.played,
            "satisfied": self.satisfied,
            "satisfaction": f"{self.satisfaction}",
            "lower_bound": self.bound,
            "bound_means": BOUND_SENTENCE,
            "flaky": self.flaky,
        }


_SHOWN = 5


def gate(judged: GateInput) -> GateReport:
    """Check all rules; the verdict is 'go' if no rule fails."""
    if judged.suite is None:
        return _nothing("no_suite", "the run has no suite")
    if not judged.evaluations:
        return _nothing("no_verdict", "the run was not evaluated")
    # All evaluations of this tree count together: a second one replaces none.
    tallies = count_trials(judged.suite.of_split("holdout"), judged.counting_results())
    played, satisfied = sum(one.played for one in tallies), sum(one.satisfied for one in tallies)
    settings = judged.suite.settings.gate
    share = satisfaction(tallies)
    bound = lower_bound(satisfied, played, confidence=settings.confidence) if played else 0.0
    reasons = (
        *_hash_mismatch(judged),
        *_unresolved(tallies),
        *_too_little("satisfaction", share, settings.min_satisfaction),
        *_too_little("lower_bound", bound, settings.min_lower_bound),
        *_isolation(judged),
        *_protected_path(judged),
    )
    flaky = sum(one.is_flaky for one in tallies)
    return GateReport(not reasons, reasons, played, satisfied, share, bound, flaky)


def _nothing(rule: str, words: str) -> GateReport:
    """Return the report on a run without trials."""
    return GateReport(False, (GateReason(rule, words),), 0, 0, Fraction(0), 0.0)


def _hash_mismatch(judged: GateInput) -> Sequence[GateReason]:
    trees = {one.tree for one in judged.evaluations} - {judged.tree}
    seals = {one.suite_seal for one in judged.evaluations} - {judged.suite_seal}
    if trees or seals:
        difference = " and ".join(["another tree"] * bool(trees) + ["another suite"] * bool(seals))
        return [GateReason("hash_mismatch", f"an evaluation used {difference} than the run")]
    return []


def _unresolved(tallies: Sequence[ScenarioTally]) -> Sequence[GateReason]:
    failed = sum(not one.passed for one in tallies)
    if not failed:
        return []
    return [
        GateReason("unresolved_failure", f"{failed} of {len(tallies)} held-out scenarios failed")
    ]


def _too_little(
    rule: str, value: Fraction | float, wanted: Fraction | float
) -> Sequence[GateReason]:
    if value >= wanted:
        return []
    words = f"{float(value):.3f} is below {float(wanted):.3f}, the minimum of the suite"
    return [GateReason(rule, words)]


def _isolation(judged: GateInput) -> Sequence[GateReason]:
    # Only evaluations of this run: agents of other runs made nothing that it promotes.
    if all(judged.is_trusted(one) for one in judged.evaluations):
        return []
    words = "isolation of the holdouts from agents and candidate is not verified"
    return [GateReason("isolation_unverified", words)]


def _protected_path(judged: GateInput) -> Sequence[GateReason]:
    # Only evaluations of this run: the base of another run may have contained the changes.
    found = sorted({path for one in judged.evaluations for path in one.protected_paths})
    if not found:
        return []
    others = " and others" if len(found) > _SHOWN else ""
    words = f"the candidate changes protected paths: {', '.join(found[:_SHOWN])}{others}"
    return [GateReason("protected_path", words)]


@dataclass(frozen=True)
class FailedScenario:
    """A held-out scenario with unsatisfied trials, and the reasons.

    The reasons contain texts of hidden scenarios, so they are only for the operator.
    """

    scenario: str
    title: str
    played: int
    satisfied: int
    reasons: tuple[str, ...]

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the failed scenario."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "played": self.played,
            "satisfied": self.satisfied,
            "reasons": list(self.reasons),
        }


def failed_scenarios(judged: GateInput) -> list[FailedScenario]:
    """Return the held-out scenarios with unsatisfied trials, or without trials."""
    if judged.suite is None:
        return []
    holdouts = judged.suite.of_split("holdout")
    results = judged.counting_results()
    return [
        FailedScenario(
            scenario.id,
            scenario.title,
            count.played,
            count.satisfied,
            _reasons([one for one in results if one.key.scenario == scenario.id]),
        )
        for scenario, count in zip(holdouts, count_trials(holdouts, results), strict=True)
        if count.satisfied < count.played or not count.played
    ]


def _reasons(results: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return the distinct reasons of unsatisfied trials, in order."""
    troubles = [f"machinery: {one.error}" for one in results if one.error]
    failed = [
        f"{check.kind}: {check.reason}"
        for one in results
        for check in one.checks
        if not check.passed
    ]
    return tuple(dict.fromkeys([*troubles, *failed]))
