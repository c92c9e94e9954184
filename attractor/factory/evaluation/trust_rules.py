"""The rules of the gate about what a verdict stands on: records, suite, isolation and changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from attractor.base.amounts import number_of
from attractor.engine.outcome import Culprit
from attractor.engine.questions.question import proves_person
from attractor.factory.evaluation.judged import Judged, carried, none_allowed
from attractor.factory.gate_records import (
    NO_SUITE,
    WEAK_SUITE,
    Domain,
    GivenAnswer,
    RuleResult,
    idle,
)
from attractor.factory.resources.protected_paths import allowing_line
from attractor.factory.resources.suite_figures import NOT_MEASURED, STRENGTHEN, weakness

NOT_EVALUATED = "the run was not evaluated"


def _no_suite(_: Judged) -> RuleResult:
    return RuleResult(NO_SUITE, figure="a suite", threshold="a suite")


def _no_verdict(judged: Judged) -> RuleResult:
    count, ended = len(judged.input.evaluations), judged.input.ended
    words = f"the run is {ended} and cannot be approved" if ended else ""
    return RuleResult(
        "no_verdict",
        passed=bool(count) and not ended,
        figure=f"{count}, but {ended}" if count and ended else f"{count}",
        threshold="at least 1",
        words=words if count else NOT_EVALUATED,
        remedy="start a new run" if ended else "evaluate the run: attractor evaluate",
        culprit=Culprit.MACHINERY,
    )


def _chain_broken(_: Judged) -> RuleResult:
    # A broken chain stops the reading of the records: see `unverifiable`.
    return RuleResult("chain_broken", figure="verified", threshold="verified")


def _hash_mismatch(judged: Judged) -> RuleResult:
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
    if changed := carried(one for one in records if one.have_changed):
        words.append(f"{', '.join(changed)} changed while trials used it")
    if others := carried(
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


_NOT_ISOLATED = "isolation of the holdouts from agents and candidate is not verified"


def _isolation_unverified(judged: Judged) -> RuleResult:
    # Only evaluations of this run: agents of other runs made nothing that it promotes.
    given = judged.input
    proved = all(evaluation.promises.guards_holdouts for evaluation in given.evaluations)
    words, remedy = _NOT_ISOLATED, "run with a sandbox; see: attractor doctor"
    if given.place:
        words = f"stages worked in the place {given.place}, which isolates nothing"
        remedy = "run without --place, or with a profile that allows isolation_unverified"
    if given.exposure:
        words = given.exposure
        remedy = "keep the holdouts of the suite outside of the repository"
    return permitted(
        judged,
        RuleResult(
            "isolation_unverified",
            passed=proved,
            figure="verified" if proved else "not verified",
            threshold="verified",
            words="" if proved else words,
            remedy=remedy,
            domain=Domain.BOOT,
            culprit=Culprit.MACHINERY,
        ),
    )


def _holdout_leak(judged: Judged) -> RuleResult:
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
    return none_allowed(
        "holdout_leak",
        count,
        words=f"the run contains {number_of(count, 'leak')} of a holdout",
        remedy="register a new version of the suite with other holdouts, and start a new run",
        domain=Domain.EXECUTION,
        culprit=Culprit.PIPELINE,
    )


def _suite_burned(judged: Judged) -> RuleResult:
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


def _weak_suite(judged: Judged) -> RuleResult:
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


def _protected_path(judged: Judged) -> RuleResult:
    # Only evaluations of this run: the base of another run may have contained the changes.
    found = sorted({path for one in judged.input.evaluations for path in one.protected_paths})
    others = " and others" if len(found) > _SHOWN else ""
    words = f"the candidate changes protected paths: {', '.join(found[:_SHOWN])}{others}"
    remedy = "start a new run that leaves these paths unchanged"
    if line := allowing_line(found, judged.input.profile.policy.unprotected_paths):
        remedy += f", or whose profile allows them, in [policy]:\n{line}"
    return none_allowed(
        "protected_path",
        len(found),
        words=words,
        remedy=remedy,
        domain=Domain.EXECUTION,
        culprit=Culprit.CANDIDATE,
    )


def _unverified_answer(judged: Judged) -> RuleResult:
    answers = judged.input.answers
    if judged.input.profile.policy.answers != "verified":
        listed = f": {_listed(answers)}" if answers else ""
        return idle("unverified_answer", f"the profile accepts all answers{listed}")
    # Agents without a sandbox could write the records of answers.
    is_guarded = all(one.promises.guards_holdouts for one in judged.input.evaluations)
    unproved = [one for one in answers if not (is_guarded and proves_person(one.proof))]
    found = none_allowed(
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


def _dirty_base(judged: Judged) -> RuleResult:
    is_dirty = judged.input.base_is_dirty
    return permitted(
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


def _credential_exposed(judged: Judged) -> RuleResult:
    exposed = judged.input.profile.sandbox.expose
    return permitted(
        judged,
        none_allowed(
            "credential_exposed",
            len(exposed),
            words=f"agents could read {', '.join(exposed)}",
            remedy="remove the paths from sandbox.expose of the profile",
            domain=Domain.BOOT,
            culprit=Culprit.MACHINERY,
        ),
    )


def permitted(judged: Judged, found: RuleResult) -> RuleResult:
    """Return a result that passes if the profile permits the rule by name."""
    if found.passed or not judged.input.profile.allows(found.rule):
        return found
    return replace(found, passed=True, words=f"{found.words}; the profile allows it")


TRUST_RULES: Mapping[str, Callable[[Judged], RuleResult]] = {
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
}
"""The rules about what a verdict stands on."""
