"""Static checks of a valid suite: whether it can judge, and whether it gives holdouts away."""

from collections import Counter
from collections.abc import Iterator, Sequence

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.scenarios.satisfaction import failures_allowed, trials_needed
from attractor.scenarios.suite import InvalidSuite, Suite

RUBRIC = "rubric"
MOST_TRIALS_TOGETHER = 10_000
"""The maximum number of held-out trials of an evaluation."""

_TENTHS = 3
"""The minimum share of holdouts, in tenths of all scenarios."""


@dataclass(frozen=True)
class SuiteFault:
    """A reason to refuse a suite: a rule, the fault and its remedy."""

    rule: str
    words: str
    remedy: str
    scenario: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.words} ({self.remedy})"

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the fault."""
        return {
            "rule": self.rule,
            "scenario": self.scenario,
            "message": self.words,
            "fix": self.remedy,
        }


class SuiteRefused(InvalidSuite):
    """This suite cannot judge."""

    def __init__(self, faults: Sequence[SuiteFault]) -> None:
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(f"the suite cannot judge:{lines}")
        # Each fault has its remedy.
        self.hint = ""
        self.faults = tuple(faults)
        self.details = {"faults": [fault.to_record() for fault in faults]}


def lint_suite(suite: Suite) -> list[SuiteFault]:
    """Return the faults of a suite."""
    return [
        *threshold_faults(suite),
        *_rubric_only(suite),
        *_few_holdouts(suite),
        *_stories(suite),
        *_lone_tags(suite),
    ]


def threshold_faults(suite: Suite) -> Iterator[SuiteFault]:
    """Yield the thresholds that the trials and evaluations of the suite cannot meet."""
    gate, holdouts = suite.settings.gate, suite.of_split("holdout")
    trials = suite.settings.trials.n * len(holdouts)
    if trials > MOST_TRIALS_TOGETHER:
        words = f"{trials} trials exceed the limit of {MOST_TRIALS_TOGETHER}"
        yield SuiteFault("thresholds", words, "lower trials.n, or split the suite")
    elif failures_allowed(suite) < 0:
        needed = trials_needed(gate.min_lower_bound, confidence=gate.confidence)
        yield SuiteFault(
            "thresholds",
            f"{number_of(trials, 'trial')} cannot reach the lower bound {gate.min_lower_bound}",
            f"raise trials.n to at least {needed} trials in total, or lower min_lower_bound",
        )
    if gate.min_scenarios > len(holdouts):
        played = number_of(len(holdouts), "holdout")
        words = f"{played} cannot reach min_scenarios = {gate.min_scenarios}"
        yield SuiteFault("thresholds", words, "write more holdouts, or lower min_scenarios")
    if gate.stability > gate.max_evaluations:
        most = number_of(gate.max_evaluations, "evaluation")
        words = f"{most} cannot reach stability = {gate.stability}"
        yield SuiteFault("thresholds", words, "raise max_evaluations, or lower stability")


def _rubric_only(suite: Suite) -> Iterator[SuiteFault]:
    holdouts = suite.of_split("holdout")
    if all(check.kind == RUBRIC for holdout in holdouts for check in holdout.checks):
        words = "all holdouts are judged by rubrics only"
        yield SuiteFault("rubric_only", words, "add a check of another kind to a holdout")


def _few_holdouts(suite: Suite) -> Iterator[SuiteFault]:
    holdouts, total = len(suite.of_split("holdout")), len(suite.scenarios)
    if 10 * holdouts < _TENTHS * total:
        words = f"{holdouts} of {total} scenarios are holdouts, fewer than {_TENTHS} in 10"
        yield SuiteFault("few_holdouts", words, "write more holdouts")


def _stories(suite: Suite) -> Iterator[SuiteFault]:
    train = {" ".join(one.story.casefold().split()): one.id for one in suite.of_split("train")}
    for holdout in suite.of_split("holdout"):
        if other := train.get(" ".join(holdout.story.casefold().split())):
            yield SuiteFault(
                "story_in_both_splits",
                f"{holdout.id} in holdout/ has the same story as {other} in train/",
                "write another story for one of them",
                holdout.id,
            )


def _lone_tags(suite: Suite) -> Iterator[SuiteFault]:
    holdouts = suite.of_split("holdout")
    counts = Counter(tag for one in holdouts for tag in set(one.tags))
    for holdout in holdouts:
        for tag in holdout.tags:
            if counts[tag] == 1:
                yield SuiteFault(
                    "lone_tag",
                    f"only the holdout {holdout.id} has the tag {tag!r}; feedback names tags",
                    "give the tag to another holdout, or remove it",
                    holdout.id,
                )
