"""From the end of a walk to a promoted branch, and all results that must be refused."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import (
    AttractorError,
    ChainBroken,
    NoGo,
    Refused,
    UnknownName,
    UsageError,
    VerificationError,
)
from attractor.base.json import Json
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.run_state import AWAITING_DECISION, EVALUATING
from attractor.environments.environment import Promises
from attractor.environments.selection import EnvironmentChoice, choose_environment
from attractor.factory.candidate_run import facts_of, read_candidate_run
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.lock import lock_run
from attractor.factory.errors import NoDecision, NotDecidable, RationaleTooShort, StaleBase
from attractor.factory.evaluation.gate import gate
from attractor.factory.ledger.ledger import LEDGER_FILE
from attractor.factory.open_project import OpenProject
from attractor.factory.register import record_begin
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.plan.origins import New
from attractor.pipeline.plan.plan_run import plan_run
from attractor.pipeline.plan.run_plan import BegunRun
from attractor.records.summary import summarize
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated
from tests.scenarios.suites import SUITE, write_suite
from tests.tables import table


def rules(flow: Flow, result: RunResult) -> list[str]:
    with lock_run(result.directory, flow.opened) as run:
        return [one.rule for one in gate(flow.evaluator.judged(facts_of(run))).reasons]


def status(result: RunResult) -> str:
    return summarize(result.directory).status


def test_an_approved_run_is_promoted_as_one_commit_with_its_trailers(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    assert result.status == AWAITING_DECISION
    assert rules(flow, result) == []
    entry = flow.decide(result, DecisionKind.APPROVED)
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
        flow.decide(result, DecisionKind.APPROVED)
    assert status(result) == "awaiting_human"
    flow.decide(result, DecisionKind.REJECTED)
    assert status(result) == "rejected"
    with pytest.raises(NoGo, match="was rejected"):
        flow.promote(result)


def test_a_run_without_a_suite_rests_and_can_not_be_approved(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(suite="")
    assert result.status == AWAITING_DECISION
    assert rules(flow, result) == ["no_suite"]
    with pytest.raises(NoGo, match="not judged: no suite"):
        flow.decide(result, DecisionKind.APPROVED)


def test_unproved_isolation_needs_a_profile(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    assert rules(flow, flow.launch(profile="strict")) == ["isolation_unverified"]
    assert rules(flow, flow.launch(profile="")) == ["isolation_unverified"]


def test_a_decision_needs_a_reason(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with pytest.raises(RationaleTooShort):
        flow.decide(result, DecisionKind.APPROVED, "ok")
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
    flow.decide(result, DecisionKind.APPROVED)
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Meanwhile")
    with pytest.raises(StaleBase):
        flow.promote(result)
    assert git(flow.project, "log", "--format=%s", "-1", "main") == "Meanwhile\n"


def test_a_forged_ledger_is_found_before_anything_is_decided(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    result = flow.launch()
    ledger = flow.machine.state_dir / LEDGER_FILE
    ledger.write_bytes(ledger.read_bytes().replace(b'"satisfied":false', b'"satisfied":true'))
    with pytest.raises(ChainBroken, match=r"line \d+"):
        flow.decide(result, DecisionKind.APPROVED)


def test_unknown_suite_is_refused_before_the_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    with pytest.raises(UnknownName, match="unknown suite 'tudo'"):
        flow.launch(suite="tudo")
    assert [one.name for one in (flow.project / "runs").iterdir() if one.is_dir()] == []


def test_run_keeps_the_suite_version_of_its_start(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    suite = tmp_path / "suite" / "holdout" / "made.scenario.toml"
    suite.write_text(suite.read_text().replace('equals = "made"', 'equals = "never"'))
    register(flow.opened.suites, tmp_path / "suite", now=flow.machine.clock.now())
    assert rules(flow, result) == []
    assert rules(flow, flow.launch()) == ["unresolved_failure", "satisfaction"]


def test_a_second_evaluation_pools_with_the_first_and_there_is_no_third(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with lock_run(result.directory, flow.opened) as run:
        flow.evaluator.request_again(run, "ann")
        assert run.state.status == EVALUATING
    flow.resume(result)
    with lock_run(result.directory, flow.opened) as run:
        assert gate(flow.evaluator.judged(facts_of(run))).played == 2
        with pytest.raises(NotDecidable, match="already evaluated 2 times"):
            flow.evaluator.request_again(run, "ann")


def judge_as_told(flow: Flow, advice: str) -> None:
    """Edit and register the suite exactly as an advice says."""
    found = re.search(
        r"write (pipeline = .*) in (.*), then: attractor suite register (\S*)$", advice
    )
    assert found
    line, file, folder = found.groups()
    Path(file).write_text(SUITE.replace('pipeline = "linear"', line))
    register(flow.opened.suites, Path(folder), now=flow.machine.clock.now())


def test_a_suite_for_another_pipeline_is_refused_with_the_edit_that_makes_it_judge(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    pipeline = flow.project / "pipeline.dot"
    linear = pipeline.read_text()
    pipeline.write_text(linear.replace("digraph linear", "digraph other"))
    with pytest.raises(
        UsageError, match="is for the pipeline 'linear', not for 'other'"
    ) as refused:
        flow.launch()
    judge_as_told(flow, refused.value.hint)
    assert rules(flow, flow.launch()) == []
    pipeline.write_text(linear.replace("digraph linear", "digraph third"))
    with pytest.raises(UsageError, match="the pipeline 'linear' or 'other', not for 'third'"):
        flow.launch()
    folder = tmp_path / "suite"
    judge_as_told(
        flow,
        f'write pipeline = "*" in {folder}/suite.toml, then: attractor suite register {folder}',
    )
    assert rules(flow, flow.launch()) == []


def test_suite_of_the_settings_for_another_pipeline_is_left_out(tmp_path: Path) -> None:
    messages: list[str] = []
    flow = make_flow(tmp_path)
    flow = flow.adjusted(suite="todo", tell=messages.append)
    assert read_manifest(RunDirectory(flow.launch(suite="").directory)).suite
    pipeline = flow.project / "pipeline.dot"
    pipeline.write_text(pipeline.read_text().replace("digraph linear", "digraph other"))
    result = flow.launch(suite="")
    assert read_manifest(RunDirectory(result.directory)).suite == ""
    [advice] = [one for one in messages if "This run has no suite" in one]
    verdict = gate(flow.evaluator.judged(read_candidate_run(result.directory)))
    assert "no_suite" in {one.rule for one in verdict.reasons}
    judge_as_told(flow, advice)
    assert read_manifest(RunDirectory(flow.launch(suite="").directory)).suite.startswith("todo@2")


@table(
    ("pipeline", "evaluate", "words"),
    [
        ("other", True, 'write pipeline = ["linear", "other"] in'),
        ("linear", False, "with --no-evaluate this run has no suite"),
        ("linear", True, ""),
    ],
)
def test_unregistered_suite_stops_only_runs_that_it_would_judge(
    tmp_path: Path, pipeline: str, evaluate: bool, words: str
) -> None:
    messages: list[str] = []
    project = make_project(tmp_path / "project")
    write_suite(project / "scenarios" / "todo")
    file = project / "pipeline.dot"
    file.write_text(file.read_text().replace("digraph linear", f"digraph {pipeline}"))
    flow = Flow(
        project, OpenProject(adjusted(open_project(project), suite="todo", tell=messages.append))
    )
    if not words:
        with pytest.raises(Refused, match="suite todo is not registered here"):
            flow.launch(suite="", profile="")
        return
    result = flow.launch(suite="", profile="", evaluate=evaluate)
    assert result.status == AWAITING_DECISION
    assert any(words in one for one in messages)


def test_pipeline_and_names_are_checked_before_the_suite(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    flow = Flow(project, OpenProject(open_project(project)))
    with pytest.raises(UnknownName, match="unknown profile 'nope'"):
        flow.launch(suite="nope", profile="nope")
    with pytest.raises(NotRunnable, match="--interviewer: unknown interviewer 'nope'"):
        flow.launch(suite="nope", profile="", interviewer="nope")
    (project / "pipeline.dot").unlink()
    with pytest.raises(AttractorError, match=r"pipeline\.dot"):
        flow.launch(suite="nope", profile="")


def test_forged_trial_in_the_journal_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    result = flow.launch(evaluate=False)
    with lock_run(result.directory, flow.opened) as run:
        forged: dict[str, Json] = {
            "evaluation": 1,
            "scenario": "made",
            "trial": 1,
            "satisfied": True,
            "checks": [],
            "duration_ms": 1,
            "retries": 0,
            "error": "",
            "seal": "0" * 64,
        }
        run.emit("TrialCompleted", forged, sync=True)
    with pytest.raises(VerificationError, match="missing or changed result"):
        flow.resume(result)


def test_changed_base_in_the_manifest_loses_no_commit(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    git(flow.project, "commit", "--quiet", "--allow-empty", "--message", "Meanwhile")
    manifest = result.directory / "manifest.json"
    record = json.loads(manifest.read_text())
    record["base"]["commit"] = git(flow.project, "rev-parse", "HEAD").strip()
    manifest.write_text(json.dumps(record))
    with pytest.raises(VerificationError):
        flow.promote(result)
    assert git(flow.project, "log", "--format=%s", "-1", "main") == "Meanwhile\n"


def test_run_in_place_never_counts_as_isolated(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    for _ in range(2):
        result = flow.launch(workspace="in-place", profile="strict", sandbox="auto")
        assert rules(flow, result) == ["isolation_unverified"]


def test_a_journal_that_was_cut_behind_the_evaluation_is_found(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    journal = result.directory / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if b"TrialCompleted" not in line]
    journal.write_bytes(b"".join(lines[: lines.index(kept[-1]) - 3]))
    (result.directory / "checkpoint.json").unlink()
    with pytest.raises(VerificationError):
        rules(flow, result)


def test_a_graph_that_was_changed_in_the_run_directory_is_not_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(evaluate=False)
    graph = result.directory / "graph.dot"
    graph.write_text(graph.read_text().replace("echo made", "echo evil"))
    with pytest.raises(VerificationError, match="was changed after the start of the run"):
        flow.resume(result)


def test_a_manifest_that_was_changed_judges_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(profile="strict")
    manifest = result.directory / "manifest.json"
    manifest.write_text(manifest.read_text().replace("strict@1", "lenient@1"))
    with pytest.raises(VerificationError, match="was changed after the start of the run"):
        flow.decide(result, DecisionKind.APPROVED)
    with pytest.raises(VerificationError):
        flow.resume(result)


def test_evaluation_does_not_prove_isolation_of_stages(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(profile="strict", evaluate=False)
    proved = Promises(
        hides_operator=True, own_network=True, own_processes=True, writes_only_workspace=True
    )
    request = simulated(flow.project)
    plan = asyncio.run(plan_run(New(request), flow.opened.project))
    choice = replace(plan.sandbox, promises=proved)
    plan = replace(plan, report=replace(plan.report, sandbox=choice))
    nowhere = NoWorkspace(another=lambda: choice.make(flow.project))
    with lock_run(result.directory, flow.opened) as run:
        record_begin(flow.opened, BegunRun(plan, run, nowhere))
    flow.resume(result)
    assert rules(flow, result) == ["isolation_unverified"]


def unguarded() -> EnvironmentChoice:
    return asyncio.run(choose_environment("none", environ={}, hide=[]))


def test_a_trial_has_a_repository_as_a_stage_has(tmp_path: Path) -> None:
    looking = "git log --format=%s; git status --porcelain"
    flow = make_flow(
        tmp_path, made=HOLDOUT.format(wanted="The project").replace("cat made.txt", looking)
    )
    result = flow.launch()
    assert rules(flow, result) == []
