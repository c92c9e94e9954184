"""The verdict of the gate as JSON, with the failed held-out scenarios for the operator only."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import Culprit
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateInput
from attractor.scenarios.evaluation import TrialResult, count_trials


@dataclass(frozen=True)
class FailedScenario:
    """A held-out scenario with unsatisfied trials, the reasons, and what its steps printed.

    `stderr` are the last lines of standard error. Reasons and lines contain texts of hidden
    scenarios, so they are only for the operator. `remedy` is given where the suite is at fault.
    """

    scenario: str
    title: str
    played: int
    satisfied: int
    reasons: tuple[str, ...]
    stderr: tuple[str, ...] = ()
    remedy: str = ""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the failed scenario."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "played": self.played,
            "satisfied": self.satisfied,
            "reasons": list(self.reasons),
            "stderr": list(self.stderr),
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
                    _reasons(own),
                    _stderr(own),
                    _remedy(own, suite),
                )
            )
    return found


def _stderr(results: Sequence[TrialResult]) -> tuple[str, ...]:
    """Return the distinct last lines of standard error, each with the name of its step."""
    steps = dict.fromkeys(step for result in results for step in result.stderr)
    return tuple(f"{step.step}: {line}" for step in steps for line in step.lines)


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
    failed = [
        f"{check.kind}: {check.reason}"
        for result in results
        for check in result.checks
        if not check.passed
    ]
    return tuple(dict.fromkeys([*troubles, *failed]))


def verdict_record(judged: GateInput, *, to_operator: bool) -> dict[str, Json]:
    """Return the gate verdict as a JSON object."""
    return {**gate(judged).to_record(), **shortcomings_record(judged, to_operator=to_operator)}


def shortcomings_record(judged: GateInput, *, to_operator: bool) -> dict[str, Json]:
    """Return the failed scenarios if the operator asked for them."""
    if not to_operator:
        return {}
    scenarios: list[Json] = [one.to_record() for one in failed_scenarios(judged)]
    return {"scenarios": scenarios, "leaks": list(judged.incidents)}
