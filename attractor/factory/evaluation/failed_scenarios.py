"""The verdict of the gate as JSON, with the failed held-out scenarios for the operator only."""

from collections.abc import Sequence

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import Culprit
from attractor.factory.evaluation.gate import gate
from attractor.factory.evaluation.gate_records import GateInput
from attractor.scenarios.evaluation import TrialResult, count_trials


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
            _reasons([result for result in results if result.key.scenario == scenario.id]),
        )
        for scenario, count in zip(holdouts, count_trials(holdouts, results), strict=True)
        if count.satisfied < count.played or not count.played
    ]


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
