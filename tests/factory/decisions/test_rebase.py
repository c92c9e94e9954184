"""A run whose target moved is merged onto it, evaluated without an agent, and promoted."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, NoGo, Refused
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.decisions.run_locations import RunLocations
from attractor.factory.errors import MergeConflict, NoDecision, StaleBase
from attractor.factory.history.audit import audit
from attractor.factory.history.trials import events_of
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.rebase import rebase_run
from attractor.factory.operations.start import start_run
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.agent.twinned import MODELS
from tests.factory.flows import HOLDOUT, Flow, make_flow
from tests.factory.test_forked_runs import forked
from tests.pipeline.projects import LINEAR, adjusted, git, simulated
from tests.scenarios.suites import SUITE
from tests.scenarios.test_judge import rule, script


def rebase(flow: Flow, result: RunResult) -> RunResult:
    return asyncio.run(rebase_run(result.directory, flow.opened, branch="main", by="ann"))


def commit_file(flow: Flow, name: str, text: str) -> str:
    (flow.project / name).write_text(text)
    git(flow.project, "add", name)
    git(flow.project, "commit", "--quiet", "--message", f"Add {name}")
    return git(flow.project, "rev-parse", "HEAD").strip()


def test_rebased_run_is_evaluated_and_promoted(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first = flow.launch()
    flow.decide(first, DecisionKind.APPROVED)
    moved = commit_file(flow, "other.txt", "meanwhile\n")
    commit_file(flow, "scenarios/todo/secret.txt", "still hidden\n")
    with pytest.raises(StaleBase, match="stale_base: .*main is at") as stale:
        flow.promote(first)
    assert stale.value.exit_code is ExitCode.REFUSED
    assert stale.value.hint == f"attractor rebase {first.run_id} --onto main"
    middle = rebase(flow, first)
    commit_file(flow, "third.txt", "meanwhile\n")
    second = rebase(flow.adjusted(version="1"), middle)
    assert second.status == AWAITING_DECISION
    journal = (second.directory / "events.jsonl").read_text()
    assert "TrialCompleted" in journal
    assert "StageStarted" not in journal
    assert flow.rules(second) == []
    with pytest.raises(NoDecision):
        flow.promote(second)
    flow.decide(second, DecisionKind.APPROVED)
    flow.promote(second)
    assert git(flow.project, "log", "--format=%s", "main").splitlines() == [
        "Say hello",
        "Add third.txt",
        "Add scenarios/todo/secret.txt",
        "Add other.txt",
        "Begin",
    ]
    assert git(flow.project, "show", "main:made.txt") == "made\n"
    assert git(flow.project, "diff", "--stat", f"{moved}..main", "--", "other.txt") == ""
    assert git(flow.project, "show", "main:scenarios/todo/secret.txt") == "still hidden\n"
    manifest = read_manifest(RunDirectory(second.directory))
    assert (manifest.parent, manifest.versions) == (middle.run_id, {"attractor": "1"})
    assert manifest.base.commit == git(flow.project, "rev-parse", "main~").strip()
    assert manifest.started > read_manifest(RunDirectory(middle.directory)).started
    [event] = events_of(middle.directory / "events.jsonl", ("RunRebased",))
    fields = {
        "run_id": second.run_id,
        "branch": "main",
        "commit": manifest.base.commit,
        "by": "ann",
    }
    assert event.data == fields
    assert audit(flow.machine.state_dir, flow.runs_dir).flaws == []
    places = RunLocations(flow.evaluator.ledger, flow.runs_dir)
    # The results of both runs were replaced, so that their workspaces can be removed.
    assert places(first.run_id).is_promoted
    assert places(middle.run_id).is_promoted


def test_rebased_run_fails_if_the_merged_tree_fails(tmp_path: Path) -> None:
    passes = HOLDOUT.format(wanted="made").replace("cat made.txt", "cat made.txt other.txt")
    flow = make_flow(tmp_path, made=passes)
    # The rebased run is evaluated, although the first run was started without evaluation.
    first = flow.resume(flow.launch(evaluate=False))
    commit_file(flow, "other.txt", "meanwhile\n")
    second = rebase(flow, first)
    assert "unresolved_failure" in flow.rules(second)
    with pytest.raises(NoGo):
        flow.decide(second, DecisionKind.APPROVED)


def test_rebase_of_a_fork_is_no_fork_and_takes_over_the_files_of_the_pipeline(
    tmp_path: Path,
) -> None:
    flow = make_flow(tmp_path)
    commit_file(flow, "plan.md", "Plan how to say hello.")
    prompt = LINEAR.replace("Plan: $goal", "@plan.md")
    commit_file(flow, "pipeline.dot", prompt)
    fork = forked(flow, flow.launch(evaluate=False), "make")
    commit_file(flow, "other.txt", "meanwhile\n")
    result = rebase(flow, fork)
    manifest = read_manifest(RunDirectory(result.directory))
    assert (manifest.forked_at, manifest.rebased_from) == ("", fork.run_id)
    [begun] = events_of(result.directory / "events.jsonl", ("PipelineStarted",))
    progress = begun.data["progress"]
    assert isinstance(progress, dict)
    assert progress["seconds"] == 0
    assert flow.rules(result) == []


def test_rebase_drops_uncommitted_changes_of_the_base(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "readme.txt").write_text("hello\nuncommitted\n")
    options = simulated(flow.project, suite="todo", profile="lenient", include_dirty=True)
    first = asyncio.run(start_run(options, flow.opened))
    assert flow.rules(first) == ["dirty_base"]
    git(flow.project, "checkout", "--quiet", "readme.txt")
    second = rebase(flow, first)
    assert flow.rules(second) == []
    flow.decide(second, DecisionKind.APPROVED)
    flow.promote(second)
    changed = git(flow.project, "diff", "--name-only", "main~", "main").split()
    assert changed == ["made.txt"]


def test_rebase_does_not_reset_the_cost_of_the_work(
    tmp_path: Path, provider_twin: StartTwin
) -> None:
    twin = provider_twin(script(rule("Done.")))
    flow = make_flow(tmp_path, suite=f"{SUITE}[gate]\nmax_cost_usd = 0.0001\n")
    opened = adjusted(flow.opened.project, environ={**flow.machine.environ, **twin.environ()})
    request = simulated(
        flow.project,
        suite="todo",
        profile="lenient",
        backend="agent",
        provider="openai",
        model=MODELS["openai"],
    )
    first = asyncio.run(start_run(request, OpenProject(opened)))
    assert flow.rules(first) == ["budget"]
    commit_file(flow, "other.txt", "meanwhile\n")
    assert flow.rules(rebase(Flow(flow.project, OpenProject(opened)), first)) == ["budget"]


def test_conflict_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    commit_file(flow, "made.txt", "by hand\n")
    before = sorted(path.name for path in (flow.project / "runs").iterdir())
    with pytest.raises(MergeConflict, match=r"main and the run changed the same lines: made\.txt"):
        rebase(flow, result)
    assert sorted(path.name for path in (flow.project / "runs").iterdir()) == before


def test_rebase_without_need_is_refused(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    with pytest.raises(Refused, match="main has not moved") as undecided:
        rebase(flow, result)
    name = result.run_id
    assert undecided.value.hint == f"it needs no rebase, but a decision: attractor decide {name}"
    commit_file(flow, "made.txt", "made\n")
    with pytest.raises(Refused, match="main already contains the changes"):
        rebase(flow, result)
    unfinished = flow.launch(evaluate=False)
    commit_file(flow, "other.txt", "meanwhile\n")
    with pytest.raises(Refused, match="is evaluating"):
        rebase(flow, unfinished)
