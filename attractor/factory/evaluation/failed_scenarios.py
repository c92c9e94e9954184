"""The verdict of the gate as JSON, with the failed held-out scenarios for the operator only."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import Culprit
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput
from attractor.scenarios.evaluation import StepOutput, TrialResult, count_trials
from attractor.scenarios.suite import Scenario
from attractor.scenarios.suite_lint import has_rubric


class Failure(StrEnum):
    """What kind of failure a scenario is, by the baseline that its registration proved."""

    BROKEN = "broken"
    """It passed without the candidate."""

    STILL_FAILING = "still failing"
    """It failed without the candidate: to make it pass was the aim of the run."""

    WITHOUT_RESULT = "without a result"
    """Machine, twin or judge failed, or the trial was cut."""

    UNKNOWN = "of no known kind"
    """Its baseline may be either, or was not proved."""


@dataclass(frozen=True)
class FailedScenario:
    """A held-out scenario with unsatisfied trials, the reasons, and what its steps printed.

    `stderr` and `stdout` are the last lines; `stdout` of steps that the reasons name. Reasons and
    lines contain texts of hidden scenarios, so they are only for the operator. `remedy` is given
    where the suite is at fault.
    """

    scenario: str
    title: str
    played: int
    satisfied: int
    failure: Failure
    reasons: tuple[str, ...]
    stderr: tuple[str, ...] = ()
    remedy: str = ""
    stdout: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the failed scenario."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "played": self.played,
            "satisfied": self.satisfied,
            "failure": self.failure.value,
            "reasons": list(self.reasons),
            "stderr": list(self.stderr),
            "stdout": list(self.stdout),
            "remedy": self.remedy,
        }


def failed_scenarios(judged: GateInput) -> list[FailedScenario]:
    """Return the held-out scenarios with unsatisfied trials, or without trials."""
    if judged.suite is None:
        return []
    holdouts = judged.suite.of_split("holdout")
    results, suite = judged.counting_results(), judged.suite.settings.name
    found: list[FailedScenario] = []
    for scenario, count in zip(holdouts, count_trials(holdouts, results), strict=True):
        if count.satisfied < count.played or not count.played:
            own = [result for result in results if result.key.scenario == scenario.id]
            found.append(
                FailedScenario(
                    scenario.id,
                    scenario.title,
                    count.played,
                    count.satisfied,
                    failure_of(scenario, own, proved=judged.has_baselines),
                    _reasons(own),
                    _last_lines(step for result in own for step in result.stderr),
                    _remedy(own, suite),
                    _last_lines(_named_steps(own)),
                )
            )
    return found


def failure_of(scenario: Scenario, own: Sequence[TrialResult], *, proved: bool) -> Failure:
    """Return the kind of a failure; `own` are the trials of the scenario."""
    failed = [result for result in own if not result.satisfied]
    if all(one.no_result or _is_trouble(one) for one in failed):
        return Failure.WITHOUT_RESULT
    return _kind_by_baseline(scenario, proved=proved)


def _is_trouble(result: TrialResult) -> bool:
    return bool(result.error) and result.culprit is not Culprit.CANDIDATE


def _kind_by_baseline(scenario: Scenario, *, proved: bool) -> Failure:
    # The baselines are played without rubrics.
    if not proved or has_rubric(scenario):
        return Failure.UNKNOWN
    return _KINDS[scenario.baseline]


_KINDS = {
    "pass": Failure.BROKEN,
    "fail": Failure.STILL_FAILING,
    "any": Failure.UNKNOWN,
}


def count_failures(judged: GateInput) -> Mapping[str, int]:
    """Return how many held-out scenarios failed, by the kind of the failure."""
    found = Counter(one.failure for one in failed_scenarios(judged))
    return {kind.value: found[kind] for kind in Failure if found[kind]}


def in_words(failures: Mapping[str, int]) -> str:
    """Return counts of failures in words, such as "1 broken, 2 still failing"."""
    return ", ".join(f"{count} {kind}" for kind, count in failures.items())


def can_tell_failures(judged: GateInput) -> bool:
    """Return whether counts would not tell a candidate which scenario failed."""
    holdouts = judged.suite.of_split("holdout") if judged.suite else ()
    kinds = Counter(_kind_by_baseline(one, proved=judged.has_baselines) for one in holdouts)
    return all(kinds[one] >= FEWEST for one in (Failure.BROKEN, Failure.STILL_FAILING))


FEWEST = 2
"""The number of holdouts with each baseline with which feedback tells the counts."""


def _last_lines(steps: Iterable[StepOutput]) -> tuple[str, ...]:
    """Return the distinct last lines of steps, each with the name of its step."""
    return tuple(f"{step.step}: {line}" for step in dict.fromkeys(steps) for line in step.lines)


def _named_steps(results: Sequence[TrialResult]) -> Iterator[StepOutput]:
    """Yield the standard output of the steps that reasons of failed trials name."""
    reasons = " ".join(_reasons(results))
    for result in results:
        yield from (step for step in result.stdout if f"step {step.step} " in reasons)


def _remedy(results: Sequence[TrialResult], suite: str) -> str:
    """Return what to change in the suite, or "" if the suite does not look at fault."""
    failed = [result for result in results if not result.satisfied and not result.no_result]
    if not failed:
        return ""
    if all(result.culprit is Culprit.SUITE for result in failed):
        return f"fix the scenario in the suite {suite}, and register it"
    if all(result.missing_command for result in failed):
        missing = failed[0].missing_command
        return (
            f"{missing}: if Git ignores that program, build it in the setup of the suite {suite}, "
            "and register it; otherwise the candidate lacks it"
        )
    return ""


def _reasons(results: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return the distinct reasons of unsatisfied trials, in order."""
    troubles = [f"{one.culprit or Culprit.MACHINERY}: {one.error}" for one in results if one.error]
    failed = [str(check) for result in results for check in result.checks if not check.passed]
    return tuple(dict.fromkeys([*troubles, *failed]))


def verdict_record(judged: GateInput, *, to_operator: bool) -> dict[str, Json]:
    """Return the gate verdict as a JSON object."""
    return {**gate(judged).to_record(), **shortcomings_record(judged, to_operator=to_operator)}


def shortcomings_record(judged: GateInput, *, to_operator: bool) -> dict[str, Json]:
    """Return the failed scenarios: how many of each kind, and if the operator asks, which."""
    failures: dict[str, Json] = {**count_failures(judged)}
    if not to_operator:
        return {"failures": failures}
    scenarios: list[Json] = [one.to_record() for one in failed_scenarios(judged)]
    return {"failures": failures, "scenarios": scenarios, "leaks": list(judged.incidents)}
