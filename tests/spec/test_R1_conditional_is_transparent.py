"""Ruling R1: on the edges of a conditional, outcome and label are those of the stage before it."""

from pathlib import Path

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.language.reading import parse
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, Workplace, run_graph

BRANCH = """
digraph Branch {
    graph [goal="Implement and validate a feature"]
    rankdir=LR
    node [shape=box, timeout="900s"]

    start     [shape=Mdiamond, label="Start"]
    exit      [shape=Msquare, label="Exit"]
    plan      [label="Plan", prompt="Plan the implementation"]
    implement [label="Implement", prompt="Implement the plan"]
    validate  [label="Validate", prompt="Run tests"]
    gate      [shape=diamond, label="Tests passing?"]

    start -> plan -> implement -> validate -> gate
    gate -> exit      [label="Yes", condition="outcome=success"]
    gate -> implement [label="No", condition="outcome!=success"]
}
"""


def test_R1_the_specifications_branch_goes_both_ways(tmp_path: Path) -> None:
    result, place = run_graph(tmp_path, parse(BRANCH), {"validate": [FAIL, success()]})
    assert result.outcome is StageStatus.SUCCESS
    assert place.handler.nodes == ["plan", "implement", "validate", "implement", "validate"]
    gate = [edge for edge in place.edges() if edge[0] == "gate"]
    assert gate == [("gate", "implement", "condition"), ("gate", "exit", "condition")]


def test_R1_conditionals_in_a_row_hand_the_outcome_on(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("one", "diamond"), node("two", "diamond")],
        [
            *chain("start", "work", "one", "two"),
            edge("two", "exit", "outcome=fail && context.outcome=fail"),
            edge("two", "work"),
        ],
    )
    result, _ = run_graph(tmp_path, whole, {"work": FAIL})
    assert result.completed == ("start", "work", "one", "two")


def test_R1_the_preferred_label_is_handed_on(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("gate", "diamond")],
        [
            *chain("start", "work", "gate"),
            edge("gate", "exit", label="Ship"),
            edge("gate", "aaa", label="Fix"),
        ],
    )
    said = Outcome(StageStatus.SUCCESS, preferred_label="ship")
    result, _ = run_graph(tmp_path, whole, {"work": said})
    assert result.completed == ("start", "work", "gate")


def test_R1_the_outcome_outlives_a_crash(tmp_path: Path) -> None:
    whole = parse(BRANCH)
    place = Workplace(tmp_path / "run", whole, {"validate": FAIL, "implement": success()})

    class Dying:
        async def execute(self, stage: object) -> Outcome:
            raise KeyboardInterrupt

    quiet = place.handlers["conditional"]
    place.handlers["conditional"] = Dying()
    try:
        place.run()
    except KeyboardInterrupt:
        place.handlers["conditional"] = quiet
    place.handler.script = {}
    assert place.run().completed[-4:] == ("gate", "implement", "validate", "gate")


def test_R1_a_conditional_that_fails_itself_is_a_failure(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("gate", "diamond")],
        [*chain("start", "work", "gate"), edge("gate", "exit")],
    )
    place = Workplace(tmp_path / "run", whole)

    class Broken:
        async def execute(self, stage: object) -> Outcome:
            raise ValueError("bug")

    place.handlers["conditional"] = Broken()
    assert place.run().reason == "ValueError: bug"
