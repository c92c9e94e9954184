from attractor.scenarios.suite import Suite
from attractor.scenarios.suite_lint import SuiteRefused, lint_suite
from tests.tables import table

STEP = {"name": "add", "run": "todo add milk"}
EXIT = {"kind": "exit", "step": "add"}
RUBRIC = {"kind": "rubric", "file": "taste.md"}
TWO = {"trials": {"n": 5}, "gate": {"min_lower_bound": 0.9}}


def scenario(id: str, split: str = "holdout", **more: object) -> dict[str, object]:
    plain = {"id": id, "title": id, "story": f"Ann {id}s.", "steps": [STEP], "checks": [EXIT]}
    return {**plain, "split": split, **more}


def suite(*scenarios: dict[str, object], **settings: object) -> Suite:
    named = {"name": "todo", "pipeline": "linear", **settings}
    return Suite.model_validate({"settings": named, "scenarios": scenarios})


GOOD = (scenario("show", "train"), scenario("add", tags=["list"]), scenario("drop", tags=["list"]))


def test_a_good_suite_has_no_faults() -> None:
    assert lint_suite(suite(*GOOD, gate={"must": ["a*"]})) == []


@table(
    ("found", "rule", "words", "remedy"),
    [
        (suite(*GOOD, **TWO), "thresholds", "10 trials cannot reach", "at least 29 trials"),
        (suite(*GOOD, gate={"min_scenarios": 3}), "thresholds", "min_scenarios", "more holdouts"),
        (suite(*GOOD, gate={"stability": 3}), "thresholds", "2 evaluations", "max_evaluations"),
        (suite(*GOOD, gate={"stability": 2}), "", "", ""),
        (suite(*GOOD, trials={"n": 1000}), "", "", ""),
        (
            suite(scenario("a", checks=[RUBRIC]), scenario("b", checks=[RUBRIC])),
            "rubric_only",
            "rubrics only",
            "another kind",
        ),
        (suite(scenario("a", checks=[RUBRIC]), scenario("b", checks=[RUBRIC, EXIT])), "", "", ""),
        (
            suite(scenario("a"), *(scenario(f"t{n}", "train") for n in range(3))),
            "few_holdouts",
            "1 of 4 scenarios are holdouts, fewer than 3 in 10",
            "more holdouts",
        ),
        (
            suite(scenario("a", story="Ann  ADDS.\n"), scenario("t", "train", story="Ann adds.")),
            "story_in_both_splits",
            "a in holdout/ has the same story as t in train/",
            "another story",
        ),
        (
            suite(scenario("a", tags=["dates"]), scenario("b"), scenario("t", "train")),
            "lone_tag",
            "only the holdout a has the tag 'dates'",
            "another holdout",
        ),
    ],
)
def test_a_fault_has_its_rule_and_remedy(found: Suite, rule: str, words: str, remedy: str) -> None:
    faults = lint_suite(found)
    assert {one.rule for one in faults} == ({rule} if rule else set())
    assert words in " ".join(one.words for one in faults)
    assert remedy in " ".join(one.remedy for one in faults)


def test_a_refusal_lists_every_fault() -> None:
    refused = SuiteRefused(lint_suite(suite(scenario("a", tags=["x"]), gate={"min_scenarios": 9})))
    assert "lone_tag: " in refused.message
    assert "thresholds: " in refused.message
    assert len(refused.faults) == 2
