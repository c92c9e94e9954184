"""`attractor diagnose` of running, killed, waiting and failed runs, as text and as JSON."""

import json

from tests.cli.git_desk import (
    UNGUARDED,
    GitDesk,
    StartingRuns,
    desk as desk,
    starting_runs as starting_runs,
)
from tests.patience import PATIENCE_S, wait_until

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
SLOW = f"""digraph slow {{ {ENDS}
    one [shape=parallelogram, tool_command="true"]
    two [shape=parallelogram
         tool_command="touch BEGUN; timeout 90 sh -c 'until test -e GO; do sleep .1; done'"]
    start -> one -> two -> exit }}
"""
FAILING = f"""digraph failing {{ {ENDS}
    test [shape=parallelogram, tool_command="exit 7"]
    start -> test -> exit }}
"""

CHECKS = f"""digraph checks {{ {ENDS}
    fork [shape=component, join_policy="k_of_n", k=1]; join [shape=tripleoctagon]
    lint [shape=parallelogram, tool_command="echo 'a.js: error: no semicolon'; seq 7 >&2; exit 1"]
    test [shape=parallelogram, tool_command="printf 'not ok 1 - adds\\n  -3 != -4\\n'; exit 1"]
    start -> fork -> lint -> join; fork -> test -> join -> exit }}
"""


def slow(desk: GitDesk) -> str:
    return SLOW.replace("BEGUN", str(desk.folder / "begun")).replace("GO", str(desk.folder / "go"))


def test_live_run_is_diagnosed_without_interference(desk: GitDesk) -> None:
    desk.make(slow(desk))
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    wait_until((desk.folder / "begun").exists)
    result = desk.do("diagnose")
    assert (result.returncode, result.stderr) == (0, "")
    assert "it is running" in result.stdout
    assert "two@1 is running, attempt 1" in result.stdout
    assert desk.json("diagnose")["live"] is True
    (desk.folder / "go").touch()
    assert process.wait(PATIENCE_S) == 0


def test_killed_run_names_the_stage_to_repeat(desk: GitDesk) -> None:
    desk.make(slow(desk))
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    wait_until((desk.folder / "begun").exists)
    process.kill()
    process.wait(PATIENCE_S)
    found = desk.json("diagnose")
    assert found["verdict"] == "it stopped, and no process runs it"
    assert any("two@1 was interrupted" in one for one in found["causes"])
    [remedy] = found["remedies"]
    (desk.folder / "go").touch()
    assert desk.do(*remedy["command"].split()[1:], "--no-evaluate").returncode == 0
    again = desk.json("diagnose")
    assert any("is repeated" in one["what"] for one in again["interruptions"])


def test_remedy_command_works(desk: GitDesk, starting_runs: StartingRuns) -> None:
    root = starting_runs.restore(desk, FAILING)
    words = desk.do("diagnose", root.name).stdout
    assert "tool_command ended with exit code 7" in words
    [command] = [
        line.strip()
        for line in words.splitlines()
        if line.strip().startswith("attractor rewind") and "--graph" not in line
    ]
    assert command == f"attractor rewind {root.name} test"
    again = desk.do(*command.split()[1:], "--no-evaluate")
    assert (again.returncode, len(desk.runs())) == (1, 2)
    assert "forked from" in desk.do("diagnose").stdout


def test_failed_branches_are_named_with_the_lines_below_their_reasons(desk: GitDesk) -> None:
    desk.make(CHECKS)
    ended = desk.do("run", "pipeline.dot", *UNGUARDED)
    words = desk.do("diagnose").stdout
    assert "Its branch lint failed at lint@1: tool_command ended with exit code 1: a.js: " in words
    assert "Its branch test failed at test@1: tool_command ended with exit code 1: not ok" in words
    below = ["lint@1.1:", *(f"| {number}" for number in range(1, 6)), "test@1.1:", "|   -3 != -4"]
    for shown in (ended.stdout, words, desk.do("status").stdout.replace("output    ", "")):
        lines = [line.strip() for line in shown.splitlines()]
        at = lines.index(below[0])
        assert lines[at : at + len(below)] == below
    [look] = [line.split() for line in ended.stdout.splitlines() if line.startswith("  look:")]
    assert look[-2:] == ["--stage", "lint@1.1"]
    output = desk.do(*look[2:]).stdout
    assert output == "a.js: error: no semicolon\n1\n2\n3\n4\n5\n6\n7\n"
    assert desk.json("logs", "--stage", "lint") == {"stage": "lint@1.1", "output": output}
    assert desk.do("logs", "--stage", "test").stdout == "not ok 1 - adds\n  -3 != -4\n"
    assert "unknown stage with a transcript or output" in desk.do("logs", "--stage", "fork").stderr
    for shown in (desk.json("diagnose"), desk.json("status")):
        assert [one["stage"] for one in shown["failed_output"]] == ["lint@1.1", "test@1.1"]


def test_failed_runs_are_grouped_by_their_cause(desk: GitDesk, starting_runs: StartingRuns) -> None:
    root = starting_runs.restore(desk, FAILING)
    desk.do("rewind", root.name, "test", "--no-evaluate")
    nothing = desk.do("diagnose", "--since", "2999-01-01").stdout
    assert nothing.startswith("No run failed, stopped, or was judged no-go since ")
    shown = desk.do("diagnose", "--since", "7d").stdout
    assert "failing test  tool_command ended with exit code 7\n" in shown
    names = sorted(root.name for root in desk.runs())
    assert f"  runs: {' '.join(names)}\n" in shown
    assert f"attractor logs {names[-1]} --stage test" in shown
    found = desk.json("diagnose", "--since", "7d")
    [group] = found["causes"]
    assert (group["count"], group["runs"], found["no_goes"]) == (2, names, [])
    assert group["cause"]["failure_class"] == "verdict"
    refused = desk.do("diagnose", names[0], "--since", "7d")
    assert (refused.returncode, "--since takes no run" in refused.stderr) == (2, True)
    assert "invalid time in --since" in desk.do("diagnose", "--since", "soon").stderr


def test_corrupt_journal_is_reported(desk: GitDesk, starting_runs: StartingRuns) -> None:
    root = starting_runs.restore(desk, FAILING)
    journal = root / "events.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"exit code 7", b"exit code 0"))
    refused = desk.do("diagnose", "--json")
    assert refused.returncode == 6
    assert json.loads(refused.stdout)["error"]["exit_code"] == 6
