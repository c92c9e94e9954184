"""`attractor simulate`, used by people and by programs."""

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.running import attractor
from tests.language.pipelines import BRANCH, HUMAN_GATE

FAN = """digraph Fan {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    fan   [shape=component]
    start -> fan
    fan -> a -> exit
    fan -> b -> exit
}
"""
DEAD = BRANCH.replace(
    "gate -> exit ", 'gate -> dead [condition="outcome=retry"]; gate -> exit '
).replace("start -> plan", 'dead [prompt="x"]; dead -> exit; start -> plan')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {"branch.dot": BRANCH, "gate.dot": HUMAN_GATE, "fan.dot": FAN, "dead.dot": DEAD}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "o.toml").write_text('validate = ["fail", "success"]\n')
    (tmp_path / "o.json").write_text('{"validate": ["fail", "success"]}')
    return tmp_path


def test_every_step_lists_its_edges_with_reasons(folder: Path, snapshot: SnapshotAssertion) -> None:
    result = attractor("simulate", "branch.dot", "--outcomes", "o.toml", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_outcomes_come_from_files_and_options(folder: Path) -> None:
    ways = [
        ["--outcomes", "o.toml"],
        ["--outcomes", "o.json"],
        ["--set", "validate=fail,validate=success"],
        ["--set", "validate=fail", "--set", "validate=success"],
        ["--outcomes", "o.json", "--set", "plan=partial_success"],
    ]
    found = [attractor("simulate", "branch.dot", *way, "--json", folder=folder) for way in ways]
    paths = [json.loads(one.stdout)["path"] for one in found]
    assert len(paths[0]) == 9
    assert all(path == paths[0] for path in paths)


def test_stages_whose_receipt_is_not_taken_are_named(folder: Path) -> None:
    (folder / "receipts.dot").write_text(
        "digraph { start [shape=Mdiamond]; exit [shape=Msquare]\n"
        'plan; work [receipt="make test"]; late [receipt=make]; start -> plan -> work -> exit\n'
        'work -> late [condition="outcome=fail"]; late -> exit }'
    )
    result = attractor("simulate", "receipts.dot", folder=folder)
    assert "no receipt was taken of work" in result.stdout.splitlines()
    record = json.loads(attractor("simulate", "receipts.dot", "--json", folder=folder).stdout)
    assert record["without_receipt"] == ["work"]


def test_step_limit_reports_the_loop(folder: Path) -> None:
    words = ["gate.dot", "--answer", "review_gate=Fix", "--max-steps", "6"]
    result = attractor("simulate", *words, folder=folder)
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert "stopped: the limit of 6 steps was reached" in lines
    assert "loop, 2 times: review_gate -> fixes -> review_gate" in lines
    assert "never visited: exit, ship_it" in lines
    record = json.loads(attractor("simulate", *words, "--json", folder=folder).stdout)
    assert (record["is_cut"], record["outcome"]) == (True, "")
    assert record["loops"] == [{"nodes": ["review_gate", "fixes"], "times": 2}]


def test_json_contains_every_step(folder: Path) -> None:
    words = ["branch.dot", "--outcomes", "o.toml", "--json"]
    record = json.loads(attractor("simulate", *words, folder=folder).stdout)
    assert (record["outcome"], record["reason"], record["node"]) == ("success", "completed", "exit")
    judged = record["steps"][4]
    assert (judged["node"], judged["hands_on"], judged["next"]) == ("gate", "fail", "implement")
    assert [one["fate"] for one in judged["routes"][0]["candidates"]] == [
        "its condition is false",
        "taken",
    ]
    assert judged["routes"][0]["edge"]["line"] == 15
    assert record["never_taken"] == []


def test_failing_walk_exits_with_0(folder: Path) -> None:
    result = attractor("simulate", "branch.dot", "--set", "plan=fail", folder=folder)
    assert result.returncode == 0
    assert "fail: simulated fail of plan (at plan, 2 steps)" in result.stdout
    assert "it is not followed after a failure" in result.stdout
    done = attractor("simulate", "-", "--json", folder=folder, typed=BRANCH)
    assert done.returncode == 0
    assert json.loads(done.stdout)["outcome"] == "success"


def test_branches_are_shown_with_their_keys(folder: Path, snapshot: SnapshotAssertion) -> None:
    result = attractor("simulate", "fan.dot", "--set", "a=fail", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == snapshot
    words = ["simulate", "fan.dot", "--set", "a=fail", "--json"]
    record = json.loads(attractor(*words, folder=folder).stdout)
    assert record["path"] == ["start", "fan", "a", "b", "exit"]
    found = attractor("simulate", "fan.dot", "--coverage", folder=folder)
    assert found.stdout.startswith("5 of 5 nodes")


def test_coverage_lists_unreachable_nodes_and_edges(
    folder: Path, snapshot: SnapshotAssertion
) -> None:
    result = attractor("simulate", "dead.dot", "--coverage", folder=folder)
    assert result.returncode == 0
    assert result.stdout == snapshot
    words = ["simulate", "dead.dot", "--coverage", "--json"]
    record = json.loads(attractor(*words, folder=folder).stdout)
    assert record["unreachable_nodes"] == ["dead"]
    assert [one["target"] for one in record["unreachable_edges"]] == ["exit", "dead"]
    assert (record["only_suggested"], record["untried"]) == ([], [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["branch.dot", "--set", "tset=fail"], "unknown node 'tset'"),
        (["branch.dot", "--set", "validate=fial"], "did you mean fail?"),
        (["branch.dot", "--set", "validate"], "write NODE=OUTCOME"),
        (["branch.dot", "--answer", "gaet=Yes"], "unknown node 'gaet'"),
        (["branch.dot", "--answer", "gate=Yes"], "node 'gate' is not a human gate"),
        (["branch.dot", "--set", "gate=fail"], "name the stage before it"),
        (["branch.dot", "--outcomes", "no.toml"], "no.toml: No such file"),
        (["branch.dot", "--max-steps", "0"], "0 is not in the range"),
        (["no.dot"], "cannot read no.dot"),
        (["gate.dot", "--answer", "review_gate=Maybe"], "'review_gate' has no choice 'Maybe'"),
        (["gate.dot", "--answer", "review_gate=Aprove"], "did you mean"),
        (["branch.dot", "--coverage", "--set", "plan=fail"], "cannot be combined with --set"),
        (
            ["branch.dot", "--coverage", "--outcomes", "o.toml"],
            "cannot be combined with --outcomes",
        ),
        (
            ["gate.dot", "--coverage", "--answer", "review_gate=F"],
            "cannot be combined with --answer",
        ),
        (
            ["branch.dot", "--coverage", "--max-steps", "1000", "--set", "plan=fail"],
            "cannot be combined with --set and --max-steps (remove --coverage or",
        ),
    ],
)
def test_wrong_usage_ends_with_2(folder: Path, words: list[str], said: str) -> None:
    result = attractor("simulate", *words, folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr


def test_run_reads_outcomes_from_toml(folder: Path) -> None:
    words = ["run", "branch.dot", "--backend", "simulate", "--outcomes", "o.toml"]
    more = ["--workspace", "none", "--sandbox", "none", "--run-dir", "one", "--json"]
    result = attractor(*words, *more, folder=folder, variables={"HOME": str(folder)})
    record = json.loads(result.stdout.splitlines()[-1])
    simulated = attractor("simulate", *words[1:2], *words[4:], "--json", folder=folder)
    assert [*record["completed"], "exit"] == json.loads(simulated.stdout)["path"]
