"""Says go or no-go: a pure function of what was evaluated and what was asked for.

Nothing here reads a clock, a file or a stored verdict: everything it judges by is handed in, so
that whoever has the same records comes to the same answer.

What a candidate fell short of, in the holdouts' own words: for the operator's eyes only.
"""

from collections.abc import Sequence
from fractions import Fraction

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.environments.environment import Promises
from attractor.factory.profiles import Profile
from attractor.scenarios.evaluation import TrialResult, tally
from attractor.scenarios.satisfaction import BOUND_SENTENCE, Tally, lower_bound, satisfaction
from attractor.scenarios.suite import Suite


@dataclass(frozen=True)
class Evaluated:
    """One evaluation: what was tried, by which suite, and how each trial ended.

    `protected_paths` are those that the candidate changed and no candidate may.
    """

    tree: str
    suite_seal: str
    promises: Promises
    results: tuple[TrialResult, ...]
    is_through: bool = True
    protected_paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What the gate judges by: the run's pinned hashes, its suite and its evaluations.

    Other runs may have come to the same tree and been tried by the same suite; those count too.
    """

    tree: str
    suite: Suite | None
    suite_seal: str
    evaluations: tuple[Evaluated, ...]
    profile: Profile
    of_others: tuple[Evaluated, ...] = ()

    def trusts(self, evaluated: Evaluated) -> bool:
        """Whether satisfied trials speak for the tree: guarded, or allowed by name not to be."""
        return evaluated.promises.guards_holdouts or self.profile.allow_unverified_isolation

    def counted(self) -> list[TrialResult]:
        """Return the trials of this tree that count: of another run's unguarded ones, the red."""
        own = [one for one in self.evaluations if one.tree == self.tree]
        others = [
            one
            for one in self.of_others
            if (one.tree, one.suite_seal) == (self.tree, self.suite_seal)
        ]
        return [result for one in own for result in one.results] + [
            result
            for one in others
            for result in one.results
            if self.trusts(one) or not result.satisfied
        ]


@dataclass(frozen=True)
class Reason:
    """One rule that says no, in words that give no holdout away."""

    rule: str
    words: str


@dataclass(frozen=True)
class GateReport:
    """The gate's answer, and what it rests on."""

    go: bool
    reasons: tuple[Reason, ...]
    played: int
    satisfied: int
    satisfaction: Fraction
    bound: float
    flaky: int = 0

    def to_record(self) -> dict[str, Json]:
        """Return it as it stands in a report, an event and a decision."""
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


def gate(judged: Judged) -> GateReport:
    """Judge a run: go only when no rule says no."""
    if judged.suite is None:
        return _nothing("no_suite", "the run has no suite, so nothing speaks for it")
    if not judged.evaluations:
        return _nothing("no_verdict", "the run was not evaluated")
    # Of all evaluations of this tree together: a second one, of whichever run, replaces none.
    tallies = tally(judged.suite.of_split("holdout"), judged.counted())
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
    """Return the report on a run that nothing was tried of."""
    return GateReport(False, (Reason(rule, words),), 0, 0, Fraction(0), 0.0)


def _hash_mismatch(judged: Judged) -> Sequence[Reason]:
    trees = {one.tree for one in judged.evaluations} - {judged.tree}
    seals = {one.suite_seal for one in judged.evaluations} - {judged.suite_seal}
    if trees or seals:
        what = " and ".join(["another tree"] * bool(trees) + ["another suite"] * bool(seals))
        return [Reason("hash_mismatch", f"an evaluation is of {what} than the run's")]
    return []


def _unresolved(tallies: Sequence[Tally]) -> Sequence[Reason]:
    failed = sum(not one.passed for one in tallies)
    if not failed:
        return []
    return [Reason("unresolved_failure", f"{failed} of {len(tallies)} held-out scenarios failed")]


def _too_little(rule: str, value: Fraction | float, wanted: Fraction | float) -> Sequence[Reason]:
    if value >= wanted:
        return []
    words = f"{float(value):.3f} is less than the {float(wanted):.3f} the suite asks for"
    return [Reason(rule, words)]


def _isolation(judged: Judged) -> Sequence[Reason]:
    # The run's own: other runs' agents made nothing that this one promotes.
    if all(judged.trusts(one) for one in judged.evaluations):
        return []
    words = "it was not proved that agents and candidate could not see the holdouts"
    return [Reason("isolation_unverified", words)]


def _protected_path(judged: Judged) -> Sequence[Reason]:
    # The run's own: another run may have come to the same tree from one that had them already.
    found = sorted({path for one in judged.evaluations for path in one.protected_paths})
    if not found:
        return []
    others = " and others" if len(found) > _SHOWN else ""
    words = f"the candidate changes what agents may not: {', '.join(found[:_SHOWN])}{others}"
    return [Reason("protected_path", words)]


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
