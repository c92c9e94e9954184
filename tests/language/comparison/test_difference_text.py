"""Text and JSON form of a difference."""

import json

from syrupy.assertion import SnapshotAssertion

from attractor.language import diff, parse
from attractor.language.comparison.difference import difference_record, difference_text
from tests.tables import table

BEFORE = """digraph Before {
    goal="x"
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="Plan it", max_retries=2]
    lint [shape=parallelogram, tool_command="ruff check"]
    test [prompt="Run
the tests
now"]
    subgraph cluster_old { label="Old"; lint }
    start -> plan -> lint -> test -> exit
    test -> plan [condition="outcome=fail"]
    test -> lint [condition="outcome=success"]
}"""
AFTER = """digraph After {
    goal="y"
    start [shape=Mdiamond]; exit [shape=Msquare]
    planning [prompt="Plan it", max_retries=2]
    review [shape=hexagon, label="Fine?\\x1b[31m"]
    test [prompt="Run
all tests
now", timeout=90s]
    subgraph cluster_loop { label="Loop"; test }
    start -> planning -> test -> review -> exit
    test -> start [condition="outcome=fail"]
}""".replace("\\x1b", "\x1b")


def test_text_and_json_of_a_difference(snapshot: SnapshotAssertion) -> None:
    assert difference_text(diff(parse(BEFORE), parse(AFTER))) == snapshot
    record = difference_record(diff(parse(BEFORE), parse(AFTER)))
    assert json.dumps(record, indent=2) == snapshot
    assert difference_text(diff(parse(BEFORE), parse(BEFORE))) == ""


@table(
    ("before", "after", "line"),
    [
        ("subgraph x { a }", "a", "moved out of subgraph x"),
        (
            "subgraph x { a } subgraph y { b }",
            "subgraph y { b; a }",
            "moved from subgraph x into y",
        ),
        ("subgraph x { label=X; a }", "subgraph x { a }", "- label: X"),
        ("a -> b; a -> c", "a -> c; a -> b", "~ the order of the outgoing edges of a changed"),
    ],
)
def test_moves_and_order_are_lines(before: str, after: str, line: str) -> None:
    old, new = (parse(f"digraph G {{ {text} }}") for text in (before, after))
    assert line in difference_text(diff(old, new))
