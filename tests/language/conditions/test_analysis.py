"""Conditions that can never be true, and possible outcomes."""

from attractor.language.conditions.analysis import ANOTHER, assignments, could_hold, words_for
from attractor.language.conditions.parse import parse_condition
from attractor.language.graph.paths import possible_outcomes
from attractor.language.reading import parse
from tests.tables import table


@table(
    ("node", "outcomes"),
    [
        ("start", "success"),
        ("exit", "success"),
        ("a", "success partial_success fail"),
        ("a [shape=diamond]", "success partial_success fail"),
        ("a [shape=parallelogram]", "success fail"),
        ("a [shape=hexagon]", "success fail"),
        ("a [shape=hexagon, allow_partial=true]", "success partial_success fail"),
        ("a [type=mine]", "success partial_success fail skipped"),
    ],
)
def test_satisfiable_edge_conditions(node: str, outcomes: str) -> None:
    graph = parse(f"digraph G {{ start; exit; {node} }}")
    assert [*possible_outcomes(graph, graph.nodes[node.split()[0]])] == outcomes.split()


@table(
    ("condition", "outcome", "is_possible"),
    [
        ("outcome=success", "success", True),
        ("outcome=success", "fail", False),
        ("outcome!=success", "fail", True),
        ("outcome=failed", "fail", True),
        ("outcome=success && context.x=1", "success", True),
        ("context.x=1", "fail", True),
        ("context.x=1 && context.x=2", "success", False),
        ("outcome=success || context.x=1", "fail", True),
        ("!(outcome=success)", "success", False),
        ("context.x>5", "success", True),
        ("outcome=", "success", True),
    ],
)
def test_satisfiable_conditions(condition: str, outcome: str, is_possible: bool) -> None:
    graph = parse(f'digraph G {{ a -> b [condition="{condition}"] }}')
    assert could_hold(graph.edges[0].condition, [outcome]) is is_possible


def test_tried_values_are_described() -> None:
    conditions = [parse_condition("outcome=fail"), parse_condition("context.x=1")]
    assert assignments(conditions, ["success", "fail"]) == [
        {"outcome": "success", "context.x": ANOTHER},
        {"outcome": "success", "context.x": "1"},
        {"outcome": "fail", "context.x": ANOTHER},
        {"outcome": "fail", "context.x": "1"},
    ]
    found = words_for({"outcome": "fail", "context.x": ANOTHER, "context.y": ""})
    assert found == "outcome is fail and context.x is something else and context.y is empty"
