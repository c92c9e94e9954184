"""Feedback of the gate for the next run: rule ids, tags and counts, without texts of holdouts."""

from collections.abc import Mapping
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.factory.evaluation.failed_scenarios import (
    FEWEST,
    can_tell_failures,
    count_failures,
    in_words,
)
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import WEAK_SUITE, GateInput
from attractor.scenarios.coverage import told_to_agents
from attractor.scenarios.evaluation import count_trials

FEEDBACK_FILE = "feedback.json"


@dataclass(frozen=True)
class TagCount:
    """The failed holdouts with a tag, of all holdouts with this tag."""

    failed: int
    scenarios: int


@dataclass(frozen=True)
class Feedback:
    """The verdict on a run in rule ids, tags and counts."""

    run_id: str
    go: bool
    rules: tuple[str, ...]
    scenarios: int
    failed: int
    flaky: int
    tags: Mapping[str, TagCount]
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many holdouts failed of each kind; empty where that would tell which ones."""
    requirements: str = ""
    """How many sentences are proved, of those that several holdouts prove."""

    def to_context(self) -> dict[str, Json]:
        """Return the values for the context of the next run."""
        failed = [
            f"{name}: {one.failed} of {one.scenarios} failed"
            for name, one in self.tags.items()
            if one.failed
        ]
        return {
            "feedback.run": self.run_id,
            "feedback.gate": "go" if self.go else "no-go",
            "feedback.rules": ", ".join(self.rules),
            "feedback.tags": "; ".join(failed),
            **({"feedback.failures": in_words(self.failures)} if self.failures else {}),
            **({"feedback.requirements": self.requirements} if self.requirements else {}),
            "feedback.failed_scenarios": self.failed,
            "feedback.scenarios": self.scenarios,
        }


def feedback_on(run_id: str, judged: GateInput) -> Feedback:
    """Return the feedback on a run with a suite."""
    holdouts = judged.suite.of_split("holdout") if judged.suite else ()
    report = gate(judged)
    tallies = count_trials(holdouts, judged.counting_results())
    failed = {tally.scenario for tally in tallies if tally.played and not tally.passed}
    tags = sorted({tag for holdout in holdouts for tag in holdout.tags})
    tagged = {tag: [holdout.id for holdout in holdouts if tag in holdout.tags] for tag in tags}
    return Feedback(
        run_id=run_id,
        go=report.go,
        # No change of the candidate makes the suite stronger.
        rules=tuple(one.rule for one in report.reasons if one.rule != WEAK_SUITE),
        scenarios=len(holdouts),
        failed=len(failed),
        flaky=report.flaky,
        failures=count_failures(judged) if can_tell_failures(judged) else {},
        requirements=told_to_agents(
            judged.suite, {tally.scenario for tally in tallies if tally.passed}, FEWEST
        )
        if judged.suite
        else "",
        tags={tag: TagCount(len(failed & {*ids}), len(ids)) for tag, ids in tagged.items()},
    )
