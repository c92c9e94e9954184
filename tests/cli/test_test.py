"""`attractor test`, used by people and by programs."""

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from attractor.cli.commands.test import aligned
from tests.cli.running import attractor
from tests.language.pipelines import BRANCH, HUMAN_GATE

GOOD = """
[[test]]
name = "green at once"
expect = { path = ["start", "plan", "...", "exit"], outcome = "success" }
"""
BAD = """
[[test]]
name = "approved at once"
expect.path = ["start", "review_gate", "ship_it", "exit"]

[[test]]
name = "two fixes"
answers = { review_gate = ["Fix", "Approve"] }
expect.path = ["start", "review_gate", "ship_it", "exit"]
expect.outcome = "fail"
expect.visits = { fixes = 2 }
expect.not_visited = ["review_gate"]
expect.edges = ["review_gate -> ship_it"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "branch.dot": BRANCH,
        "branch.test.toml": GOOD,
        "gate.dot": HUMAN_GATE,
        "gate.test.toml": BAD,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_passing_test_is_one_line(folder: Path) -> None:
    result = attractor("test", "branch.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "pass  branch.test.toml: green at once\n1 test, none failed\n"
    result = attractor("test", "branch.dot", "branch.test.toml", folder=folder)
    assert result.stdout.endswith("1 test, none failed\n")


def test_paths_are_aligned(folder: Path, snapshot: SnapshotAssertion) -> None:
    result = attractor("test", "gate.test.toml", folder=folder)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout == snapshot


def test_coverage_counts_the_edges_of_all_tests(folder: Path) -> None:
    result = attractor("test", ".", "--coverage", folder=folder)
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert "branch.dot: 5 of 6 edges taken" in lines
    assert '      never: gate -> implement "No" [outcome!=success]  (line 15)' in lines
    assert "gate.dot: 5 of 5 edges taken" in lines
    assert lines[-1] == "3 tests, 1 failed"


def test_stages_whose_receipt_is_not_taken_are_named(folder: Path) -> None:
    text = BRANCH.replace("plan ", 'plan [receipt="make test"]; plan ', 1)
    (folder / "branch.dot").write_text(text)
    lines = attractor("test", "branch.dot", folder=folder).stdout.splitlines()
    assert lines[1:] == [
        "no receipt was taken of plan: tests run no commands",
        "1 test, none failed",
    ]


def test_json_output_is_complete(folder: Path) -> None:
    record = json.loads(attractor("test", ".", "--json", folder=folder).stdout)
    assert (record["passed"], record["failed"]) == (2, 1)
    assert [one["name"] for one in record["tests"]] == [
        "green at once",
        "approved at once",
        "two fixes",
    ]
    assert record["tests"][2]["differences"][1] == {
        "what": "outcome",
        "expected": "fail",
        "actual": "success: completed",
    }
    assert [one["taken"] for one in record["coverage"]] == [5, 5]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no.dot", "cannot read no.dot"),
        ("broken.test.toml", "test 1 has no key 'anwsers', did you mean answers?"),
        ("alone.test.toml", "cannot read alone.dot"),
        ("heard.test.toml", "heard.test.toml: unheard: node 'plan' is not a human gate"),
        ("silent.test.toml", "silent.test.toml: test 1: node 'gate' is of type conditional"),
        ("-", "standard input has no test file"),
    ],
)
def test_an_invalid_file_ends_with_2_before_any_test(folder: Path, name: str, words: str) -> None:
    (folder / "broken.test.toml").write_text("[[test]]\nanwsers = {}\nexpect.outcome = 'fail'\n")
    (folder / "alone.test.toml").write_text(GOOD)
    of_branch = "pipeline = 'branch.dot'\n[[test]]\nexpect.outcome = 'fail'\n"
    heard = f"{of_branch}name = 'unheard'\nanswers = {{ plan = 'x' }}\n"
    (folder / "heard.test.toml").write_text(heard)
    (folder / "silent.test.toml").write_text(f"{of_branch}outcomes = {{ gate = 'fail' }}\n")
    result = attractor("test", "branch.dot", name, folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr


def test_aligned_paths() -> None:
    assert aligned(["start", "plan", "exit"], ["start", "implement", "exit"], gap="...") == [
        "expected  start  plan       exit",
        "actual    start  implement  exit",
        "                 ^^^^^^^^^",
    ]
    assert aligned(["a", "...", "d"], ["a", "b", "c", "d"], gap="...") == [
        "expected  a  ...     d",
        "actual    a  b    c  d",
    ]
    assert aligned(["a", "b"], ["a"], gap="...") == [
        "expected  a  b",
        "actual    a",
        "             ^",
    ]
    assert aligned(["a"], ["a"], gap="...") == ["expected  a", "actual    a"]


def test_long_paths_start_near_the_difference() -> None:
    path = [f"node{one}" for one in range(5000)]
    lines = aligned([*path[:4000], "other", *path[4000:]], path, gap="...")
    assert "node3997" in lines[0]
    assert "node3990" not in lines[0]
    assert any("other" in line for line in lines)
    assert len(lines) < 40
    assert max(map(len, lines)) <= 110
