import pytest

from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.routing.edge_selection import (
    Route,
    RouteReason,
    make_lookup,
    route_failure,
    select_edge,
)
from attractor.language.graph.graph import Edge, Node
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import edge, end, graph, node, start


def choose(
    edges: list[Edge], outcome: Outcome, *, at: Node | None = None, **attributes: Plain
) -> Route:
    """Return the route out of node `a`; `judge` is a conditional."""
    here = at or node("a")
    nodes = [start(), end(), here, node("judge", "diamond"), node("b"), node("c")]
    whole = graph(nodes, edges, **attributes)
    lookup = make_lookup(outcome.status, outcome.preferred_label, outcome.context_updates)
    failed = outcome.status is StageStatus.FAIL
    return (route_failure if failed else select_edge)(whole, here, outcome, lookup)


def test_conditions_see_the_context() -> None:
    edges = [edge("a", "b", "context.ready=true"), edge("a", "c")]
    assert choose(edges, success(ready=True)).target == "b"
    assert choose(edges, success(ready=False)).target == "c"


def test_a_fault_of_the_pipeline_has_no_way_out() -> None:
    route = choose([edge("a", "b", "outcome=fail")], failure("x", FailureClass.PIPELINE))
    assert route.reason is RouteReason.FAILED


CONTEXT: dict[str, Json] = {
    "flag": True,
    "count": 3,
    "context.own": "dotted",
    "outcome": "stale",
    "nothing": None,
    "list": [1],
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("outcome", "fail"),
        ("preferred_label", "Fix"),
        ("context.flag", "true"),
        ("flag", "true"),
        ("context.count", "3"),
        ("context.own", "dotted"),
        ("context.outcome", "stale"),
        ("nothing", ""),
        ("context.missing", ""),
        ("list", "[1]"),
    ],
)
def test_keys_are_resolved(key: str, value: str) -> None:
    assert make_lookup(StageStatus.FAIL, "Fix", CONTEXT)(key) == value


@pytest.mark.parametrize(
    ("output", "compared"),
    [("yes\n", "yes"), ("yes", "yes"), ("a\nb\n\n", "a\nb\n"), ("\n", ""), ("", "")],
)
def test_last_newline_of_tool_output_is_not_compared(output: str, compared: str) -> None:
    updates: dict[str, Json] = {"tool.output": output, "context.note": "yes\n"}
    lookup = make_lookup(StageStatus.SUCCESS, "", updates)
    assert (lookup("tool.output"), lookup("context.tool.output")) == (compared, compared)
    assert lookup("context.note") == "yes\n"
