"""The rules of the gate about trials: which failed, how many were satisfied, and how steady."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from attractor.base.amounts import number_of
from attractor.engine.outcome import Culprit
from attractor.factory.evaluation.judged import (
    FIX_SUITE,
    Judged,
    commands_for,
    distinct,
    none_allowed,
)
from attractor.factory.gate_records import RuleResult, idle
from attractor.scenarios.coverage import proved
from attractor.scenarios.evaluation import TrialResult, count_trials, count_troubles
from attractor.scenarios.satisfaction import lower_bound, satisfaction


def _unresolved_failure(judged: Judged) -> RuleResult:
    count = len(judged.tallies)
    unplayed = sum(not tally.played for tally in judged.tallies)
    failed = {tally.scenario for tally in judged.tallies if tally.played and not tally.passed}
    waived = f" ({len(judged.waived)} waived)" if judged.waived else ""
    numbers = {"failed": len(failed), "were not played": unplayed}
    words = [f"{one} of {count} held-out scenarios {verb}" for verb, one in numbers.items() if one]
    incomplete = judged.is_incomplete
    return RuleResult(
        "unresolved_failure",
        passed=not words,
        figure=f"{len(failed) + unplayed} of {count}{waived}",
        threshold="0",
        words=", ".join(words) + waived if words else "",
        remedy=judged.remedy if incomplete else f"{judged.remedy}, or waive the scenario",
        culprit=Culprit.MACHINERY if incomplete else _culprit_of(judged.results, failed),
    )


def _culprit_of(results: Sequence[TrialResult], failed: set[str]) -> Culprit:
    """Return the culprit that all failed trials of the failed scenarios share, or the candidate."""
    culprits = {one.culprit for one in results if one.key.scenario in failed and not one.satisfied}
    [culprit] = culprits if len(culprits) == 1 else [None]
    return culprit or Culprit.CANDIDATE


def _satisfaction(judged: Judged) -> RuleResult:
    wanted = judged.settings.min_satisfaction
    return _at_least(judged, "satisfaction", satisfaction(judged.tallies), wanted)


def _lower_bound(judged: Judged) -> RuleResult:
    played = sum(tally.played for tally in judged.tallies)
    satisfied = sum(tally.satisfied for tally in judged.tallies)
    bound = lower_bound(satisfied, played, confidence=judged.confidence)
    found = _at_least(judged, "lower_bound", bound, judged.settings.min_lower_bound)
    race = judged.input.race
    if race is None:
        return found
    counts = (
        f"an attempt of race {race.race_id}: the bound counts {race.counted} attempts with this "
        f"suite from this tree (confidence {judged.confidence:.4f})"
    )
    return replace(found, words="; ".join(filter(None, [found.words, counts])))


def _at_least(
    judged: Judged, rule: str, value: Fraction | float, wanted: Fraction | float
) -> RuleResult:
    figure, threshold = distinct(float(value), float(wanted), digits=3)
    passed = value >= wanted
    return RuleResult(
        rule,
        passed=passed,
        figure=figure,
        threshold=f"at least {threshold}",
        words="" if passed else f"{figure} is below {threshold}, the minimum of the suite",
        remedy=judged.remedy,
    )


def _must(judged: Judged) -> RuleResult:
    patterns = judged.settings.must
    if not patterns:
        return idle("must", "the suite names no scenario that must pass")
    names = judged.suite.musts
    musts = [tally for tally in judged.tallies if tally.scenario in names]
    failed = sum(not must.passed for must in musts)
    return RuleResult(
        "must",
        passed=not failed,
        figure=f"{failed} of {len(musts)}",
        threshold="0",
        words=f"{failed} of {len(musts)} scenarios that must pass did not pass" if failed else "",
        remedy=f"{judged.remedy}; these scenarios cannot be waived",
    )


def _requirements(judged: Judged) -> RuleResult:
    listed = judged.suite.requirements.requirement
    if not listed:
        return idle("requirements", "the suite has no list of requirements")
    # A waiver is not a proof.
    tallies = count_trials(judged.suite.of_split("holdout"), judged.input.counting_results())
    passed = {one.scenario for one in tallies if one.passed}
    count, wants_all = (
        len(proved(judged.suite, passed)),
        judged.suite.settings.requirements.proved == "all",
    )
    words = f"{count} of {number_of(len(listed), 'sentence')} are proved"
    return RuleResult(
        "requirements",
        passed=count == len(listed) or not wants_all,
        figure=f"{count} of {len(listed)}",
        threshold="all" if wants_all else "none set",
        words=words,
        remedy=f"{judged.remedy}, or see: attractor suite coverage",
    )


def _breadth(judged: Judged) -> RuleResult:
    # Scenarios, not trials: a trial more must never help.
    count, wanted = len(judged.holdouts), judged.settings.min_scenarios
    return RuleResult(
        "breadth",
        passed=count >= wanted,
        figure=f"{count}",
        threshold=f"at least {wanted}",
        words="" if count >= wanted else f"only {count} of {wanted} held-out scenarios count",
        remedy="waive fewer scenarios, or register a suite with more holdouts",
        culprit=Culprit.SUITE,
    )


def _regression(judged: Judged) -> RuleResult:
    allowed = judged.settings.max_regression
    if allowed is None:
        return idle("regression", "the suite sets no max_regression")
    before = [
        result
        for one in judged.input.earlier
        # The same files are no regression.
        if one.tree != judged.input.tree
        for result in one.results
    ]
    common = {one.key.scenario for one in before} & {holdout.id for holdout in judged.holdouts}
    if not common:
        return idle("regression", "no other approved run of the pipeline played these scenarios")
    scenarios = [holdout for holdout in judged.holdouts if holdout.id in common]
    was = satisfaction(count_trials(scenarios, before))
    now = satisfaction(count_trials(scenarios, judged.results))
    lost = was - now
    figure, threshold = distinct(float(now), float(was - allowed), digits=3)
    return RuleResult(
        "regression",
        passed=lost <= allowed,
        figure=figure,
        threshold=f"at least {threshold}",
        words=""
        if lost <= allowed
        else f"satisfaction fell from {float(was):.3f} to {float(now):.3f} since the last "
        "approved run of the pipeline",
        remedy="fix the candidate in a new run with --feedback",
    )


def _infra_errors(judged: Judged) -> RuleResult:
    troubled = [
        one
        for one in judged.results
        if one.error and not one.no_result and one.culprit is not Culprit.CANDIDATE
    ]
    # Of all scenarios: a trial without a result cannot be waived.
    missing = judged.input.without_result()
    reasons = count_troubles(one.troubles[-1] for run in missing.values() for one in run)
    words, remedies = list[str](), list[str]()
    if commands := commands_for(judged.input):
        remedies.append(commands)
    if count := sum(map(len, missing.values())):
        have = f"{number_of(count, 'trial')} {'has' if count == 1 else 'have'} no result"
        words.append(f"{have}: {'; '.join(map(str, reasons))}; {commands}")
    if running := judged.input.not_ended():
        runs = f"{'run' if len(running) == 1 else 'runs'} {', '.join(running)}"
        words.append(f"the evaluation of this tree in {runs} has not ended; {commands}")
    if troubled:
        trials = number_of(len(troubled), "trial")
        words.append(f"{trials} ended with an error that is not the candidate's")
    if troubled or not (missing or running):
        is_suites = troubled and all(one.culprit is Culprit.SUITE for one in troubled)
        cause = FIX_SUITE if is_suites else "fix the cause, then start a new run"
        remedies.append(f"{cause}, or waive the scenarios")
    all_of = [*troubled, *(one for run in missing.values() for one in run)]
    return none_allowed(
        "infra_errors",
        len(all_of) + len(running),
        words="; ".join(words),
        remedy="; ".join(remedies),
        culprit=_culprit_of(all_of, {one.key.scenario for one in all_of}),
    )


def _instability(judged: Judged) -> RuleResult:
    wanted = judged.settings.stability
    if wanted == 1:
        return idle("instability", "the suite wants one evaluation, not several in a row")
    names = {holdout.id for holdout in judged.holdouts}
    tried = [
        [result for result in evaluation if result.key.scenario in names]
        for evaluation in judged.input.counting_evaluations()
    ]
    clean = 0
    for results in reversed([one for one in tried if one]):
        if not all(trial.passed for trial in count_trials(judged.holdouts, results)):
            break
        clean += 1
    return RuleResult(
        "instability",
        passed=clean >= wanted,
        figure=f"{clean} in a row",
        threshold=f"at least {wanted}",
        words=""
        if clean >= wanted
        else f"{number_of(clean, 'clean evaluation')} in a row, {wanted} needed",
        remedy="evaluate the run again: attractor evaluate",
    )


TRIAL_RULES: Mapping[str, Callable[[Judged], RuleResult]] = {
    "unresolved_failure": _unresolved_failure,
    "must": _must,
    "requirements": _requirements,
    "satisfaction": _satisfaction,
    "lower_bound": _lower_bound,
    "breadth": _breadth,
    "regression": _regression,
    "infra_errors": _infra_errors,
    "instability": _instability,
}
"""The rules about trials."""
