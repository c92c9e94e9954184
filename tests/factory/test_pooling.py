"""A run reuses the results of another run on the same tree."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from attractor.base.errors import NoGo, VerificationError
from attractor.engine.run_folder.result import RunResult
from attractor.environments.environment import Promises
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.factory.decisions.run_end import record_end
from attractor.factory.errors import NotDecidable
from attractor.factory.evaluation.gate import gate
from attractor.factory.evaluation.suite_history import suite_history
from attractor.factory.gate_records import EvaluationRecord
from attractor.factory.history.records import EvaluationStart
from attractor.factory.history.trials import EvaluationId, TrialLog
from attractor.factory.ledger.ledger import LineKind
from attractor.pipeline.orders import Orders
from attractor.scenarios.evaluation import Progress, TrialKey, TrialResult
from tests.factory.evaluation.test_gate import (
    PROVED,
    SEAL,
    TREE,
    judge,
    results,
    rules,
    scenario,
    suite,
)
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE

LUCKY = """
id = "lucky"
title = "It depends on luck"
story = "Ann is lucky."

[[steps]]
name = "look"
run = "test -e {luck}"

[[checks]]
kind = "exit"
step = "look"
"""

FIRST = TrialKey("lucky", 1)


def make_gamble(tmp_path: Path) -> tuple[Flow, Path]:
    luck = tmp_path / "luck"
    return make_flow(tmp_path, lucky=LUCKY.format(luck=luck)), luck


def test_another_run_on_the_same_tree_keeps_a_red_trial(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    red = flow.launch()
    luck.touch()
    green = flow.launch()
    assert green.tree == red.tree
    report = flow.report(green)
    assert (report.played, report.satisfied, report.flaky) == (2, 1, 1)
    with pytest.raises(NoGo, match="unresolved_failure"):
        flow.decide(green, DecisionKind.APPROVED)


def test_a_tree_is_evaluated_twice_at_most_over_all_runs(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    for played in (1, 2, 2):
        result = flow.launch()
        report = flow.report(result)
        assert (report.go, report.played, report.satisfied) == (True, played, played)
    events = (result.directory / "events.jsonl").read_text()
    assert "TrialStarted" not in events
    assert flow.decide(result, DecisionKind.APPROVED)
    again = flow.launch()
    with (
        lock_run(again.directory, flow.opened) as run,
        pytest.raises(NotDecidable, match="its tree was already evaluated 2 times"),
    ):
        flow.evaluator.request_again(run, "ann")


def test_history_of_a_suite_joins_all_evaluations_of_a_run(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    result = flow.launch()
    luck.touch()
    with lock_run(result.directory, flow.opened) as run:
        flow.evaluator.request_again(run, "ann")
    flow.resume(result)
    version = flow.opened.suites.versions.find("todo")
    [lucky] = suite_history(version, flow.evaluator, to_operator=True)
    assert (lucky.played, lucky.satisfied, lucky.flaky_runs) == (2, 1, 1)


def test_another_tree_or_another_version_of_the_suite_begins_anew(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    flow.launch()
    luck.touch()
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(pipeline.read_text().replace("echo made", "echo other"))
    git(flow.project, "commit", "--quiet", "--all", "--message", "Otherwise")
    assert flow.rules(flow.launch()) == []


def die_after_a_trial(flow: Flow, *, satisfied: bool = False, is_ended: bool = True) -> RunResult:
    """Leave a run as if its process had died after its first trial ended (or began)."""
    result = flow.launch(evaluate=False)
    with lock_run(result.directory, flow.opened) as run:
        evaluation_id = EvaluationId(result.run_id, 1, run.progress.tree)
        seal = run.manifest.suite.rpartition("#")[2]
        begun = EvaluationStart(evaluation_id, seal, PROVED).to_record()
        flow.evaluator.ledger.append(
            LineKind.EVALUATION_BEGUN, result.run_id, begun, now=run.clock.now()
        )
        log = TrialLog(run, evaluation_id, flow.evaluator.results)
        log.started(FIRST)
        if is_ended:
            log.completed(TrialResult(FIRST, satisfied, (), 1), Progress(1, 1, 0))
    return result


@pytest.mark.parametrize("is_ended", [True, False])
def test_canceled_evaluation_counts_if_a_trial_began(tmp_path: Path, is_ended: bool) -> None:
    flow, _ = make_gamble(tmp_path)
    canceled, opened = die_after_a_trial(flow, is_ended=is_ended), flow.opened
    end = partial(record_end, flow.opened)
    orders = Orders(
        canceled.directory,
        "ann",
        opened.project.machine.clock,
        opened.project.machine.randomness,
        opened.project.redactor,
        end,
    )
    orders.cancel("it takes too long")
    journals = [flow.launch().directory / "events.jsonl" for _ in range(2)]
    assert ["TrialStarted" in one.read_text() for one in journals] == [True, False]


def test_an_evaluation_that_was_given_up_still_counts_with_its_red_trials(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    given_up = die_after_a_trial(flow)
    luck.touch()
    report = flow.report(flow.launch())
    assert (report.played, report.satisfied, report.go) == (2, 1, False)
    assert flow.rules(given_up) == ["no_verdict"]


def test_continued_evaluation_keeps_its_results(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    result = die_after_a_trial(flow)
    luck.touch()
    flow.resume(result)
    report = flow.report(result)
    assert (report.played, report.satisfied) == (1, 0)
    kinds = [one.kind for one in flow.evaluator.ledger.entries(result.run_id)]
    assert kinds == [
        "created",
        LineKind.EVALUATION_BEGUN,
        LineKind.TRIAL_FAILED,
        LineKind.EVALUATED,
    ]


def test_trial_with_a_lost_line_is_not_repeated(tmp_path: Path) -> None:
    flow, luck = make_gamble(tmp_path)
    result = flow.launch(evaluate=False)
    with lock_run(result.directory, flow.opened) as run:
        evaluation_id = EvaluationId(result.run_id, 1, run.progress.tree)
        flow.evaluator.results.store(evaluation_id, TrialResult(FIRST, False, (), 1))
    luck.touch()
    flow.resume(result)
    assert flow.report(result).satisfied == 0
    events = (result.directory / "events.jsonl").read_text()
    assert (events.count("TrialStarted"), events.count("TrialCompleted")) == (0, 1)


def test_missing_result_is_detected(tmp_path: Path) -> None:
    flow, _ = make_gamble(tmp_path)
    result = die_after_a_trial(flow, satisfied=True)
    [file] = (flow.machine.state_dir / "results" / result.run_id).rglob("*.json")
    file.unlink()
    with pytest.raises(VerificationError, match="missing or changed result"):
        flow.resume(result)


def lose_red_trial(flow: Flow, result: RunResult) -> None:
    """Remove a trial from results and journal, as a cheater does to get another try."""
    [file] = (flow.machine.state_dir / "results" / result.run_id).rglob("*.json")
    file.unlink()
    journal = result.directory / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if b'"TrialStarted"' in line)
    journal.write_bytes(b"".join(lines[:begin]))
    (result.directory / "checkpoint.json").unlink()


def test_resumed_evaluation_finds_the_loss_of_a_red_trial_with_its_journal_lines(
    tmp_path: Path,
) -> None:
    flow, luck = make_gamble(tmp_path)
    result = die_after_a_trial(flow)
    lose_red_trial(flow, result)
    luck.touch()
    with pytest.raises(VerificationError, match="missing result"):
        flow.resume(result)
    with pytest.raises(VerificationError, match="missing result"):
        flow.launch()


def test_red_trial_that_was_stored_before_a_crash_is_pinned_at_the_resume(tmp_path: Path) -> None:
    flow, _ = make_gamble(tmp_path)
    result = flow.launch(evaluate=False)
    with lock_run(result.directory, flow.opened) as run:
        evaluation_id = EvaluationId(result.run_id, 1, run.progress.tree)
        flow.evaluator.results.store(evaluation_id, TrialResult(FIRST, False, (), 1))
    flow.resume(result)
    assert len(flow.evaluator.results.failed(evaluation_id)) == 1


def test_suite_version_is_burned_after_a_number_of_trees(tmp_path: Path) -> None:
    suite = f"{SUITE}\n[gate]\nmax_attempts_per_version = 1\n"
    flow = make_flow(tmp_path, suite=suite)
    first = flow.launch()
    assert flow.rules(first) == []
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(pipeline.read_text().replace("echo made >", "echo new > new; echo made >"))
    git(flow.project, "commit", "--quiet", "--all", "--message", "Otherwise")
    second = flow.launch()
    assert "TrialStarted" not in (second.directory / "events.jsonl").read_text()
    assert "suite_burned" in flow.rules(second)
    with (
        lock_run(second.directory, flow.opened) as run,
        pytest.raises(NotDecidable, match="1 tree was evaluated"),
    ):
        flow.evaluator.request_again(run, "ann")
    # The evaluated tree may still be decided and evaluated again.
    assert flow.rules(first) == []


def test_trees_evaluated_later_do_not_wear_out_the_suite_of_a_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, suite=f"{SUITE}[gate]\nmax_attempts_per_version = 1\n")
    result = flow.launch()
    seal = flow.opened.pin_suite("todo").rpartition("#")[2]
    late = EvaluationStart(EvaluationId("other", 1, "o" * 40), seal, PROVED).to_record()
    flow.evaluator.ledger.append(
        LineKind.EVALUATION_BEGUN, "other", late, now=flow.machine.clock.now()
    )
    assert flow.rules(result) == []


def other(*satisfied: bool, promises: Promises = PROVED, tree: str = TREE) -> EvaluationRecord:
    return EvaluationRecord(tree, SEAL, promises, results(a=list(satisfied)))


def test_other_runs_trials_count_when_they_were_of_the_same_tree_and_suite() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    assert gate(replace(judged, by_other_runs=(other(True),))).played == 2
    assert rules(gate(replace(judged, by_other_runs=(other(False),)))) != []
    assert rules(gate(replace(judged, by_other_runs=(other(False, tree="o" * 40),)))) == []
    elsewhere = replace(other(False), suite_seal="o" * 64)
    assert rules(gate(replace(judged, by_other_runs=(elsewhere,)))) == []


def test_only_failed_trials_of_an_unguarded_run_count() -> None:
    judged = judge(suite(scenario("a")), results(a=[True]))
    unguarded = other(True, False, promises=Promises())
    report = gate(replace(judged, by_other_runs=(unguarded,)))
    assert (report.played, report.satisfied) == (2, 1)
    # The results of the other run prove nothing about the isolation of this run's agents.
    assert "isolation_unverified" not in rules(report)


def test_regression_is_measured_against_the_last_approved_run(tmp_path: Path) -> None:
    luck = tmp_path / "luck"
    limits = f"{SUITE}[gate]\nmax_regression = 0\n"
    flow = make_flow(tmp_path, suite=limits, lucky=LUCKY.format(luck=luck))
    luck.touch()
    approved = flow.launch()
    flow.decide(approved, DecisionKind.APPROVED)
    assert flow.rules(approved) == []
    luck.unlink()
    (flow.project / "readme.txt").write_text("changed\n")
    git(flow.project, "commit", "--quiet", "--all", "--message", "Change")
    report = flow.report(flow.launch())
    [regression] = [one for one in report.rules if one.rule == "regression"]
    assert (regression.failed, regression.figure) == (True, "0.000")
    assert regression.threshold == "at least 1.000"
