"""A scenario that was played once, with its steps and checks as text and as JSON."""

from collections.abc import Iterator
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.scenarios.check import CheckResult, Observation
from attractor.scenarios.evaluation import is_satisfied
from attractor.scenarios.suite import Scenario
from attractor.scenarios.wall.unit_tests import left_out_words


@dataclass(frozen=True)
class PlayedScenario:
    """The observation of a played scenario, and the results of its checks in order.

    If the steps ended early, a failed result of the kind `steps` is the last one. Checks for which
    the judge failed have no result.
    """

    scenario: Scenario
    observation: Observation
    checks: tuple[CheckResult, ...]

    @property
    def is_satisfied(self) -> bool:
        """Whether the checks are satisfied."""
        return is_satisfied(self.checks, min_soft_score=self.scenario.min_soft_score)

    def with_advice(self, advice: str) -> "PlayedScenario":
        """Return the scenario; if a step failed, its first failed check also gives the advice."""
        steps = self.observation.steps.values()
        failed = [number for number, check in enumerate(self.checks) if not check.passed]
        if not failed or not (
            self.observation.failure or any(step.trouble or step.exit_code for step in steps)
        ):
            return self
        checks, first = list(self.checks), failed[0]
        checks[first] = replace(checks[first], reason=f"{checks[first].reason}; {advice}")
        return replace(self, checks=tuple(checks))

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of steps and checks."""
        return {
            "scenario": self.scenario.id,
            "split": self.scenario.split,
            "satisfied": self.is_satisfied,
            "failure": self.observation.failure,
            "left_out": len(self.scenario.wall_without),
            "steps": [
                {
                    "name": step.name,
                    "exit_code": step.exit_code,
                    "http_status": step.http_status,
                    "stdout": step.stdout,
                    "stderr": step.stderr,
                    "body": step.body,
                    "trouble": step.trouble,
                }
                for step in self.observation.steps.values()
            ],
            "checks": [
                {"kind": check.kind, "passed": check.passed, "reason": check.reason}
                for check in self.checks
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the steps with their output, and the checks."""
        verdict = "satisfied" if self.is_satisfied else "NOT satisfied"
        yield f"{self.scenario.id} ({self.scenario.split}): {verdict}"
        if left := len(self.scenario.wall_without):
            yield f"  {left_out_words(left)}"
        for step in self.observation.steps.values():
            results = {"exit status": step.exit_code, "HTTP status": step.http_status}
            shown = [f"{name} {value}" for name, value in results.items() if value is not None]
            yield f"  step {step.name}: {step.trouble or ', '.join(shown) or 'ready'}"
            for name, text in (("", step.stdout), ("stderr ", step.stderr), ("", step.body)):
                yield from (f"    {name}| {line}" for line in text.splitlines())
        for check in self.checks:
            yield f"  {'ok  ' if check.passed else 'FAIL'} {check}"
