"""Ruling R7: an edge with `loop_restart` starts a linked run in a fresh directory."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.errors import RunOver
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION, CANCELED, EVALUATING, FAILED
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.operations.start import start_run
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import RunRequest
from attractor.records.summary import RunOverview, list_runs
from tests.factory.flows import make_flow
from tests.pipeline.projects import git, make_project, open_project, simulated, start
from tests.tables import table

ROUNDS = """
digraph rounds {
    graph [goal="Get it right", max_restarts=2]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="Plan"]
    work  [shape=parallelogram, tool_command="echo round >> rounds.txt"]
    judge [prompt="Is it right?"]
    start -> plan -> work -> judge
    judge -> exit [condition="outcome=success"]
    judge -> work [condition="outcome=fail", loop_restart=true]
}
"""
LEARNT: Json = {
    "outcome": "success",
    "context_updates": {"context.keep.lesson": "count again", "context.other": "forgotten"},
}


def ordered(project: Path, judged: Json, **more: object) -> RunRequest:
    outcomes: dict[str, Json] = {"plan": LEARNT, "judge": judged}
    plain = simulated(project, outcomes=outcomes)
    return replace(plain, **more)


def run(opened: Project, options: RunRequest) -> RunResult:
    return asyncio.run(start(options, opened))


def chain(opened: Project) -> list[RunOverview]:
    """Return the runs of the chain, the first one first."""
    return sorted(list_runs(opened.runs_dir), key=lambda one: one.restart)


def events(root: Path, kind: str) -> list[dict[str, Json]]:
    lines = (root / "events.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["type"] == kind]


def context(root: Path) -> dict[str, Json]:
    """Return the context at the start of a run's walk."""
    [begun] = events(root, "PipelineStarted")
    return json.loads(json.dumps(begun["data"]))["progress"]["context"]


def test_R7_a_restart_is_a_linked_run_in_a_fresh_directory(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", ROUNDS))
    result = run(opened, ordered(opened.root, ["fail", "success"]))
    first, second = chain(opened)
    assert (result.run_id, result.directory) == (second.run_id, second.directory)
    assert (result.status, result.outcome) == (EVALUATING, StageStatus.SUCCESS)
    manifest = json.loads((second.directory / "manifest.json").read_text())
    assert (manifest["parent"], manifest["restart"]) == (first.run_id, 1)
    assert read_manifest(RunDirectory(first.directory)).restart == 0
    # It starts at the target of the edge, and its directory contains nothing of the first run.
    assert result.completed == ("work", "judge")
    assert not (second.directory / "plan").exists()
    assert (first.directory / "plan" / "status.json").exists()


def test_R7_old_run_is_canceled_and_names_the_new_run(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", ROUNDS))
    run(opened, ordered(opened.root, ["fail", "success"]))
    first, second = chain(opened)
    assert (first.status, first.reason) == (CANCELED.word, "restarted")
    assert first.restarted_as == second.run_id
    final = json.loads((first.directory / "final.json").read_text())
    assert final["why"] == "restarted"
    assert second.run_id in final["next"]
    [restarting] = events(first.directory, "RunRestarting")
    assert restarting["data"] == {"run_id": second.run_id, "node": "work", "restart": 1}
    [restarted] = events(second.directory, "RunRestarted")
    found = restarted["data"]
    assert isinstance(found, dict)
    assert (found["parent"], found["seq"]) == (first.run_id, restarting["seq"])
    assert found["hash"] == restarting["hash"]


def test_R7_restart_keeps_only_graph_and_keep_values(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", ROUNDS))
    run(opened, ordered(opened.root, ["fail", "success"]))
    _, second = chain(opened)
    assert context(second.directory) == {
        "graph.goal": "Get it right",
        "graph.max_restarts": 2,
        "context.keep.lesson": "count again",
    }


def test_R7_the_chain_is_capped_and_the_limit_is_named(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", ROUNDS))
    result = run(opened, ordered(opened.root, "fail"))
    assert result.status == FAILED
    assert result.reason == "loop_restart: limit max_restarts=2 reached"
    assert [one.status for one in chain(opened)] == ["canceled", "canceled", "failed"]
    assert [one.restart for one in chain(opened)] == [0, 1, 2]


def test_R7_files_stay_and_the_branch_is_that_of_the_last_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    result = run(open_project(project), ordered(project, ["fail", "fail", "success"]))
    first, second, third = (one.run_id for one in chain(open_project(project)))
    assert git(project, "branch", "--list", "attractor/run/*").split() == [
        f"attractor/run/{result.run_id}"
    ]
    branch = f"attractor/run/{third}"
    assert git(project, "show", f"{branch}:rounds.txt") == "round\n" * 3
    subjects = git(project, "log", "--format=%s", f"main..{branch}").splitlines()
    assert subjects == ["Stage judge", "Stage work", f"Run {second} until work"]
    assert git(project, "status", "--porcelain") == ""
    assert first != second


@table("kind", ["in-place", "none"])
def test_R7_restart_continues_in_place(tmp_path: Path, kind: str) -> None:
    project = tmp_path / "plain"
    project.mkdir()
    (project / "pipeline.dot").write_text(ROUNDS)
    result = run(open_project(project), ordered(project, ["fail", "success"], workspace=kind))
    assert result.outcome is StageStatus.SUCCESS
    assert (project / "rounds.txt").read_text() == "round\n" * 2


def test_R7_usage_counts_across_restarts(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", ROUNDS))
    run(opened, ordered(opened.root, ["fail", "success"]))
    first, second = chain(opened)
    [before] = events(first.directory, "PipelineFailed")
    [begun] = events(second.directory, "PipelineStarted")
    assert json.loads(json.dumps(begun))["data"]["progress"]["seconds"] == pytest.approx(
        json.loads(json.dumps(before))["data"]["duration"]
    )


def test_R7_an_old_run_of_a_chain_leads_to_the_last_one(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", ROUNDS))
    result = run(opened, ordered(opened.root, ["fail", "success"]))
    first, second = chain(opened)
    again = asyncio.run(resume(first.directory, opened))
    assert (again.run_id, again.status) == (result.run_id, EVALUATING)
    asyncio.run(_cancel(second.directory, opened))
    with pytest.raises(RunOver, match=second.run_id):
        asyncio.run(resume(first.directory, opened))


def test_R7_the_last_run_of_the_chain_carries_the_suite(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="round\\nround")
    pipeline = ROUNDS.replace("digraph rounds", "digraph linear").replace("rounds.txt", "made.txt")
    (flow.project / "pipeline.dot").write_text(pipeline)
    options = ordered(flow.project, ["fail", "success"], suite="todo", profile="lenient")
    result = asyncio.run(start_run(options, flow.opened))
    assert result.status == AWAITING_DECISION
    assert flow.rules(result) == []
    evaluated = [
        one.run_id for one in flow.evaluator.ledger.entries() if one.kind == LineKind.EVALUATED
    ]
    assert evaluated == [result.run_id]
    first, _ = chain(flow.opened.project)
    assert not (first.directory / "evaluation").exists()


async def _cancel(root: Path, opened: Project) -> None:
    with open_run(root, clock=opened.machine.clock, before_end=None) as run:
        run.change_status(CANCELED, "no more")


@table("kind", ["pipeline", "stack.manager_loop"])
def test_R7_a_child_restarts_as_a_linked_run_under_its_parent(tmp_path: Path, kind: str) -> None:
    inner = ROUNDS.replace(
        'judge [prompt="Is it right?"]',
        'judge [shape=parallelogram, tool_command="[ $(wc -l < rounds.txt) -ge 3 ]"]',
    )
    runs_it = (
        'child [type="pipeline", file="child.dot"]'
        if kind == "pipeline"
        else 'graph ["stack.child_dotfile"="child.dot"]; child [shape=house]'
    )
    outer = f"""digraph outer {{ start [shape=Mdiamond]; exit [shape=Msquare]
        {runs_it}
        start -> child -> exit }}"""
    project = make_project(tmp_path / "project", outer, **{"child.dot": inner})
    opened = open_project(project)
    options = simulated(project)
    result = run(opened, options)
    assert (result.status, result.outcome) == (EVALUATING, StageStatus.SUCCESS)
    assert git(project, "show", f"attractor/run/{result.run_id}:rounds.txt") == "round\n" * 3
    children = result.directory / "children"
    names = ["child@1.1", "child@1.1.restart1", "child@1.1.restart2"]
    manifests = [read_manifest(RunDirectory(children / name)) for name in names]
    assert [one.restart for one in manifests] == [0, 1, 2]
    ids = [one.run_id for one in manifests]
    assert [one.parent for one in manifests] == [result.run_id, *ids[:2]]
    # Only the run of its parent counts, and is at the top.
    assert [one.run_id for one in chain(opened)] == [result.run_id]
