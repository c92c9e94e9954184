"""The trials of each scenario of a suite, over the runs of a project."""

from fractions import Fraction

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.history.records import EvaluationPool
from attractor.factory.project import created_runs
from attractor.factory.resources.versions import Version
from attractor.scenarios.evaluation import count_trials
from attractor.scenarios.satisfaction import ScenarioTally


@dataclass(frozen=True)
class ScenarioHistory:
    """The trials of a holdout: in each run, oldest first, and together."""

    scenario: str
    runs: tuple[tuple[str, ScenarioTally], ...]

    @property
    def played(self) -> int:
        """The number of trials of all runs."""
        return sum(one.played for _, one in self.runs)

    @property
    def satisfied(self) -> int:
        """The number of satisfied trials of all runs."""
        return sum(one.satisfied for _, one in self.runs)

    @property
    def flaky_runs(self) -> int:
        """The number of runs in which some trials were satisfied and others were not."""
        return sum(one.is_flaky for _, one in self.runs)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the history."""
        return {
            "scenario": self.scenario,
            "played": self.played,
            "satisfied": self.satisfied,
            "pass_rate": float(Fraction(self.satisfied, self.played)) if self.played else None,
            "flaky_runs": self.flaky_runs,
            "runs": [
                {"run_id": run_id, "played": one.played, "satisfied": one.satisfied}
                for run_id, one in self.runs
            ],
        }


def suite_history(
    version: Version, evaluator: Evaluator, *, to_operator: bool
) -> list[ScenarioHistory]:
    """Return the history of each holdout of a version, from the sealed records.

    Only the operator gets the ids of the holdouts; others get opaque names.
    """
    holdouts = evaluator.opened.suites.open(version).suite.of_split("holdout")
    entries, project_id = list(evaluator.ledger.entries()), evaluator.opened.identity.project_id()
    own = created_runs(entries, project_id)
    found = EvaluationPool(entries, evaluator.results).of_suite(version.content, own)
    tallies = {run_id: count_trials(holdouts, trials) for run_id, trials in found.items()}
    return [
        ScenarioHistory(
            scenario.id if to_operator else evaluator.results.opaque_name(scenario.id),
            tuple((run_id, tally[number]) for run_id, tally in tallies.items()),
        )
        for number, scenario in enumerate(holdouts)
    ]
