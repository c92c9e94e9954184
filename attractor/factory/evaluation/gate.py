"""Decides go or no-go: a pure function of evaluations and limits.

Every rule gives a result with its figure and its threshold; the verdict is 'go' if all rules that
apply pass. A failed trial can only make a figure worse, so no failure turns no-go into go.
"""

from attractor.base.amounts import number_of
from attractor.base.errors import ChainBroken, VerificationError
from attractor.engine.outcome import Culprit
from attractor.factory.evaluation.judged import Judged, carried, distinct, specification_notes
from attractor.factory.evaluation.trial_rules import TRIAL_RULES
from attractor.factory.evaluation.trust_rules import NOT_EVALUATED, TRUST_RULES
from attractor.factory.gate_records import (
    Domain,
    GateInput,
    GateReport,
    RuleResult,
    idle,
    report_of_one,
    without_suite,
)
from attractor.scenarios.evaluation import count_trials, count_troubles
from attractor.scenarios.satisfaction import lower_bound, satisfaction


def gate(judged: GateInput) -> GateReport:
    """Check all rules; the verdict is 'go' if no rule fails."""
    if judged.suite is None:
        return without_suite()
    counted = Judged(judged, judged.suite)
    rules = tuple(
        idle(name, NOT_EVALUATED)
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
        carried=carried(one.carried for one in judged.evaluations),
        setups=tuple(one.setup for one in judged.evaluations if one.setup),
        suite_notes=(*judged.suite_notes, *specification_notes(judged.evaluations)),
        measured=judged.measured,
        reading=judged.reading,
        cost=judged.cost,
    )


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


def _budget(judged: Judged) -> RuleResult:
    limits = [judged.settings.max_cost_usd, judged.input.profile.policy.max_cost_usd]
    set_limits = [one for one in limits if one is not None]
    if not set_limits:
        return idle("budget", "neither suite nor profile set max_cost_usd")
    cost, limit = judged.input.usage.cost_usd, min(set_limits)
    figure, most = distinct(cost, limit, digits=2)
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


def _process(judged: Judged) -> RuleResult:
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


_RULES = {**TRUST_RULES, **TRIAL_RULES, "budget": _budget, "process": _process}

_OF_TRIALS = frozenset(
    {
        "unresolved_failure",
        "must",
        "requirements",
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
