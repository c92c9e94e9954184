""""""

import pytest

from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.routing.edge_selection import (
    Fate,
    Route,
    RouteReason,
    make_lookup,
    route_failure,
    route_join,
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


def test_a_condition_goes_before_labels_and_weights() -> None:
    edges = [
        edge("a", "b", label="Go", weight=9),
        edge("a", "c", "outcome=success"),
        edge("a", "exit", "outcome=success", weight=2),
    ]
    route = choose(edges, Outcome(StageStatus.SUCCESS, preferred_label="Go"))
    assert (route.target, route.reason, route.edge) == ("exit", RouteReason.CONDITION, edges[2])
    assert [one.fate for one in route.candidates] == [
        Fate.DECIDED_BEFORE,
        Fate.WEIGHS_LESS,
        Fate.WON,
    ]


def test_the_first_edge_with_the_preferred_label_is_taken() -> None:
    edges = [
        edge("a", "b", weight=9),
        edge("a", "c", label="[F] Fix it"),
        edge("a", "exit", label="fix it", weight=5),
        edge("a", "d", "outcome=retry", label="Fix it"),
    ]
    route = choose(edges, Outcome(StageStatus.SUCCESS, preferred_label=" FIX IT"))
    assert (route.target, route.reason) == ("c", RouteReason.PREFERRED_LABEL)


def test_suggestions_are_tried_in_their_order() -> None:
    edges = [edge("a", "b", weight=9), edge("a", "c"), edge("a", "exit")]
    said = Outcome(StageStatus.SUCCESS, suggested_next_ids=("nowhere", "exit", "c"))
    assert choose(edges, said).reason is RouteReason.SUGGESTED_NEXT_ID
    assert choose(edges, said).target == "exit"


def test_the_heaviest_edge_wins_and_then_the_first_in_the_alphabet() -> None:
    edges = [edge("a", "c"), edge("a", "b"), edge("a", "exit", weight=-1)]
    route = choose(edges, success())
    assert (route.target, route.reason) == ("b", RouteReason.WEIGHT)
    assert [one.fate for one in route.candidates] == [
        Fate.COMES_LATER,
        Fate.WON,
        Fate.WEIGHS_LESS,
    ]


def test_without_a_way_there_is_no_route() -> None:
    assert choose([edge("a", "b", "outcome=retry")], success()).reason is RouteReason.NO_ROUTE
    assert choose([], success()).reason is RouteReason.NO_EDGES


def test_conditions_see_the_context() -> None:
    edges = [edge("a", "b", "context.ready=true"), edge("a", "c")]
    assert choose(edges, success(ready=True)).target == "b"
    assert choose(edges, success(ready=False)).target == "c"


def test_a_failure_takes_no_plain_edge() -> None:
    route = choose([edge("a", "b")], failure("broken"))
    assert (route.target, route.reason) == ("", RouteReason.FAILED)
    assert [one.fate for one in route.candidates] == [Fate.AFTER_FAILURE]


def test_a_failure_takes_the_ways_in_their_order() -> None:
    here = node("a", retry_target="b", fallback_retry_target="c")
    plain = edge("a", "exit", weight=9)
    judged = edge("a", "judge")
    named = edge("a", "c", label="Mend")
    held = edge("a", "b", "outcome=fail")
    said = Outcome(StageStatus.FAIL, preferred_label="mend")
    assert choose([plain, judged, named, held], said, at=here).reason is RouteReason.CONDITION
    assert choose([plain, judged, named], said, at=here).reason is RouteReason.PREFERRED_LABEL
    assert choose([plain, judged], said, at=here).reason is RouteReason.INTO_CONDITIONAL
    jump = choose([plain], said, at=here)
    assert (jump.target, jump.reason, jump.edge) == ("b", RouteReason.RETRY_TARGET, None)
    fallback = node("a", retry_target="typo", fallback_retry_target="c")
    assert choose([plain], said, at=fallback).reason is RouteReason.FALLBACK_RETRY_TARGET


def test_only_a_goal_gate_jumps_to_the_graphs_targets() -> None:
    gate = node("a", goal_gate=True)
    assert choose([], failure("x"), at=gate, retry_target="b").reason is RouteReason.GOAL_GATE
    assert choose([], failure("x"), retry_target="b").reason is RouteReason.FAILED


def test_a_failure_is_stepped_over_only_where_it_is_said() -> None:
    edges = [edge("a", "b")]
    over = choose(edges, failure("x"), on_failure="continue")
    assert (over.target, over.reason) == ("b", RouteReason.ON_FAILURE)
    assert not over.is_handled_failure
    own = node("a", on_failure="stop")
    assert choose(edges, failure("x"), at=own, on_failure="continue").target == ""
    mended = choose(edges, failure("x"), at=node("a", on_failure="continue", retry_target="c"))
    assert mended.is_handled_failure


def test_a_fault_of_the_pipeline_has_no_way_out() -> None:
    route = choose([edge("a", "b", "outcome=fail")], failure("x", FailureClass.PIPELINE))
    assert route.reason is RouteReason.FAILED


def test_where_branches_meet_no_edge_is_taken() -> None:
    here = node("a", fallback_retry_target="c")
    whole = graph([here, node("c")], [edge("a", "b", "outcome=fail")])
    joined = route_join(whole, whole.nodes["a"], success(), "c")
    assert (joined.target, joined.reason, joined.edge) == ("c", RouteReason.JOIN, None)
    assert [one.fate for one in joined.candidates] == [Fate.A_BRANCH]
    failed = route_join(whole, whole.nodes["a"], failure("x"), "c")
    assert (failed.target, failed.reason) == ("c", RouteReason.FALLBACK_RETRY_TARGET)
    final = route_join(whole, whole.nodes["a"], failure("x", FailureClass.PIPELINE), "c")
    assert (final.target, final.reason) == ("", RouteReason.FAILED)


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
