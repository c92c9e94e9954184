"""Decides go or no-go: a pure function of evaluations and limits.

Every rule gives a result with its figure and its threshold; the verdict is 'go' if all rules that
apply pass. A failed trial can only make a figure worse, so no failure turns no-go into go.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, VerificationError
from attractor.engine.outcome import Culprit
from attractor.engine.questions.question import proves_person
from attractor.factory.gate_records import (
    NO_SUITE,
    WEAK_SUITE,
    CarriedPaths,
    Domain,
    GateInput,
    GateReport,
    GivenAnswer,
    RuleResult,
    idle,
    report_of_one,
    without_suite,
)
from attractor.factory.races import corrected_confidence
from attractor.factory.resources.protected_paths import allowing_line
from attractor.factory.resources.suite_figures import NOT_MEASURED, STRENGTHEN, weakness
from attractor.scenarios.evaluation import NoResult, TrialResult, count_trials, count_troubles
from attractor.scenarios.satisfaction import ScenarioTally, lower_bound, satisfaction
from attractor.scenarios.suite import GateSettings, Scenario, Suite


@dataclass(frozen=True)
class _Judged:
    """The input of the gate for a run with a suite, with counts that several rules need."""

    input: GateInput
    suite: Suite

    @property
    def settings(self) -> GateSettings:
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
            return _commands_for(self.input)
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
            return _FIX_SUITE
        if failed and all(one.missing_command for one in failed):
            return (
                f"no failed trial found its program: {candidate}, or the setup of the suite; see "
                "attractor gate --operator"
            )
        return candidate


_FIX_SUITE = (
    "fix the scenarios of the suite that attractor gate --operator names, register it, and start "
    "a new run"
)


def gate(judged: GateInput) -> GateReport:
    """Check all rules; the verdict is 'go' if no rule fails."""
    if judged.suite is None:
        return without_suite()
    counted = _Judged(judged, judged.suite)
    rules = tuple(
        idle(name, _NOT_EVALUATED)
        if name in _OF_TRIALS and not judged.evaluations
        else rule(counted)
        for name, rule in _RULES.items()
    )
    if not judged.evaluations:
        return GateReport(rules)
    # The figures of all holdouts, those with a waiver included.
    results = judged.counting_results()
    tallies = count_trials(judged.suite.of_split("holdout"), results)
    played, satisfied = sum(one.played for one in tallies), sum(one.satisfied for one in tallies)
    bound = lower_bound(satisfied, played, confidence=counted.confidence)
    flaky = sum(tally.is_flaky for tally in tallies)
    troubles = count_troubles(trouble for result in results for trouble in result.troubles)
    return GateReport(
        rules,
        played,
        satisfied,
        satisfaction(tallies),
        bound,
        flaky,
        troubles,
        judged.replays,
        carried=_carried(one.carried for one in judged.evaluations),
        setups=tuple(one.setup for one in judged.evaluations if one.setup),
        suite_notes=judged.suite_notes,
        measured=judged.measured,
    )


def _carried(found: Iterable[CarriedPaths]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for one in found for path in one.paths))


def unverifiable(error: VerificationError) -> GateReport:
    """Return the report on a run whose records could not be verified."""
    failed = RuleResult(
        "chain_broken" if isinstance(error, ChainBroken) else "hash_mismatch",
        passed=False,
        words=error.message,
        remedy=error.hint or "restore the records from a backup",
        domain=Domain.DECISION,
        culprit=Culprit.MACHINERY,
    )
    return report_of_one(failed, "the records of the run could not be verified")


def _none_allowed(
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


_NOT_EVALUATED = "the run was not evaluated"


def _no_suite(_: _Judged) -> RuleResult:
    return RuleResult(NO_SUITE, figure="a suite", threshold="a suite")


def _no_verdict(judged: _Judged) -> RuleResult:
    count, ended = len(judged.input.evaluations), judged.input.ended
    words = f"the run is {ended} and cannot be approved" if ended else ""
    return RuleResult(
        "no_verdict",
        passed=bool(count) and not ended,
        figure=f"{count}, but {ended}" if count and ended else f"{count}",
        threshold="at least 1",
        words=words if count else _NOT_EVALUATED,
        remedy="start a new run" if ended else "evaluate the run: attractor evaluate",
        culprit=Culprit.MACHINERY,
    )


def _chain_broken(_: _Judged) -> RuleResult:
    # A broken chain stops the reading of the records: see `unverifiable`.
    return RuleResult("chain_broken", figure="verified", threshold="verified")


def _hash_mismatch(judged: _Judged) -> RuleResult:
    given = judged.input
    trees = {evaluation.tree for evaluation in given.evaluations} - {given.tree}
    seals = {evaluation.suite_seal for evaluation in given.evaluations} - {given.suite_seal}
    difference = " and ".join(["another tree"] * bool(trees) + ["another suite"] * bool(seals))
    words = [f"an evaluation used {difference} than the run"] * bool(difference)
    if wanted := given.other_versions:
        words.append(
            f"the suite is for {' or '.join(wanted)}, and the run used another version of the "
            "pipeline"
        )
    records = [evaluation.carried for evaluation in given.evaluations]
    if changed := _carried(one for one in records if one.have_changed):
        words.append(f"{', '.join(changed)} changed while trials used it")
    if others := _carried(
        evaluation.carried
        for evaluation in given.evaluations
        if not given.has_registered_paths(evaluation)
    ):
        words.append(f"carried paths changed since the registration: {', '.join(others)}")
    is_other = bool(changed or others)
    figures = (difference, "another pipeline" * bool(wanted), "other carried files" * is_other)
    remedy = f"start a new run: attractor run {wanted[-1]}" if wanted else "start a new run"
    if others and len(words) == 1:
        remedy = "suite lint says what changed; then: attractor suite register FOLDER"
    return RuleResult(
        "hash_mismatch",
        passed=not words,
        figure=next(filter(None, figures), "same tree and suite"),
        threshold="same tree and suite",
        words="; ".join(words),
        remedy=remedy,
        domain=Domain.DECISION,
        culprit=Culprit.MACHINERY,
    )


def _unresolved_failure(judged: _Judged) -> RuleResult:
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


def _satisfaction(judged: _Judged) -> RuleResult:
    wanted = judged.settings.min_satisfaction
    return _at_least(judged, "satisfaction", satisfaction(judged.tallies), wanted)


def _lower_bound(judged: _Judged) -> RuleResult:
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


def _distinct(value: float, limit: float, *, digits: int) -> tuple[str, str]:
    """Format a figure and its limit, with more digits if different numbers would look equal."""
    while value != limit and f"{value:.{digits}f}" == f"{limit:.{digits}f}":
        digits += 1
    return f"{value:.{digits}f}", f"{limit:.{digits}f}"


def _at_least(
    judged: _Judged, rule: str, value: Fraction | float, wanted: Fraction | float
) -> RuleResult:
    figure, threshold = _distinct(float(value), float(wanted), digits=3)
    passed = value >= wanted
    return RuleResult(
        rule,
        passed=passed,
        figure=figure,
        threshold=f"at least {threshold}",
        words="" if passed else f"{figure} is below {threshold}, the minimum of the suite",
        remedy=judged.remedy,
    )


def _must(judged: _Judged) -> RuleResult:
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


def _breadth(judged: _Judged) -> RuleResult:
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


def _regression(judged: _Judged) -> RuleResult:
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
    figure, threshold = _distinct(float(now), float(was - allowed), digits=3)
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


def _infra_errors(judged: _Judged) -> RuleResult:
    troubled = [
        one
        for one in judged.results
        if one.error and not one.no_result and one.culprit is not Culprit.CANDIDATE
    ]
    # Of all scenarios: a trial without a result cannot be waived.
    missing = judged.input.without_result()
    reasons = count_troubles(one.troubles[-1] for run in missing.values() for one in run)
    words, remedies = list[str](), list[str]()
    if commands := _commands_for(judged.input):
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
        cause = _FIX_SUITE if is_suites else "fix the cause, then start a new run"
        remedies.append(f"{cause}, or waive the scenarios")
    all_of = [*troubled, *(one for run in missing.values() for one in run)]
    return _none_allowed(
        "infra_errors",
        len(all_of) + len(running),
        words="; ".join(words),
        remedy="; ".join(remedies),
        culprit=_culprit_of(all_of, {one.key.scenario for one in all_of}),
    )


def _commands_for(judged: GateInput) -> str:
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


def _instability(judged: _Judged) -> RuleResult:
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


def _isolation_unverified(judged: _Judged) -> RuleResult:
    # Only evaluations of this run: agents of other runs made nothing that it promotes.
    proved = all(evaluation.promises.guards_holdouts for evaluation in judged.input.evaluations)
    return _permitted(
        judged,
        RuleResult(
            "isolation_unverified",
            passed=proved,
            figure="verified" if proved else "not verified",
            threshold="verified",
            words=""
            if proved
            else "isolation of the holdouts from agents and candidate is not verified",
            remedy="run with a sandbox; see: attractor doctor",
            domain=Domain.BOOT,
            culprit=Culprit.MACHINERY,
        ),
    )


def _holdout_leak(judged: _Judged) -> RuleResult:
    count, unsearched = len(judged.input.incidents), judged.input.unsearched
    if unsearched:
        return RuleResult(
            "holdout_leak",
            passed=False,
            figure="not searched",
            threshold="0",
            words=f"the run ended without a search for leaks: {unsearched}",
            remedy="start a new run; if a holdout was in its files, burn the version of the suite",
            domain=Domain.EXECUTION,
            culprit=Culprit.MACHINERY,
        )
    return _none_allowed(
        "holdout_leak",
        count,
        words=f"the run contains {number_of(count, 'leak')} of a holdout",
        remedy="register a new version of the suite with other holdouts, and start a new run",
        domain=Domain.EXECUTION,
        culprit=Culprit.PIPELINE,
    )


def _suite_burned(judged: _Judged) -> RuleResult:
    attempts, most = judged.input.attempts, judged.settings.max_attempts_per_version
    trees = number_of(attempts, "tree")
    words = f"{attempts} trees were evaluated with this version of the suite, the maximum is {most}"
    if judged.input.is_burned:
        words = "a holdout of this version of the suite leaked"
    passed = attempts <= most and not judged.input.is_burned
    race = judged.input.race
    counts = f"all {len(race.attempts)} attempts of race {race.race_id} count" if race else ""
    return RuleResult(
        "suite_burned",
        passed=passed,
        figure="burned" if judged.input.is_burned else trees,
        threshold=f"at most {most}",
        words=counts if passed else words,
        remedy="register a new version of the suite with other holdouts, and start a new run",
        domain=Domain.BOOT,
        culprit=Culprit.SUITE,
    )


def _weak_suite(judged: _Judged) -> RuleResult:
    wanted = judged.input.profile.policy.min_wrong_noticed
    if wanted is None:
        return idle(WEAK_SUITE, "the profile sets no min_wrong_noticed")
    figures = judged.input.measured
    why = weakness(figures, wanted)
    return RuleResult(
        WEAK_SUITE,
        passed=not why,
        figure=f"{figures.noticed} noticed" if figures else NOT_MEASURED,
        threshold=f"at least {wanted}",
        words=why,
        remedy=STRENGTHEN,
        domain=Domain.BOOT,
        culprit=Culprit.SUITE,
    )


_SHOWN = 5


def _protected_path(judged: _Judged) -> RuleResult:
    # Only evaluations of this run: the base of another run may have contained the changes.
    found = sorted({path for one in judged.input.evaluations for path in one.protected_paths})
    others = " and others" if len(found) > _SHOWN else ""
    words = f"the candidate changes protected paths: {', '.join(found[:_SHOWN])}{others}"
    remedy = "start a new run that leaves these paths unchanged"
    if line := allowing_line(found, judged.input.profile.policy.unprotected_paths):
        remedy += f", or whose profile allows them, in [policy]:\n{line}"
    return _none_allowed(
        "protected_path",
        len(found),
        words=words,
        remedy=remedy,
        domain=Domain.EXECUTION,
        culprit=Culprit.CANDIDATE,
    )


def _unverified_answer(judged: _Judged) -> RuleResult:
    answers = judged.input.answers
    if judged.input.profile.policy.answers != "verified":
        listed = f": {_listed(answers)}" if answers else ""
        return idle("unverified_answer", f"the profile accepts all answers{listed}")
    # Agents without a sandbox could write the records of answers.
    is_guarded = all(one.promises.guards_holdouts for one in judged.input.evaluations)
    unproved = [one for one in answers if not (is_guarded and proves_person(one.proof))]
    found = _none_allowed(
        "unverified_answer",
        len(unproved),
        words=f"it is not proved who answered {_listed(unproved)}"
        + ("" if is_guarded else "; the run had no verified sandbox"),
        remedy="answer at a terminal, in the browser or with a token in a new run",
        domain=Domain.EXECUTION,
        culprit=Culprit.MACHINERY,
    )
    return found if unproved else replace(found, words=_listed(answers))


def _listed(answers: Sequence[GivenAnswer]) -> str:
    more = f" and {len(answers) - _SHOWN} more" if len(answers) > _SHOWN else ""
    return f"{', '.join(map(str, answers[:_SHOWN]))}{more}"


def _dirty_base(judged: _Judged) -> RuleResult:
    is_dirty = judged.input.base_is_dirty
    return _permitted(
        judged,
        RuleResult(
            "dirty_base",
            passed=not is_dirty,
            figure="uncommitted changes" if is_dirty else "a commit",
            threshold="a commit",
            words="the run was started with --include-dirty" if is_dirty else "",
            remedy="commit the changes, and start a run without --include-dirty",
            domain=Domain.BOOT,
            culprit=Culprit.MACHINERY,
        ),
    )


def _credential_exposed(judged: _Judged) -> RuleResult:
    exposed = judged.input.profile.sandbox.expose
    return _permitted(
        judged,
        _none_allowed(
            "credential_exposed",
            len(exposed),
            words=f"agents could read {', '.join(exposed)}",
            remedy="remove the paths from sandbox.expose of the profile",
            domain=Domain.BOOT,
            culprit=Culprit.MACHINERY,
        ),
    )


def _permitted(judged: _Judged, found: RuleResult) -> RuleResult:
    """Return a result that passes if the profile permits the rule by name."""
    if found.passed or not judged.input.profile.allows(found.rule):
        return found
    return replace(found, passed=True, words=f"{found.words}; the profile allows it")


def _budget(judged: _Judged) -> RuleResult:
    limits = [judged.settings.max_cost_usd, judged.input.profile.policy.max_cost_usd]
    set_limits = [one for one in limits if one is not None]
    if not set_limits:
        return idle("budget", "neither suite nor profile set max_cost_usd")
    cost, limit = judged.input.usage.cost_usd, min(set_limits)
    figure, most = _distinct(cost, limit, digits=2)
    words, remedy = "", "start a new run with --max-cost-usd"
    if cost > limit:
        words = f"the run cost {figure} USD, more than {most} USD"
    elif unpriced := judged.input.usage.unpriced_tokens:
        words = f"the cost is unknown: the models of {number_of(unpriced, 'token')} have no price"
        remedy = "start a new run with models that have a price: attractor models"
        figure = f"unknown, at least {figure}"
    return RuleResult(
        "budget",
        passed=not words,
        figure=f"{figure} USD",
        threshold=f"at most {most} USD",
        words=words,
        remedy=remedy,
        domain=Domain.EXECUTION,
        culprit=Culprit.PIPELINE,
    )


def _process(judged: _Judged) -> RuleResult:
    wanted, found = judged.input.profile.window, judged.input.window
    if wanted is None:
        return idle("process", "the profile sets no window")
    limits = [
        (found.runs, ">=", wanted.runs, "decided runs"),
        (found.pipelines, ">=", wanted.pipelines, "pipelines"),
        (_share(found.approved, found.runs), ">=", wanted.min_approved, "approved"),
        (_share(found.first_try, found.runs), ">=", wanted.min_first_try, "approved at first try"),
        (_share(found.rolled_back, found.promoted), "<=", wanted.max_rolled_back, "rolled back"),
        (found.incidents, "<=", 0, "approved runs whose suite was burned later"),
    ]
    if wanted.max_false_go is not None:
        share = _share(found.false_go, found.approved)
        limits.append((share, "<=", wanted.max_false_go, "of the approvals marked as wrong"))
    if wanted.max_retries is not None:
        mean = _share(found.retries, found.runs)
        limits.append((mean, "<=", wanted.max_retries, "retries a run"))
    failed = [
        f"{name} {figure:g} ({sign} {limit:g})"
        for figure, sign, limit, name in limits
        if (figure < limit if sign == ">=" else figure > limit)
    ]
    return RuleResult(
        "process",
        passed=not failed,
        figure=f"{len(limits) - len(failed)} of {len(limits)} limits",
        threshold=f"{len(limits)} of {len(limits)}",
        words=f"over the last {wanted.runs} decided runs: {', '.join(failed)}" if failed else "",
        remedy="let more runs be decided, or relax the window of the profile",
        domain=Domain.DECISION,
        culprit=Culprit.PIPELINE,
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 3) if whole else 0.0


_RULES: Mapping[str, Callable[[_Judged], RuleResult]] = {
    NO_SUITE: _no_suite,
    "no_verdict": _no_verdict,
    "chain_broken": _chain_broken,
    "hash_mismatch": _hash_mismatch,
    "isolation_unverified": _isolation_unverified,
    "holdout_leak": _holdout_leak,
    "suite_burned": _suite_burned,
    WEAK_SUITE: _weak_suite,
    "credential_exposed": _credential_exposed,
    "dirty_base": _dirty_base,
    "protected_path": _protected_path,
    "unverified_answer": _unverified_answer,
    "unresolved_failure": _unresolved_failure,
    "must": _must,
    "satisfaction": _satisfaction,
    "lower_bound": _lower_bound,
    "breadth": _breadth,
    "regression": _regression,
    "infra_errors": _infra_errors,
    "instability": _instability,
    "budget": _budget,
    "process": _process,
}

_OF_TRIALS = frozenset(
    {
        "unresolved_failure",
        "must",
        "satisfaction",
        "lower_bound",
        "breadth",
        "regression",
        "infra_errors",
        "instability",
        "isolation_unverified",
        "hash_mismatch",
        "protected_path",
    }
)
"""The rules that need an evaluation."""
