"""Test files of pipelines: search, syntax errors, and comparison with a walk."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.engine.outcome import StageStatus
from attractor.engine.simulation.walk import SimulatedWalk
from attractor.language.diagnostics import UnreadablePipeline
from attractor.language.reading import parse
from attractor.pipeline.simulation.pipeline_tests import (
    GAP,
    Expected,
    differences,
    find_test_files,
    fits,
    open_tests,
    run_tests,
)
from attractor.pipeline.simulation.simulate import Script, simulate
from tests.language.pipelines import BRANCH, HUMAN_GATE
from tests.tables import table

WHOLE = """
[[test]]
name = "a red test is mended"
outcomes = { validate = ["fail", "success"] }
context = { ticket = "T-1" }
max_steps = 20
expect.path = ["start", "...", "exit"]
expect.outcome = "success"
expect.visits = { implement = 2 }
expect.edges = ["gate->implement"]
expect.not_visited = []

[[test]]
expect.outcome = "success"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "branch.dot").write_text(BRANCH)
    (tmp_path / "branch.test.toml").write_text(WHOLE)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "gate.dot").write_text(HUMAN_GATE)
    text = 'answers = { review_gate = "Fix" }\nexpect.outcome = "fail"\n'
    (tmp_path / "deep" / "gate.test.toml").write_text(f"[[test]]\n{text}")
    return tmp_path


def test_test_file_is_read(folder: Path) -> None:
    tests = open_tests(folder / "branch.test.toml")
    assert tests.pipeline == folder / "branch.dot"
    first, second = tests.tests
    assert (first.name, second.name) == ("a red test is mended", "test 2")
    said = first.script.outcomes.at("validate", 1)
    assert said is not None
    assert said.status is StageStatus.FAIL
    assert (first.script.context, first.script.max_steps) == ({"ticket": "T-1"}, 20)
    assert first.expected.path == ("start", "...", "exit")
    assert (first.expected.outcome, first.expected.visits) == ("success", {"implement": 2})
    assert (first.expected.edges, second.expected.path) == (("gate->implement",), None)


def test_one_answer_is_a_list_of_one(folder: Path) -> None:
    tests = open_tests(folder / "deep" / "gate.test.toml").tests
    assert tests[0].script.answers == {"review_gate": ("Fix",)}


def test_another_pipeline_can_be_named(folder: Path) -> None:
    file = folder / "other.test.toml"
    file.write_text('pipeline = "deep/gate.dot"\n[[test]]\nexpect.outcome = "success"\n')
    assert open_tests(file).graph.name == "Review"


def test_tests_are_found_by_file_by_pipeline_and_by_folder(folder: Path) -> None:
    file, deep = folder / "branch.test.toml", folder / "deep" / "gate.test.toml"
    assert find_test_files(file) == find_test_files(folder / "branch.dot") == [file]
    assert find_test_files(folder) == [file, deep]


@pytest.mark.parametrize(
    ("named", "words"),
    [("lonely.dot", "lonely.dot has no tests"), ("empty", r"no \*.test.toml found in")],
)
def test_missing_tests_are_reported(folder: Path, named: str, words: str) -> None:
    (folder / "lonely.dot").write_text(BRANCH)
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=words) as caught:
        find_test_files(folder / named)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("", "test: Field required", ""),
        ("test = 3", "test: Input should be a list", ""),
        ("[[test]]\nanwsers = {}\nexpect.outcome='fail'", "test 1 has no key 'anwsers'", ""),
        ("[[test]]\nexpect.outcome='faild'", "test 1.expect.outcome: Input should be", ""),
        ("[[test]]\nmax_steps='9'\nexpect.outcome='fail'", "max_steps: Input should be", ""),
        ("[[test]]\nmax_steps=0\nexpect.outcome='fail'", "max_steps: Input should be", ""),
        ("[[test]]\nexpect={}", "test 1: it has no expectation", "expect.path"),
        ("[[test]]\nname='x'\nexpect.path=['plna']", "x: unknown node 'plna'", "did you mean plan"),
        ("[[test]]\nexpect.visits={plna=1}", "unknown node 'plna'", "did you mean plan?"),
        ("[[test]]\nexpect.not_visited=['plna']", "unknown node 'plna'", "did you mean plan?"),
        ("[[test]]\nexpect.edges=['gate->plna']", "unknown edge 'gate -> plna'", ""),
        ("[[test]]\nanswers={plna='x'}\nexpect.outcome='fail'", "unknown node 'plna'", "plan"),
        (
            "[[test]]\noutcomes={plan='fial'}\nexpect.outcome='fail'",
            "test 1: outcome of node 'plan': 'outcome' cannot be 'fial'",
            "did you mean fail?",
        ),
        ("[[test]]\ncontext={a=2026-01-01}\nexpect.outcome='fail'", "type date at a", "quotes"),
        ("[[test]]\nanswers={gate=[]}\nexpect.outcome='fail'", "the list is empty", "one"),
        ("[[test", ":1:7: invalid TOML: Expected", "close the name of the table with ]]"),
    ],
)
def test_mistake_names_file_test_and_key(folder: Path, text: str, words: str, hint: str) -> None:
    file = folder / "branch.test.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        open_tests(file)
    assert str(caught.value).startswith(str(file))
    assert words in str(caught.value)
    assert hint in caught.value.hint


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*no.test.toml"):
        open_tests(folder / "no.test.toml")
    (folder / "no.test.toml").write_text(WHOLE)
    with pytest.raises(UnreadablePipeline, match=r"no\.dot"):
        open_tests(folder / "no.test.toml")


PATH = ("start", "plan", "implement", "validate", "gate", "exit")


@pytest.fixture(scope="module")
def walk() -> SimulatedWalk:
    return asyncio.run(simulate(parse(BRANCH), Script()))


@table(
    ("expected", "fit"),
    [
        ("abc", True),
        ("ab", False),
        ("abcd", False),
        ("a.c", True),
        ("a.", True),
        (".c", True),
        (".", True),
        (".b.", True),
        (".ab.c.", True),
        ("abc.", True),
        (".abc", True),
        (".b", False),
        ("b.", False),
        (".ac.", False),
        ("ab.bc", False),
        ("a.b.b.c", False),
        ("", False),
    ],
)
def test_gap_matches_any_nodes(expected: str, fit: bool) -> None:
    assert fits([GAP if one == "." else one for one in expected], "abc") is fit


@given(st.lists(st.sampled_from("ab")), st.data())
def test_a_path_with_any_part_left_out_fits(path: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(path)))
    end = data.draw(st.integers(at, len(path)))
    assert fits([*path[:at], GAP, *path[end:]], path)


def test_expected_walk_has_no_differences(walk: SimulatedWalk) -> None:
    expected = Expected(
        path=PATH, outcome="success", visits={"plan": 1}, edges=("plan->implement", "gate -> exit")
    )
    assert list(differences(expected, walk)) == []


@table(
    ("expected", "what", "wanted", "was"),
    [
        (Expected(path=("start", "exit")), "path", "start -> exit", " -> ".join(PATH)),
        (Expected(outcome="fail"), "outcome", "fail", "success: completed"),
        (Expected(visits={"plan": 2}), "visits of plan", "2", "1"),
        (Expected(not_visited=("plan",)), "visits of plan", "none", "1"),
        (Expected(edges=("gate->implement",)), "edge gate -> implement", "taken", "not taken"),
    ],
)
def test_differences_are_listed(
    walk: SimulatedWalk, expected: Expected, what: str, wanted: str, was: str
) -> None:
    (found,) = differences(expected, walk)
    assert (found.what, found.expected, found.actual) == (what, wanted, was)


def test_a_walk_that_was_cut_off_has_no_outcome() -> None:
    script = Script(answers={"review_gate": ["Fix"]}, max_steps=7)
    cut = asyncio.run(simulate(parse(HUMAN_GATE), script))
    (found,) = differences(Expected(outcome="fail"), cut)
    assert found.actual == "none: the limit of 7 steps was reached"


TWINS = """digraph Twins {
    start [shape=Mdiamond]; exit [shape=Msquare]; ask [shape=hexagon]
    start -> ask
    ask -> exit [label="Yes -> on", condition="context.human.gate.selected=Y"]
    ask -> exit [label="No"]
}"""


@table(
    ("edge", "is_taken"),
    [
        ("ask->exit", True),
        ('ask -> exit "No"', True),
        ('ask -> exit "Yes -> on"', False),
        ('ask -> exit "Yes -> on" [context.human.gate.selected=Y]', False),
        ("ask -> exit [context.human.gate.selected=Y]", False),
    ],
)
def test_parallel_edges_are_distinguished(tmp_path: Path, edge: str, is_taken: bool) -> None:
    (tmp_path / "twins.dot").write_text(TWINS)
    text = f"[[test]]\nanswers = {{ ask = 'No' }}\nexpect.edges = ['{edge}']\n"
    (tmp_path / "twins.test.toml").write_text(text)
    [result] = asyncio.run(run_tests(open_tests(tmp_path / "twins.test.toml")))
    assert result.is_passed == is_taken
