import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings, strategies as st
from syrupy.assertion import SnapshotAssertion

from attractor.base.errors import ChainBroken, VerificationError
from attractor.config.tables import read_section
from attractor.engine.outcome import Culprit, Usage
from attractor.environments.environment import Promises
from attractor.factory.evaluation.failed_scenarios import (
    count_failures,
    failed_scenarios,
    verdict_record,
)
from attractor.factory.evaluation.feedback import feedback_on
from attractor.factory.evaluation.gate import gate, unverifiable
from attractor.factory.gate_records import (
    NEVER_VALID,
    EvaluationRecord,
    GateInput,
    GateReport,
    GivenAnswer,
    RuleResult,
    Waiver,
    WindowFigures,
)
from attractor.factory.resources.profiles import Profile, make_profile
from attractor.factory.resources.suite_figures import SuiteFigures
from attractor.scenarios.evaluation import CRASHED, StepOutput, TrialKey, TrialResult, cut_trial
from attractor.scenarios.suite import (
    CheckSpec,
    CommandStep,
    GateSettings,
    Scenario,
    Suite,
    SuiteSettings,
)
from tests.counts import count
from tests.tables import table

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
TREE, SEAL = "t" * 40, "s" * 64
PROVED = Promises(
    hides_operator=True, own_network=True, own_processes=True, writes_only_workspace=True
)
PROFILE = make_profile("strict")
LENIENT = make_profile("demo", ("isolation_unverified",))


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
        settings=SuiteSettings(name="s", pipeline=("p",), gate=gate_settings), scenarios=scenarios
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


def test_go_when_all_rules_pass() -> None:
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


def test_unplayed_scenarios_differ_from_failed_ones() -> None:
    held = suite(scenario("a"), scenario("b"), max_attempts_per_version=20)
    refused = judge(held, ())
    canceled = EvaluationRecord(TREE, SEAL, PROVED, results(a=[True]), is_finished=False)
    of_two, version = "of 2 held-out scenarios", "a new version of the suite"
    for judged, words, remedy, culprit in (
        (refused, f"2 {of_two} were not played", "start a new run that changes", "machinery"),
        (replace(refused, attempts=21), f"2 {of_two} were not", f"register {version}", "machinery"),
        (
            replace(refused, by_other_runs=(canceled,)),
            f"1 {of_two} were not played",
            "an earlier evaluation of this tree was canceled",
            "machinery",
        ),
        (
            judge(held, results(a=[False])),
            f"1 {of_two} failed, 1 {of_two} were not played",
            "fix the candidate",
            "candidate",
        ),
    ):
        [unresolved] = [one for one in gate(judged).reasons if one.rule == "unresolved_failure"]
        assert unresolved.words.startswith(words)
        assert unresolved.remedy.startswith(remedy)
        assert unresolved.culprit == culprit


def test_remedy_names_the_suite_where_the_suite_is_at_fault() -> None:
    held = suite(scenario("a"), scenario("b"))
    [one, other] = results(a=[False], b=[False])
    lines = ("sh: 1: ./todo: not found",)
    no_program = replace(one, stderr=(StepOutput("go", 127, lines),), culprit=Culprit.CANDIDATE)
    faulty = replace(one, culprit=Culprit.SUITE, error="go: a NUL byte in the command")
    passed = replace(other, satisfied=True)
    for first, second, remedy, of_scenario in (
        (faulty, passed, "fix the scenarios of the suite", "fix the scenario in the suite s"),
        (no_program, passed, "no failed trial found its program", "command not found: ./todo: if"),
        (no_program, other, "fix the candidate", "command not found: ./todo: if"),
    ):
        judged = judge(held, (first, second))
        for rule in gate(judged).reasons:
            assert rule.remedy.startswith(remedy), rule
        [failed, *_] = failed_scenarios(judged)
        assert failed.remedy.startswith(of_scenario)
        assert failed.stderr == tuple(f"go: {line}" for line in lines if first is no_program)


def test_run_that_ended_without_a_decision_gets_no_go() -> None:
    canceled = replace(GREEN, ended="canceled")
    [reason] = gate(canceled).reasons
    assert (reason.rule, reason.words) == (
        "no_verdict",
        "the run is canceled and cannot be approved",
    )
    [failed] = gate(replace(GREEN, evaluations=(), ended="failed")).reasons
    assert (failed.words, failed.remedy) == ("the run was not evaluated", "start a new run")


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


def test_second_evaluation_is_pooled_with_the_first() -> None:
    held = suite(scenario("a"))
    report = gate(judge(held, results(a=[False]), results(a=[True])))
    assert rules(report) == ["unresolved_failure", "satisfaction"]
    assert (report.played, report.satisfied) == (2, 1)


def test_unverified_isolation_is_no_go_unless_the_profile_allows_it() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    for lacking in ("hides_operator", "own_network", "own_processes"):
        promises = replace(PROVED, **{lacking: False})
        unproved = replace(judged, evaluations=(replace(judged.evaluations[0], promises=promises),))
        assert rules(gate(unproved)) == ["isolation_unverified"]
        assert rules(gate(replace(unproved, profile=LENIENT))) == []


def test_an_evaluation_of_another_tree_or_suite_is_a_mismatch() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    good = judged.evaluations[0]
    for other in (replace(good, tree="o" * 40), replace(good, suite_seal="o" * 64)):
        assert "hash_mismatch" in rules(gate(replace(judged, evaluations=(good, other))))
    moved = gate(replace(judged, evaluations=(replace(good, tree="o" * 40),)))
    assert moved.played == 0
    assert not moved.go


def test_change_of_a_protected_path_is_a_no_go_with_its_paths() -> None:
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


@table(
    "proof, is_proved",
    [
        *[(proof, True) for proof in ("terminal", "token ann", "browser session")],
        *[(proof, False) for proof in ("answers file", "--auto-approve", "mcp token 1", "")],
        *[(proof, False) for proof in ("unverified", "not recorded")],
    ],
)
def test_profile_demands_a_proof_of_who_answered(proof: str, is_proved: bool) -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    judged = replace(judged, answers=(GivenAnswer("ask@1.1", "ann", proof),))
    assert rules(gate(judged)) == []
    policy = {**judged.profile.policy.to_record(), "answers": "verified"}
    strict = replace(judged, profile=read_section(Profile, {"name": "x", "policy": policy}))
    assert rules(gate(strict)) == ([] if is_proved else ["unverified_answer"])
    assert rules(gate(replace(strict, answers=()))) == []


def test_changes_of_a_parent_run_do_not_count() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    other = replace(judged.evaluations[0], protected_paths=("agents/x",))
    assert rules(gate(replace(judged, by_other_runs=(other,)))) == []


def test_report_contains_no_word_of_a_holdout() -> None:
    held = suite(scenario("secret-name"))
    record = str(gate(judge(held, results(**{"secret-name": [False]}))).to_record())
    assert "secret-name" not in record
    assert "Nobody may read" not in record


LATER = datetime(2026, 1, 2, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def waiver(name: str, expires: datetime = LATER) -> Waiver:
    return Waiver(name, expires)


GREEN = judge(suite(scenario("a"), scenario("b")), results(a=[True], b=[True]))
RED = results(a=[True], b=[False])


def with_limits(judged: GateInput, **limits: object) -> GateInput:
    assert judged.suite
    return replace(judged, suite=suite(*judged.suite.scenarios, **limits))


def with_results(judged: GateInput, *evaluations: tuple[TrialResult, ...]) -> GateInput:
    return replace(judged, evaluations=judge(None, *evaluations).evaluations)


def with_profile(judged: GateInput, **settings: object) -> GateInput:
    profile = read_section(Profile, {"name": "demo", **settings})
    return replace(judged, profile=profile)


def earlier(tree: str, results: tuple[TrialResult, ...]) -> tuple[EvaluationRecord, ...]:
    return (EvaluationRecord(tree, SEAL, PROVED, results),)


TROUBLED = tuple(
    one if one.satisfied else replace(one, error="disk full", culprit=Culprit.MACHINERY)
    for one in RED
)
HALF = judge(suite(scenario("a", min_pass_rate=0.5)), results(a=[True, False]))

WANTS_TWO = {"min_wrong_noticed": 2}
FIGURES = SuiteFigures("p", SEAL, "0", "c", 1, 1, 0, 0, 0, 0)

FAILURES: dict[str, tuple[GateInput, str, str]] = {
    "must": (with_results(with_limits(GREEN, must=("b*",)), RED), "1 of 1", "0"),
    "satisfaction": (with_results(with_limits(GREEN), RED), "0.500", "at least 1.000"),
    "lower_bound": (with_limits(GREEN, min_lower_bound=0.5), "0.224", "at least 0.500"),
    "breadth": (with_limits(GREEN, min_scenarios=3), "2", "at least 3"),
    "regression": (
        replace(
            with_limits(HALF, max_regression=0.1, min_satisfaction=0.5),
            earlier=earlier("o" * 40, results(a=[True] * 3)),
        ),
        "0.500",
        "at least 0.900",
    ),
    "infra_errors": (with_results(GREEN, TROUBLED), "1", "0"),
    "instability": (with_limits(GREEN, stability=2), "1 in a row", "at least 2"),
    "holdout_leak": (replace(GREEN, incidents=("a stage's output",)), "1", "0"),
    "suite_burned": (replace(GREEN, attempts=21), "21 trees", "at most 20"),
    "weak_suite": (with_profile(GREEN, policy=WANTS_TWO), "not measured", "at least 2"),
    "dirty_base": (replace(GREEN, base_is_dirty=True), "uncommitted changes", "a commit"),
    "credential_exposed": (with_profile(GREEN, sandbox={"expose": ("~/.codex",)}), "1", "0"),
    "budget": (
        replace(with_limits(GREEN, max_cost_usd=1.5), usage=Usage(cost_usd=2.0)),
        "2.00 USD",
        "at most 1.50 USD",
    ),
    "process": (
        with_profile(GREEN, window={"runs": 10, "min_approved": 0.9, "max_retries": 2}),
        "4 of 7 limits",
        "7 of 7",
    ),
}


@table("rule", FAILURES)
def test_failed_rule_gives_figure_threshold_and_remedy(rule: str) -> None:
    judged, figure, threshold = FAILURES[rule]
    [failed] = [one for one in gate(judged).reasons if one.rule == rule]
    assert (failed.figure, failed.threshold) == (figure, threshold)
    assert failed.words
    assert failed.remedy
    assert failed.to_record()["culprit"]


EXPOSED = with_profile(
    replace(GREEN, base_is_dirty=True),
    sandbox={"expose": ("~/.codex", "~/.netrc")},
    policy={"allow": ("dirty_base", "credential_exposed")},
)
UNPROVED = replace(GREEN, evaluations=(replace(GREEN.evaluations[0], promises=Promises()),))
ALL_LIMITS = replace(
    with_limits(GREEN, must=("a",), min_lower_bound=0.1, max_regression=0.1, max_cost_usd=2),
    earlier=earlier("o" * 40, RED),
    usage=Usage(cost_usd=1.25),
)
TWICE = (results(a=[True], b=[True]), results(a=[True], b=[True]))
REPORTS = {
    **{rule: judged for rule, (judged, _, _) in FAILURES.items()},
    "no suite": replace(GREEN, suite=None),
    "not evaluated": replace(GREEN, evaluations=()),
    "not evaluated, failed": replace(GREEN, evaluations=(), ended="failed"),
    "canceled": replace(GREEN, ended="canceled"),
    "another tree and suite": replace(
        GREEN, evaluations=(EvaluationRecord("o" * 40, "o" * 64, PROVED, ()),)
    ),
    "not isolated": UNPROVED,
    "not isolated, allowed": replace(UNPROVED, profile=LENIENT),
    "not searched": replace(GREEN, unsearched="its suite is unreadable"),
    "worn out, but for one tree": replace(GREEN, attempts=20),
    "cost at the limit": replace(with_limits(GREEN, max_cost_usd=2), usage=Usage(cost_usd=2.0)),
    "evaluated once": replace(GREEN, attempts=1),
    "burned": replace(GREEN, is_burned=True),
    "exposed, allowed": EXPOSED,
    "exposed": replace(
        EXPOSED, profile=with_profile(EXPOSED, sandbox=EXPOSED.profile.sandbox.to_record()).profile
    ),
    "protected": replace(
        GREEN, evaluations=(replace(GREEN.evaluations[0], protected_paths=tuple("ebcda")),)
    ),
    "waived": replace(with_results(GREEN, RED), now=NOW, waivers=(waiver("b"),)),
    "one failed, one not played": with_results(GREEN, results(a=[False])),
    "not played": with_results(GREEN, ()),
    "all limits": ALL_LIMITS,
    "no common scenario": replace(ALL_LIMITS, earlier=earlier("o" * 40, results(gone=[True]))),
    "fell as far as allowed": replace(
        with_limits(HALF, max_regression=0.5, min_satisfaction=0.5),
        earlier=earlier("o" * 40, results(a=[True])),
    ),
    "another confidence": with_limits(GREEN, confidence=0.6, min_lower_bound=0.5),
    "bound without trials": with_results(with_limits(GREEN, min_lower_bound=0.1), ()),
    "culprit of the failed scenarios alone": judge(
        suite(scenario("a", min_pass_rate=0.5), scenario("b"), min_satisfaction=0.3),
        (*results(a=[True, False]), TROUBLED[1]),
    ),
    "stable": with_results(with_limits(GREEN, stability=2), *TWICE),
    "one wrong solution noticed": replace(with_profile(GREEN, policy=WANTS_TWO), measured=FIGURES),
    "large window": replace(with_profile(GREEN, window={"runs": 1}), window=WindowFigures(runs=1)),
}


def as_read(result: RuleResult) -> str:
    verdict = "failed" if result.failed else "passed" if result.applies else "idle"
    compared = f"{result.figure} / {result.threshold}"
    cause = f"{result.domain}, {result.culprit}"
    return f"  {result.rule} {verdict}: {compared}; {result.words}; {result.remedy}; {cause}"


def test_text_of_every_rule(snapshot: SnapshotAssertion) -> None:
    green = gate(GREEN).rules
    reports = {name: gate(judged) for name, judged in REPORTS.items()}
    reports["unverifiable"] = unverifiable(ChainBroken("line 3 was changed"))
    lines = ["green", *map(as_read, green)]
    for name, report in reports.items():
        bound, flaky = f"bound {report.bound:.3f}", f"{report.flaky} flaky"
        lines.append(f"{name}: {report.satisfied} of {report.played}, {bound}, {flaky}")
        lines += [as_read(one) for one in report.rules if one not in green]
    assert "\n".join(lines) == snapshot


def test_weak_suite_fails_by_itself_and_feedback_leaves_it_out() -> None:
    weak = replace(with_profile(GREEN, policy=WANTS_TWO), measured=FIGURES)
    assert rules(gate(weak)) == ["weak_suite"]
    assert feedback_on("run", weak).rules == ()
    assert "weak" not in str(feedback_on("run", weak).to_context())
    strong = replace(weak, measured=replace(FIGURES, wrong=2, noticed=2))
    assert rules(gate(strong)) == []
    assert gate(strong).measured_words.startswith("2 of 2 wrong solutions noticed, 0 of 0")


def test_profile_permits_rules_by_name() -> None:
    dirty = replace(GREEN, base_is_dirty=True)
    exposing = with_profile(dirty, sandbox={"expose": ("~/.codex",)})
    assert rules(gate(exposing)) == ["credential_exposed", "dirty_base"]
    allowed = {"allow": ("dirty_base", "credential_exposed")}
    assert rules(gate(with_profile(dirty, sandbox={"expose": ("x",)}, policy=allowed))) == []


def test_the_lower_of_two_cost_limits_counts() -> None:
    limited = replace(with_limits(GREEN, max_cost_usd=9), usage=Usage(cost_usd=2.0))
    assert rules(gate(limited)) == []
    assert rules(gate(with_profile(limited, policy={"max_cost_usd": 1}))) == ["budget"]


def test_a_missed_limit_never_looks_reached() -> None:
    costly = replace(with_limits(GREEN, max_cost_usd=0.05), usage=Usage(cost_usd=0.0534))
    close = with_limits(GREEN, min_lower_bound=0.22365)
    words = [one.words for report in map(gate, (costly, close)) for one in report.reasons]
    assert words == [
        "the run cost 0.053 USD, more than 0.050 USD",
        "0.22361 is below 0.22365, the minimum of the suite",
    ]


WINDOW = {
    "runs": 10,
    "pipelines": 2,
    "min_approved": 0.9,
    "min_first_try": 0.7,
    "max_retries": 2,
    "max_rolled_back": 0.05,
    "max_false_go": 0.1,
}
GOOD = WindowFigures(
    runs=10, pipelines=2, approved=9, first_try=7, retries=20, promoted=9, rolled_back=0
)


@table(
    ("changed", "words"),
    [
        ({}, ""),
        ({"runs": 9, "retries": 9}, "decided runs 9 (>= 10)"),
        ({"pipelines": 1}, "pipelines 1 (>= 2)"),
        ({"approved": 8}, "approved 0.8 (>= 0.9)"),
        ({"first_try": 6}, "approved at first try 0.6 (>= 0.7)"),
        ({"retries": 21}, "retries a run 2.1 (<= 2)"),
        ({"rolled_back": 1}, "rolled back 0.111 (<= 0.05)"),
        ({"false_go": 1}, "of the approvals marked as wrong 0.111 (<= 0.1)"),
        ({"incidents": 1}, "approved runs whose suite was burned later 1 (<= 0)"),
    ],
)
def test_process_compares_the_window_of_the_profile(changed: dict[str, int], words: str) -> None:
    judged = replace(with_profile(GREEN, window=WINDOW), window=replace(GOOD, **changed))
    found = [one.words for one in gate(judged).reasons if one.rule == "process"]
    assert [words] == [one.removeprefix("over the last 10 decided runs: ") for one in found or [""]]
    [result] = [one for one in gate(judged).rules if one.rule == "process"]
    assert bool(result.words) is not result.passed


def test_failures_are_told_apart_by_proved_baselines() -> None:
    kinds = {"was": "pass", "aim": "fail", "either": "any", "cut": "pass", "good": "pass"}
    held = suite(*(scenario(name, baseline=kind) for name, kind in kinds.items()))
    failed = results(was=[False], aim=[False, True], either=[False], good=[True])
    judged = judge(held, (*failed, cut_trial(TrialKey("cut", 1), CRASHED, 1)))
    proved = replace(judged, has_baselines=True)
    counts = {"broken": 1, "still failing": 1, "without a result": 1, "of no known kind": 1}
    assert count_failures(proved) == counts
    assert count_failures(judged) == {"without a result": 1, "of no known kind": 3}
    assert verdict_record(proved, to_operator=False)["failures"] == counts
    named = {one.scenario: one.failure.value for one in failed_scenarios(proved)}
    assert named == {
        **dict(
            zip(
                ("was", "aim", "either", "cut"),
                ("broken", "still failing", "of no known kind", "without a result"),
                strict=True,
            )
        )
    }
    # One holdout only was to fail: the count would tell which one does.
    assert feedback_on("run", proved).failures == {}
    more = replace(proved, suite=suite(*held.scenarios, scenario("more", baseline="fail")))
    told = feedback_on("run", more)
    assert told.failures == {**counts, "without a result": 2}
    assert "1 broken, 1 still failing, " in f"{told.to_context()['feedback.failures']}"


def test_every_rule_is_reported_once_in_the_documented_order() -> None:
    page, *_ = (REFERENCE / "gate.md").read_text("utf-8").split("\n## ")
    documented = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    inputs = (GREEN, replace(GREEN, suite=None), replace(GREEN, evaluations=()))
    for report in (*map(gate, inputs), unverifiable(ChainBroken("line 3 was changed"))):
        assert [one.rule for one in report.rules] == documented
    assert rules(gate(replace(GREEN, suite=None))) == ["no_suite"]
    assert rules(gate(replace(GREEN, is_burned=True))) == ["suite_burned"]


def test_unverifiable_records_are_no_go() -> None:
    broken = unverifiable(ChainBroken("line 3 was changed", hint="restore it"))
    assert [one.rule for one in broken.reasons] == ["chain_broken"]
    [other] = unverifiable(VerificationError("the suite was changed", hint="x")).reasons
    assert (other.rule, other.words) == ("hash_mismatch", "the suite was changed")


def test_waiver_excludes_a_failed_scenario_until_it_expires() -> None:
    red = replace(with_results(GREEN, RED), now=NOW)
    assert rules(gate(red)) == ["unresolved_failure", "satisfaction"]
    assert rules(gate(replace(red, waivers=(waiver("b"),)))) == []
    assert not gate(replace(red, waivers=(waiver("b", NOW),))).go
    without_time = replace(red, waivers=(waiver("b"),), now=NEVER_VALID)
    assert not gate(without_time).go


def test_waiver_is_counted_and_does_not_affect_must_and_breadth() -> None:
    red = replace(with_results(GREEN, RED), now=NOW, waivers=(waiver("b"),))
    [unresolved] = [one for one in gate(red).rules if one.rule == "unresolved_failure"]
    assert unresolved.figure == "0 of 1 (1 waived)"
    assert gate(red).played == 2
    must = rules(gate(with_limits(red, must=("b",))))
    assert must == ["unresolved_failure", "must", "satisfaction"]
    assert rules(gate(with_limits(red, min_scenarios=2))) == ["breadth"]


def test_regression_compares_scenarios_that_both_runs_played() -> None:
    judged = with_limits(GREEN, max_regression=0)
    better = earlier("o" * 40, results(a=[True], gone=[False]))
    assert rules(gate(replace(judged, earlier=better))) == []
    red = with_results(with_limits(judged, max_regression=0, min_satisfaction=0), RED)
    same_files = earlier(TREE, results(b=[True]))
    for before, failed in ((same_files, False), (earlier("o" * 40, results(b=[True])), True)):
        assert ("regression" in rules(gate(replace(red, earlier=before)))) == failed


def test_stability_counts_clean_evaluations_at_the_end() -> None:
    good = results(a=[True], b=[True])
    wanted = with_limits(GREEN, stability=2)
    assert rules(gate(with_results(wanted, good, good))) == []
    elsewhere = replace(with_results(wanted, good), by_other_runs=wanted.evaluations)
    assert rules(gate(elsewhere)) == []
    assert "instability" in rules(gate(with_results(wanted, good, RED)))


def test_machinery_error_is_not_a_failure_of_the_candidate() -> None:
    culprits = {
        one.culprit
        for one in gate(with_results(GREEN, TROUBLED)).reasons
        if one.rule in ("unresolved_failure", "infra_errors")
    }
    assert culprits == {Culprit.MACHINERY}


def test_trial_without_a_result_is_in_no_figure_and_cannot_be_waived() -> None:
    cut = cut_trial(TrialKey("a", 2), CRASHED, 0)
    given = with_results(GREEN, (*results(a=[True], b=[True]), cut))
    given = replace(given, evaluations=(replace(given.evaluations[0], run_id="01J"),))
    report = gate(replace(given, waivers=(waiver("a"),), now=NOW))
    assert (report.played, report.satisfied, report.go) == (2, 2, False)
    [reason] = report.reasons
    assert (reason.rule, reason.figure) == ("infra_errors", "1")
    assert reason.words == (
        "1 trial has no result: 1 x The evaluation crashed during this trial (machinery); "
        'attractor evaluate 01J --replay-cut --reason "..."'
    )
    elsewhere = with_results(GREEN, results(a=[True], b=[True]))
    pooled = replace(elsewhere, by_other_runs=given.evaluations)
    assert rules(gate(pooled)) == ["infra_errors"]


NAMES = ("a", "b")
MOSTLY = st.sampled_from([True, True, True, False])
TRIALS = st.lists(st.tuples(st.sampled_from(NAMES), MOSTLY), max_size=6)


def trial(number: int, name: str, satisfied: bool, error: str = "") -> TrialResult:
    return TrialResult(TrialKey(name, number), satisfied, (), 1, error=error)


@st.composite
def evaluations(draw: st.DrawFn) -> EvaluationRecord:
    promises = PROVED if draw(MOSTLY) else Promises()
    trials = tuple(trial(number, *one) for number, one in enumerate(draw(TRIALS), 1))
    return EvaluationRecord(TREE if draw(MOSTLY) else "o" * 40, SEAL, promises, trials)


def usually(usual: object, *others: object) -> st.SearchStrategy[object]:
    """Draw the first value often, so that most inputs pass and a single failure decides."""
    return st.sampled_from([usual] * 4 + list(others))


LIMITS = st.fixed_dictionaries(
    {
        "min_satisfaction": st.sampled_from([0, 0.5, 0.8, 1]),
        "min_lower_bound": usually(0, 0.2),
        "min_scenarios": usually(1, 2),
        "must": usually((), ("a",), ("*",)),
        "max_regression": usually(None, 0, 0.5),
        "stability": usually(1, 2),
    }
)


@st.composite
def inputs(draw: st.DrawFn) -> GateInput:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    held = [
        scenario(one, weight=draw(st.integers(1, 2)), min_pass_rate=draw(usually(0.5, 1)))
        for one in names
    ]
    records = st.lists(evaluations(), max_size=1).map(tuple)
    return GateInput(
        tree=TREE,
        suite=suite(*held, **draw(LIMITS)),
        suite_seal=SEAL,
        evaluations=tuple(draw(st.lists(evaluations(), min_size=1, max_size=2))),
        profile=draw(st.sampled_from([PROFILE, LENIENT])),
        by_other_runs=draw(records),
        waivers=tuple(map(waiver, draw(st.sets(st.sampled_from(NAMES), max_size=2)))),
        now=NOW,
        earlier=draw(records),
    )


def with_one_more_failure(
    records: tuple[EvaluationRecord, ...],
) -> Iterator[tuple[EvaluationRecord, ...]]:
    """Yield the records with one more failure: a passed trial turned, or a failed trial added."""
    for at, record in enumerate(records):
        found = record.results
        turned = [
            (*found[:one], replace(found[one], satisfied=False), *found[one + 1 :])
            for one in range(len(found))
        ]
        added = [
            (*found, trial(99, name, satisfied=False, error=error))
            for name in NAMES
            for error in ("", "disk full")
        ]
        for results in (*turned, *added):
            yield (*records[:at], replace(record, results=results), *records[at + 1 :])


@given(inputs())
@settings(max_examples=count(ci=60, full=1000))
def test_no_failure_turns_no_go_into_go(judged: GateInput) -> None:
    if gate(judged).go:
        return
    for own in with_one_more_failure(judged.evaluations):
        assert not gate(replace(judged, evaluations=own)).go
    for others in with_one_more_failure(judged.by_other_runs):
        assert not gate(replace(judged, by_other_runs=others)).go
