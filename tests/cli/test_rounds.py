"""A run that restarts in rounds, in real processes, and its output."""

import json

from tests.cli.git_desk import (
    UNGUARDED,
    GitDesk,
    StartingRuns,
    desk as desk,  # a fixture
    document,
    starting_runs as starting_runs,  # a fixture
)

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
ROUNDS = f"""digraph rounds {{ {ENDS}
    make [shape=parallelogram, tool_command="echo made >> made.txt"]
    test [shape=parallelogram, tool_command="[ $(wc -l < made.txt) -ge 2 ]"]
    start -> make -> test
    test -> exit [condition="outcome=success"]
    test -> make [condition="outcome=fail", loop_restart=true] }}
"""


def test_run_executes_all_rounds_and_exits_like_the_last(desk: GitDesk) -> None:
    desk.make(ROUNDS)
    done = desk.do("run", "pipeline.dot", *UNGUARDED)
    assert done.returncode == 0
    first, second = desk.runs()
    assert f"restarting at make as run {second.name}" in done.stderr
    assert f"run {second.name}: success: completed" in done.stdout
    branch = f"attractor/run/{second.name}"
    assert f"look:     git diff HEAD...{branch}" in done.stdout
    assert f"merge:    git merge {branch}" in done.stdout
    assert document(first / "run.json")["reason"] == "restarted"


def test_rounds_of_a_run_with_a_given_directory_are_siblings(desk: GitDesk) -> None:
    desk.make(ROUNDS)
    first = desk.folder / "mine" / "first"
    done = desk.do("run", "pipeline.dot", *UNGUARDED, "--run-dir", str(first), "--json")
    assert done.returncode == 0, done.stderr
    assert desk.runs() == []
    [second] = [one for one in first.parent.iterdir() if one != first]
    ends = [document(one / "run.json")["status"] for one in (first, second)]
    assert ends == ["canceled", "awaiting_human"]
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["run_id"] for one in events} == {
        document(one / "run.json")["run_id"] for one in (first, second)
    }
    assert events[-1]["directory"] == str(second)
    assert f"attractor status {second}" in desk.do("status", str(first)).stdout
    assert f"attractor diagnose {second}" in desk.do("diagnose", str(first)).stdout
    assert desk.do("resume", str(first)).returncode == 0


def test_runs_of_a_chain_name_each_other(desk: GitDesk, starting_runs: StartingRuns) -> None:
    starting_runs.restore(desk, ROUNDS)
    first, second = (one.name for one in desk.runs())
    assert f"restarted  as run {second}" in desk.do("status", first).stdout
    assert f"restart    1 of run {first}" in desk.do("status", second).stdout
    found = [desk.json("status", one) for one in (first, second)]
    assert [(one["restart"], one["parent"], one["restarted_as"]) for one in found] == [
        (0, "", second),
        (1, first, ""),
    ]
    assert f"restart 1 at make of run {first}" in desk.do("logs", second).stdout
    diagnosed = desk.do("diagnose", first).stdout
    assert f"run {second} continues it" in diagnosed
    assert f"attractor diagnose {second}" in diagnosed


def test_simulate_shows_the_start_of_each_round(desk: GitDesk) -> None:
    desk.make(ROUNDS)
    desk.write(json.dumps({"test": ["fail", "success"]}), "outcomes.json")
    words = ("simulate", "pipeline.dot", "--outcomes", "outcomes.json")
    assert "     restart: a new run begins at make\n" in desk.do(*words).stdout
    record = desk.json(*words)
    assert record["path"] == ["start", "make", "test", "make", "test", "exit"]
    assert [one["restart"] for one in record["steps"]] == [False, False, True, False, False]
    endless = desk.json("simulate", "pipeline.dot", "--outcomes", _always_failing(desk))
    assert endless["reason"] == "loop_restart: limit max_restarts=5 reached"


def _always_failing(desk: GitDesk) -> str:
    desk.write(json.dumps({"test": "fail"}), "failing.json")
    return "failing.json"
