"""A run that goes on in rounds, by real processes, and what people are told of it."""

import json
from datetime import UTC, datetime

import pytest

from attractor.base.events import Event
from attractor.cli.runs.progress import describe_event
from tests.cli.git_desk import UNGUARDED, GitDesk, StartingRuns, document
from tests.cli.git_desk import desk as desk  # a fixture
from tests.cli.git_desk import starting_runs as starting_runs  # a fixture

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


def test_runs_of_a_chain_name_each_other(desk: GitDesk, starting_runs: StartingRuns) -> None:
    starting_runs.restore(desk, ROUNDS)
    first, second = (one.name for one in desk.runs())
    assert f"restarted  as run {second}" in desk.do("status", first).stdout
    assert f"restart    1 of run {first}" in desk.do("status", second).stdout
    told = [desk.json("status", one) for one in (first, second)]
    assert [(one["restart"], one["parent"], one["restarted_as"]) for one in told] == [
        (0, "", second),
        (1, first, ""),
    ]
    assert f"restart 1 at make of run {first}" in desk.do("logs", second).stdout
    diagnosed = desk.do("diagnose", first).stdout
    assert f"run {second} goes on in its place" in diagnosed
    assert f"attractor diagnose {second}" in diagnosed


def test_resuming_any_run_of_a_chain_continues_the_last(
    desk: GitDesk, starting_runs: StartingRuns
) -> None:
    starting_runs.restore(desk, ROUNDS)
    first, second = desk.runs()
    again = desk.json("resume", first.name, "--no-evaluate")
    assert (again["run_id"], again["status"]) == (second.name, "evaluating")


def test_simulate_shows_the_start_of_each_round(desk: GitDesk) -> None:
    desk.make(ROUNDS)
    desk.write(json.dumps({"test": ["fail", "success"]}), "outcomes.json")
    words = ("simulate", "pipeline.dot", "--outcomes", "outcomes.json")
    assert "     restart: another run begins at make\n" in desk.do(*words).stdout
    record = desk.json(*words)
    assert record["path"] == ["start", "make", "test", "make", "test", "exit"]
    assert [one["restart"] for one in record["steps"]] == [False, False, True, False, False]
    endless = desk.json("simulate", "pipeline.dot", "--outcomes", _always_failing(desk))
    assert endless["reason"] == "loop_restart: limit max_restarts=5 reached"


def _always_failing(desk: GitDesk) -> str:
    desk.write(json.dumps({"test": "fail"}), "failing.json")
    return "failing.json"


def test_a_misplaced_restart_is_refused_with_its_line(desk: GitDesk) -> None:
    desk.make(ROUNDS.replace("test -> exit [", "test -> exit [loop_restart=true, "))
    done = desk.do("run", "pipeline.dot", *UNGUARDED)
    assert done.returncode == 2
    assert "error[restart_misplaced]: loop_restart on test -> exit" in done.stderr
    assert not desk.runs()


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (
            "RunForked",
            {"parent": "01A", "node": "test", "visit": 2},
            "forked from run 01A before test@2",
        ),
        ("RunRestarting", {"run_id": "01B", "node": "test"}, "restarting at test as run 01B"),
        (
            "RunRestarted",
            {"parent": "01A", "node": "test", "restart": 1},
            "restart 1 at test of run 01A",
        ),
    ],
)
def test_links_between_runs_are_event_lines(
    kind: str, data: dict[str, str | int], words: str
) -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    event = Event(seq=1, time=when, run_id="01B", type=kind, data=data)
    assert describe_event(event).endswith(f"  {words}")
