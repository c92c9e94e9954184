"""A forked run is judged, approved, promoted and freed like any other run."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.outcome import Outcome, failure
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Stage
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.run_locations import RunLocations
from attractor.factory.errors import Retired
from attractor.factory.evaluation.gate import gate
from attractor.factory.operations.fork import fork_run
from attractor.factory.resources.versions import BURNED, Ending
from attractor.pipeline.garbage import Collector, Rules, Sweep
from attractor.pipeline.project.custom_parts import CustomParts, adapt_handlers
from attractor.records.request import Overrides
from attractor.records.summary import list_runs, summarize
from tests.engine.runs import read_events
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import LINEAR, adjusted, git
from tests.scenarios.suites import SUITE, write_suite


def forked(
    flow: Flow,
    result: RunResult,
    at: str,
    graph: Path | None = None,
    *,
    evaluate: bool | None = True,
) -> RunResult:
    overrides = Overrides(evaluate=evaluate)
    return asyncio.run(fork_run(result.directory, at, flow.opened, overrides, graph=graph))


def sweep(flow: Flow, confirm: Callable[[str], bool] | None = None) -> Sweep:
    rules = Rules(flow.machine.clock.now() + timedelta(hours=2), timedelta())
    places = RunLocations(flow.evaluator.ledger, flow.runs_dir)
    return asyncio.run(Collector(flow.opened.project, places, rules, confirm=confirm).collect())


def test_forked_run_is_judged_by_the_pins_of_its_parent(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first = flow.launch(evaluate=False)
    second = forked(flow, first, "make")
    assert second.status == AWAITING_DECISION
    assert flow.rules(second) == []
    flow.decide(second, DecisionKind.APPROVED)
    promotion = flow.promote(second)
    body = git(flow.project, "log", "-1", "--format=%b", "main")
    assert f"Attractor-Run: {second.run_id}" in body
    assert git(flow.project, "rev-parse", "main").strip() == promotion.commit
    assert git(flow.project, "show", "main:made.txt") == "made\n"


def test_skipped_evaluation_is_remembered_by_resumes_and_forks(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first = flow.launch(evaluate=False)
    for evaluate in (None, False):
        again = flow.resume(first, evaluate=evaluate)
        fork = forked(flow, first, "make", evaluate=evaluate)
        assert (again.status, fork.status) == (EVALUATING, EVALUATING)
        assert flow.resume(fork, evaluate=None).status == EVALUATING
    judged = forked(flow, first, "make")
    assert judged.status == AWAITING_DECISION
    assert forked(flow, judged, "make", evaluate=None).status == AWAITING_DECISION


def test_promoted_runs_are_freed_and_waiting_runs_are_kept(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    assert sweep(flow).kept == {result.run_id: "it was approved, but is not promoted yet"}
    flow.promote(result)
    freed = {one.what for one in sweep(flow).freed}
    assert freed == {"workspace", "store", "base ref", "agents", "branch"}
    assert git(flow.project, "show", "main:made.txt") == "made\n"
    assert not git(flow.project, "branch", "--list", "attractor/run/*")


def test_approved_second_go_after_a_roll_back_is_kept_and_promoted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first = flow.launch()
    flow.decide(first, DecisionKind.APPROVED)
    flow.promote(first)
    flow.roll_back(first)
    second = flow.launch()
    flow.decide(second, DecisionKind.APPROVED)
    swept = sweep(flow)
    assert swept.kept == {
        first.run_id: "it was approved, but rolled back from main (gc asks at a terminal)",
        second.run_id: "it was approved, but is not promoted yet",
    }
    assert not swept.freed
    flow.promote(second)
    assert git(flow.project, "show", "main:made.txt") == "made\n"
    assert {one.run_id for one in sweep(flow).freed} == {second.run_id}


def test_approved_run_that_landed_by_hand_is_freed_if_a_person_agrees(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    git(flow.project, "merge", "--quiet", f"attractor/run/{result.run_id}")
    landing = f"main ({git(flow.project, 'rev-parse', 'main')[:12]})"
    why = f"it was approved and landed on {landing}, but is not promoted"
    asked: list[str] = []
    for _ in (1, 2):
        # The answer is no, or nobody is there.
        swept = sweep(flow, None if asked else lambda text: bool(asked.append(text)))
        assert swept.kept == {result.run_id: f"{why} (gc asks at a terminal)"}
        assert not swept.freed
    assert asked == [f"Run {result.run_id}: {why}. Remove its trees?"]
    assert {"store", "branch"} <= {one.what for one in sweep(flow, lambda _: True).freed}
    assert summarize(result.directory).landed_on == landing


def test_a_changed_pipeline_keeps_the_name_that_its_suite_is_for(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first = flow.launch(evaluate=False)
    other = flow.project / "other.dot"
    other.write_text(LINEAR.replace("digraph linear", "digraph other"))
    with pytest.raises(UsageError, match="is for the pipeline 'linear', not for 'other'"):
        forked(flow, first, "make", other)
    other.write_text(LINEAR.replace("echo made >", "echo made | cat >"))
    assert flow.rules(forked(flow, first, "make", other)) == []


def test_suite_for_a_version_of_a_pipeline_judges_no_other_version(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow = flow.adjusted()
    first = flow.launch()
    write_suite(tmp_path / "suite", suite=SUITE.replace('"linear"', '"linear@1"'))
    register(flow.opened.suites, tmp_path / "suite", now=flow.machine.clock.now())
    assert flow.rules(first) == []
    unjudged = flow.launch(evaluate=False)
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(LINEAR.replace("echo made >", "echo made | cat >"))
    with pytest.raises(
        UsageError, match=r"suite todo@2 is for linear@1, and .* another"
    ) as refused:
        flow.launch()
    assert "attractor run linear@1" in refused.value.hint
    assert len(list_runs(flow.runs_dir)) == 2
    with pytest.raises(UsageError, match="suite todo@2 is for linear@1"):
        forked(flow, unjudged, "make", pipeline)
    assert len(list_runs(flow.runs_dir)) == 2
    # The operator may accept another version on a resume; the gate does not.
    facts = read_candidate_run(flow.resume(unjudged).directory)
    accepted = replace(facts, manifest=replace(facts.manifest, content_hash="of another version"))
    assert gate(flow.evaluator.judged(facts)).go
    [reason] = gate(flow.evaluator.judged(accepted)).reasons
    assert (reason.rule, reason.figure) == ("hash_mismatch", "another pipeline")
    assert reason.remedy == "start a new run: attractor run linear@1"


def test_restart_is_refused_after_its_suite_was_burned(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)

    class Burn:
        def execute(self, stage: Stage) -> Outcome:
            store, now = flow.opened.suites.versions, flow.machine.clock.now()
            store.end(store.find("todo"), Ending(BURNED, now, "ann", "its holdouts were shown"))
            return failure("once more")

    again = '    plan -> plan [condition="outcome=fail", loop_restart=true]\n}'
    text = LINEAR.replace('prompt="Plan: $goal"', "type=burn").replace("}", again)
    (flow.project / "pipeline.dot").write_text(text)
    parts = CustomParts(handlers=adapt_handlers({"burn": Burn()}))
    with pytest.raises(Retired, match="was burned on .*: its holdouts were shown"):
        flow.adjusted(parts=parts).launch()
    first, second = sorted(list_runs(flow.runs_dir), key=lambda one: one.restart)
    assert (first.restarted_as, second.next_node) == (second.run_id, "plan")
    assert not any(one.type == "StageStarted" for one in read_events(second.directory))


def test_run_is_found_in_its_first_place_or_in_the_current_project(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(evaluate=False)
    places = RunLocations(flow.evaluator.ledger, flow.runs_dir)
    found = places(result.run_id)
    assert (found.places[0], found.is_known, found.is_promoted) == (result.directory, True, False)
    moved = adjusted(flow.opened.project, runs_dir=tmp_path / "moved")
    assert RunLocations(flow.evaluator.ledger, moved.runs_dir)(result.run_id).places == (
        result.directory,
        tmp_path / "moved" / result.run_id,
    )
    unknown = places("0" * 26)
    assert (unknown.places, unknown.is_known) == ((flow.runs_dir / ("0" * 26),), False)
