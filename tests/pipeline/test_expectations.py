"""A walk is held against what is expected of it."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.engine.simulation.walk import SimulatedWalk
from attractor.language.source.parse import parse
from attractor.pipeline.expectations import differences, fits, run_tests
from attractor.pipeline.pipeline_tests import GAP, Expected, open_tests
from attractor.pipeline.simulation import Script, simulate
from tests.language.pipelines import BRANCH, HUMAN_GATE

PATH = ("start", "plan", "implement", "validate", "gate", "exit")


@pytest.fixture(scope="module")
def walk() -> SimulatedWalk:
    return asyncio.run(simulate(parse(BRANCH), Script()))


@pytest.mark.parametrize(
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
def test_a_gap_stands_for_any_nodes(expected: str, fit: bool) -> None:
    assert fits([GAP if one == "." else one for one in expected], "abc") is fit


@given(st.lists(st.sampled_from("ab")), st.data())
def test_a_path_with_any_part_left_out_fits(path: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(path)))
    end = data.draw(st.integers(at, len(path)))
    assert fits([*path[:at], GAP, *path[end:]], path)


def test_what_is_as_expected_differs_in_nothing(walk: SimulatedWalk) -> None:
    expected = Expected(
        path=PATH,
        outcome="success",
        visits={"plan": 1},
        edges=("plan->implement", "gate -> exit"),
    )
    assert list(differences(expected, walk)) == []


@pytest.mark.parametrize(
    ("expected", "what", "wanted", "was"),
    [
        (Expected(path=("start", "exit")), "path", "start -> exit", " -> ".join(PATH)),
        (Expected(outcome="fail"), "outcome", "fail", "success: completed"),
        (Expected(visits={"plan": 2}), "visits of plan", "2", "1"),
        (Expected(not_visited=("plan",)), "visits of plan", "none", "1"),
        (Expected(edges=("gate->implement",)), "edge gate -> implement", "taken", "not taken"),
    ],
)
def test_what_is_not_as_expected_is_told(
    walk: SimulatedWalk, expected: Expected, what: str, wanted: str, was: str
) -> None:
    (found,) = differences(expected, walk)
    assert (found.what, found.expected, found.actual) == (what, wanted, was)


def test_a_walk_that_was_cut_off_has_no_outcome() -> None:
    script = Script(answers={"review_gate": ["Fix"]}, max_steps=7)
    cut = asyncio.run(simulate(parse(HUMAN_GATE), script))
    (found,) = differences(Expected(outcome="fail"), cut)
    assert found.actual == "none: the limit of 7 steps was reached"


def test_every_test_of_a_file_is_run(tmp_path: Path) -> None:
    (tmp_path / "b.dot").write_text(BRANCH)
    text = "[[test]]\nexpect.outcome='success'\n[[test]]\nexpect.outcome='fail'\n"
    (tmp_path / "b.test.toml").write_text(text)
    results = asyncio.run(run_tests(open_tests(tmp_path / "b.test.toml")))
    assert [one.is_passed for one in results] == [True, False]


TWINS = """digraph Twins {
    start [shape=Mdiamond]; exit [shape=Msquare]; ask [shape=hexagon]
    start -> ask
    ask -> exit [label="Yes -> on", condition="context.human.gate.selected=Y"]
    ask -> exit [label="No"]
}"""


@pytest.mark.parametrize(
    ("edge", "is_taken"),
    [
        ("ask->exit", True),
        ('ask -> exit "No"', True),
        ('ask -> exit "Yes -> on"', False),
        ('ask -> exit "Yes -> on" [context.human.gate.selected=Y]', False),
        ("ask -> exit [context.human.gate.selected=Y]", False),
    ],
)
def test_an_edge_is_told_from_another_between_the_same_nodes(
    tmp_path: Path, edge: str, is_taken: bool
) -> None:
    (tmp_path / "twins.dot").write_text(TWINS)
    text = f"[[test]]\nanswers = {{ ask = 'No' }}\nexpect.edges = ['{edge}']\n"
    (tmp_path / "twins.test.toml").write_text(text)
    [result] = asyncio.run(run_tests(open_tests(tmp_path / "twins.test.toml")))
    assert result.is_passed == is_taken
