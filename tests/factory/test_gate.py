from dataclasses import replace
from fractions import Fraction

from attractor.environments.environment import Promises
from attractor.factory.gate import EvaluationRecord, GateInput, GateReport, gate
from attractor.factory.resources.profiles import make_profile
from attractor.scenarios.evaluation import TrialKey, TrialResult
from attractor.scenarios.suite import (
    CheckSpec,
    CommandStep,
    GateSettings,
    Scenario,
    Suite,
    SuiteSettings,
)

TREE, SEAL = "t" * 40, "s" * 64
PROVED = Promises(
    hides_operator=True, own_network=True, own_processes=True, writes_only_workspace=True
)
PROFILE = make_profile("strict")


def scenario(name: str, **more: object) -> Scenario:
    step = CommandStep(name="go", run="true")
    return Scenario.model_validate(
        {
            "id": name,
            "title": name,
            "story": f"Nobody may read the story of {name}.",
            "steps": (step,),
            "checks": (CheckSpec(kind="exit"),),
            **more,
        }
    )


def suite(*scenarios: Scenario, **settings: object) -> Suite:
    gate_settings = GateSettings.model_validate(settings)
    return Suite(
        settings=SuiteSettings(name="s", pipeline="p", gate=gate_settings), scenarios=scenarios
    )


def results(**satisfied: list[bool]) -> tuple[TrialResult, ...]:
    return tuple(
        TrialResult(TrialKey(name, number), verdict, (), 1)
        for name, verdicts in satisfied.items()
        for number, verdict in enumerate(verdicts, 1)
    )


def judge(held: Suite | None, *evaluations: tuple[TrialResult, ...]) -> GateInput:
    return GateInput(
        tree=TREE,
        suite=held,
        suite_seal=SEAL,
        evaluations=tuple(EvaluationRecord(TREE, SEAL, PROVED, one) for one in evaluations),
        profile=PROFILE,
    )


def rules(report: GateReport) -> list[str]:
    assert report.go == (not report.reasons)
    return [one.rule for one in report.reasons]


def test_go_when_everything_holds() -> None:
    report = gate(judge(suite(scenario("a")), results(a=[True] * 5)))
    assert rules(report) == []
    assert (report.played, report.satisfied, report.satisfaction) == (5, 5, 1)
    assert round(report.bound, 3) == 0.549


def test_a_run_that_was_not_evaluated_has_no_verdict() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    unasked = replace(judged, evaluations=(), by_other_runs=judged.evaluations)
    assert rules(gate(unasked)) == ["no_verdict"]
    assert gate(unasked).played == 0


def test_a_failed_holdout_is_unresolved() -> None:
    held = suite(scenario("a"), scenario("b"), min_satisfaction=0.5)
    report = gate(judge(held, results(a=[True, True], b=[True, False])))
    assert rules(report) == ["unresolved_failure"]
    assert report.flaky == 1


def test_a_holdout_that_was_never_played_is_unresolved() -> None:
    held = suite(scenario("a"), scenario("b"))
    assert rules(gate(judge(held, results(a=[True])))) == ["unresolved_failure"]


def test_satisfaction_is_compared_exactly() -> None:
    ten = [True] * 9 + [False]
    held = suite(scenario("a", min_pass_rate=0.5), min_satisfaction=0.9)
    assert rules(gate(judge(held, results(a=ten)))) == []
    held = suite(scenario("a", min_pass_rate=0.5), min_satisfaction=0.91)
    assert rules(gate(judge(held, results(a=ten)))) == ["satisfaction"]
    assert gate(judge(held, results(a=ten))).satisfaction == Fraction(9, 10)


def test_the_lower_bound_wants_enough_trials() -> None:
    held = suite(scenario("a"), min_lower_bound=0.9)
    assert rules(gate(judge(held, results(a=[True] * 28)))) == ["lower_bound"]
    assert rules(gate(judge(held, results(a=[True] * 29)))) == []


def test_training_scenarios_do_not_count() -> None:
    held = suite(scenario("a"), scenario("t", split="train"))
    report = gate(judge(held, results(a=[True], t=[False] * 9)))
    assert rules(report) == []
    assert report.played == 1


def test_a_second_evaluation_pools_with_the_first_and_never_replaces_it() -> None:
    held = suite(scenario("a"))
    report = gate(judge(held, results(a=[False]), results(a=[True])))
    assert rules(report) == ["unresolved_failure", "satisfaction"]
    assert (report.played, report.satisfied) == (2, 1)


def test_isolation_that_was_not_proved_is_a_no_unless_the_profile_allows_it_by_name() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    for lacking in ("hides_operator", "own_network", "own_processes"):
        promises = replace(PROVED, **{lacking: False})
        unproved = replace(judged, evaluations=(replace(judged.evaluations[0], promises=promises),))
        assert rules(gate(unproved)) == ["isolation_unverified"]
        lenient = make_profile("demo", ("isolation_unverified",))
        assert rules(gate(replace(unproved, profile=lenient))) == []


def test_an_evaluation_of_another_tree_or_suite_is_a_mismatch() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    good = judged.evaluations[0]
    for other in (replace(good, tree="o" * 40), replace(good, suite_seal="o" * 64)):
        assert "hash_mismatch" in rules(gate(replace(judged, evaluations=(good, other))))
    moved = gate(replace(judged, evaluations=(replace(good, tree="o" * 40),)))
    assert moved.played == 0
    assert not moved.go


def test_a_candidate_that_changes_what_is_protected_is_a_no_with_its_paths() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    good = judged.evaluations[0]
    changed = replace(good, protected_paths=("attractor.toml", *(f"runs/{n}" for n in range(6))))
    report = gate(replace(judged, evaluations=(good, changed)))
    assert rules(report) == ["protected_path"]
    assert report.reasons[0].words == (
        "the candidate changes protected paths: "
        "attractor.toml, runs/0, runs/1, runs/2, runs/3 and others"
    )
    few = replace(good, protected_paths=(".ci/x",))
    [reason] = gate(replace(judged, evaluations=(few,))).reasons
    assert reason.words.endswith("paths: .ci/x")


def test_what_another_run_changed_to_come_to_the_tree_does_not_count() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    other = replace(judged.evaluations[0], protected_paths=("agents/x",))
    assert rules(gate(replace(judged, by_other_runs=(other,)))) == []


def test_the_report_gives_no_word_of_a_holdout_away() -> None:
    held = suite(scenario("secret-name"))
    record = str(gate(judge(held, results(**{"secret-name": [False]}))).to_record())
    assert "secret-name" not in record
    assert "Nobody may read" not in record
