"""What the rules of the gate count: scenarios and trials of a run, and the remedy for failures."""

from collections.abc import Iterable
from functools import cached_property

from attractor.base.dataclasses import dataclass
from attractor.engine.outcome import Culprit
from attractor.factory.gate_records import (
    CarriedPaths,
    Domain,
    EvaluationRecord,
    GateInput,
    RuleResult,
)
from attractor.factory.races import corrected_confidence
from attractor.scenarios.evaluation import NoResult, TrialResult, count_trials
from attractor.scenarios.satisfaction import ScenarioTally
from attractor.scenarios.suite import GateSettings, Scenario, Suite


@dataclass(frozen=True)
class Judged:
    """The input of the gate for a run with a suite, with counts that several rules need."""

    input: GateInput
    suite: Suite

    @property
    def settings(self) -> GateSettings:
        """The thresholds of the suite."""
        return self.suite.settings.gate

    @property
    def confidence(self) -> float:
        """The confidence of the lower bound, corrected for an attempt of a race."""
        race, wanted = self.input.race, self.settings.confidence
        return corrected_confidence(wanted, race.counted) if race else wanted

    @cached_property
    def waived(self) -> frozenset[str]:
        """The scenarios with a valid waiver; a `must` cannot be waived."""
        valid = {one.scenario for one in self.input.waivers if one.expires > self.input.now}
        return frozenset(valid) - self.suite.musts

    @cached_property
    def holdouts(self) -> list[Scenario]:
        """The held-out scenarios that count: those that are not waived, passed or not."""
        return [one for one in self.suite.of_split("holdout") if one.id not in self.waived]

    @cached_property
    def results(self) -> list[TrialResult]:
        """The trials of scenarios that count."""
        names = {holdout.id for holdout in self.holdouts}
        return [result for result in self.input.counting_results() if result.key.scenario in names]

    @cached_property
    def tallies(self) -> list[ScenarioTally]:
        """The counts of scenarios that count; all evaluations of this tree count together."""
        return count_trials(self.holdouts, self.results)

    @cached_property
    def is_incomplete(self) -> bool:
        """Whether scenarios were not played, and no scenario failed."""
        missing = [tally for tally in self.tallies if not tally.passed]
        return bool(missing) and not any(one.played for one in missing)

    @property
    def remedy(self) -> str:
        """The remedy for scenarios that did not pass."""
        if not self.is_incomplete:
            return self._remedy_of_failures
        if self.input.without_result() or self.input.not_ended():
            return commands_for(self.input)
        if self.input.attempts > self.settings.max_attempts_per_version:
            return "register a new version of the suite with other holdouts, and start a new run"
        remedy = "start a new run that changes the tree, or register a new version of the suite"
        if all(run.is_finished for run in self.input.by_other_runs):
            return remedy
        return f"an earlier evaluation of this tree was canceled or did not finish; {remedy}"

    @property
    def _remedy_of_failures(self) -> str:
        failed = [one for one in self.results if not one.satisfied and not one.no_result]
        candidate = "fix the candidate in a new run with --feedback"
        if failed and all(one.culprit is Culprit.SUITE for one in failed):
            return FIX_SUITE
        if failed and all(one.missing_command for one in failed):
            return (
                f"no failed trial found its program: {candidate}, or the setup of the suite; see "
                "attractor gate --operator"
            )
        return candidate


FIX_SUITE = (
    "fix the scenarios of the suite that attractor gate --operator names, register it, and start "
    "a new run"
)


def carried(found: Iterable[CarriedPaths]) -> tuple[str, ...]:
    """Return the carried paths, each once."""
    return tuple(dict.fromkeys(path for one in found for path in one.paths))


def specification_notes(found: Iterable[EvaluationRecord]) -> tuple[str, ...]:
    """Return how specifications differ from the list of requirements, each note once."""
    return tuple(dict.fromkeys(note for one in found for note in one.specification))


def none_allowed(
    rule: str,
    count: int,
    *,
    words: str,
    remedy: str,
    culprit: Culprit,
    domain: Domain = Domain.EVALUATION,
) -> RuleResult:
    """Return the result of a rule that fails unless the count is 0."""
    return RuleResult(
        rule,
        passed=not count,
        figure=f"{count}",
        threshold="0",
        words=words if count else "",
        remedy=remedy,
        domain=domain,
        culprit=culprit,
    )


def distinct(value: float, limit: float, *, digits: int) -> tuple[str, str]:
    """Format a figure and its limit, with more digits if different numbers would look equal."""
    while value != limit and f"{value:.{digits}f}" == f"{limit:.{digits}f}":
        digits += 1
    return f"{value:.{digits}f}", f"{limit:.{digits}f}"


def commands_for(judged: GateInput) -> str:
    """Return the commands that can give trials of the tree a result, or the way without them."""
    found = dict.fromkeys(f"attractor resume {run}" for run in judged.not_ended())
    for one in judged.of_tree():
        kinds = {result.no_result for result in one.results}
        again = f"attractor evaluate {one.run_id or 'RUN'}"
        if NoResult.UNJUDGED in kinds and not one.is_final:
            found[f"{again} --judge"] = None
        if NoResult.CUT in kinds and one.can_replay and not one.is_final:
            found[f'{again} --replay-cut --reason "..."'] = None
        elif NoResult.CUT in kinds or (one.is_final and kinds - {None}):
            found["change the tree in a new run, or register a new version of the suite"] = None
    return "; ".join(found)
