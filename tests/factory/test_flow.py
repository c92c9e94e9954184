"""From the end of a walk to a promoted branch, and everything that must not get through."""

import asyncio
import json
from pathlib import Path

import pytest

from attractor.base.errors import ChainBroken, NoGo, UnknownName
from attractor.engine.results import RunResult
from attractor.engine.status import AWAITING_DECISION, EVALUATING
from attractor.factory.deciding import Verdict
from attractor.factory.errors import AlreadyDecided, NoDecision, NotDecidable, RationaleTooShort
from attractor.factory.gate import gate
from attractor.factory.launch import go_on, hold
from attractor.factory.ledger import LEDGER_FILE
from attractor.pipeline.runs import summarize
from attractor.workspaces.errors import BranchMoved
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git


def rules(flow: Flow, result: RunResult) -> list[str]:
    with hold(result.directory, flow.world) as run:
        return [one.rule for one in gate(flow.evaluator.judged(run)).reasons]


def status(result: RunResult) -> str:
    return summarize(result.directory).status


def test_an_approved_run_is_promoted_as_one_commit_with_its_trailers(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    assert result.standing == AWAITING_DECISION
    assert rules(flow, result) == []
    entry = flow.decide(result, Verdict.APPROVED)
    assert status(result) == "approved"
    promotion = flow.promote(result)
    assert git(flow.project, "rev-parse", "main", promotion.tag).split() == [promotion.commit] * 2
    assert git(flow.project, "log", "--format=%s", "main") == "Say hello\nBegin\n"
    body = git(flow.project, "log", "-1", "--format=%b", "main")
    assert f"Attractor-Run: {result.run_id}" in body
    assert f"Attractor-Decision: {entry.head.hash}" in body
    assert (flow.project / "made.txt").read_text() == "made\n"
    assert git(flow.project, "show", "main:scenarios/todo/secret.txt") == "hidden\n"
    assert git(flow.project, "status", "--porcelain") == ""


def test_a_no_go_can_be_rejected_and_not_approved(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    result = flow.launch()
    assert rules(flow, result) == ["unresolved_failure", "satisfaction"]
    with pytest.raises(NoGo, match="unresolved_failure: 1 of 1 held-out"):
        flow.decide(result, Verdict.APPROVED)
    assert status(result) == "awaiting_human"
    flow.decide(result, Verdict.REJECTED)
    assert status(result) == "rejected"
    with pytest.raises(NoGo, match="was rejected"):
        flow.promote(result)


def test_a_run_without_a_suite_rests_and_can_not_be_approved(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(suite="")
    assert result.standing == AWAITING_DECISION
    assert rules(flow, result) == ["no_suite"]
    with pytest.raises(NoGo, match="no_suite"):
        flow.decide(result, Verdict.APPROVED)


def test_isolation_that_nobody_proved_needs_a_profile_that_allows_it_by_name(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    assert rules(flow, flow.launch(profile="strict")) == ["isolation_unverified"]
    assert rules(flow, flow.launch(profile="")) == ["isolation_unverified"]


def test_the_first_decision_is_final(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, Verdict.APPROVED)
    with pytest.raises(AlreadyDecided, match="is approved already"):
        flow.decide(result, Verdict.REJECTED)
    decided = (result.directory / "decisions.jsonl").read_text().splitlines()
    assert [json.loads(line)["data"]["verdict"] for line in decided] == ["approved"]


def test_a_decision_needs_a_reason(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with pytest.raises(RationaleTooShort):
        flow.decide(result, Verdict.APPROVED, "ok")
    assert status(result) == "awaiting_human"


def test_nothing_is_promoted_without_a_decision(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with pytest.raises(NoDecision):
        flow.promote(result)
    assert git(flow.project, "log", "--format=%s", "main") == "Begin\n"


def test_a_branch_that_moved_since_is_not_overwritten(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, Verdict.APPROVED)
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Meanwhile")
    with pytest.raises(BranchMoved):
        flow.promote(result)
    assert git(flow.project, "log", "--format=%s", "-1", "main") == "Meanwhile\n"


def test_a_forged_ledger_is_found_before_anything_is_decided(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    result = flow.launch()
    ledger = flow.world.state_dir / LEDGER_FILE
    ledger.write_bytes(ledger.read_bytes().replace(b'"satisfied":false', b'"satisfied":true'))
    with pytest.raises(ChainBroken, match="line 1"):
        flow.decide(result, Verdict.APPROVED)


def test_an_unknown_suite_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    with pytest.raises(UnknownName, match="unknown suite 'tudo'"):
        flow.launch(suite="tudo")
    assert not (flow.project / "runs").exists()


def test_a_run_keeps_the_version_of_the_suite_it_began_with(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    suite = tmp_path / "suite" / "holdout" / "made.scenario.toml"
    suite.write_text(suite.read_text().replace('equals = "made"', 'equals = "never"'))
    flow.evaluator.stores.suites.register(tmp_path / "suite", now=flow.world.clock.now())
    assert rules(flow, result) == []
    assert rules(flow, flow.launch()) == ["unresolved_failure", "satisfaction"]


def test_a_second_evaluation_pools_with_the_first_and_there_is_no_third(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with hold(result.directory, flow.world) as run:
        flow.evaluator.request_again(run, "ann")
        assert run.state.standing == EVALUATING
    asyncio.run(go_on(result.directory, flow.world))
    with hold(result.directory, flow.world) as run:
        assert gate(flow.evaluator.judged(run)).played == 2
        with pytest.raises(NotDecidable, match="2 times already"):
            flow.evaluator.request_again(run, "ann")


def test_trials_leave_no_folder_behind(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.launch()
    assert list((flow.world.state_dir / "trials").iterdir()) == []
