from hypothesis import given, strategies as st

from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.routing.edge_selection import (
    CandidateVerdict,
    EdgeCandidate,
    Route,
    RouteReason,
    continues_after_failure,
    find_jump,
    find_loops,
    make_lookup,
    route_failure,
    route_join,
    select_edge,
)
from attractor.language.graph.graph import Edge, Node
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import edge, end, graph, node, start
from tests.tables import table


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


def test_pipeline_error_takes_no_edge() -> None:
    route = choose([edge("a", "b", "outcome=fail")], failure("x", FailureClass.PIPELINE))
    assert route.reason is RouteReason.FAILED


def test_each_edge_has_the_reason_why_it_was_not_selected() -> None:
    edges = [
        edge("a", "b", "context.ready=true"),
        edge("a", "judge", "context.ready=true", weight=2),
        edge("a", "c", "context.ready=true"),
        edge("a", "exit", "context.ready=false"),
        edge("a", "b"),
        edge("a", "start", "context.ready=true", weight=2),
    ]
    route = choose(edges, success(ready=True))
    assert [one.fate for one in route.candidates] == [
        CandidateVerdict.WEIGHS_LESS,
        CandidateVerdict.WON,
        CandidateVerdict.WEIGHS_LESS,
        CandidateVerdict.CONDITION_FALSE,
        CandidateVerdict.DECIDED_BEFORE,
        CandidateVerdict.COMES_LATER,
    ]
    nowhere = choose(edges[:1], success(ready=False))
    candidates = (EdgeCandidate(edges[0], CandidateVerdict.CONDITION_FALSE),)
    assert nowhere == Route("", RouteReason.NO_ROUTE, candidates=candidates)


NO_WAY = [edge("a", "b", "context.ready=true"), edge("a", "exit"), edge("a", "c")]


@table(
    ("at", "kind", "target", "reason"),
    [
        ({}, FailureClass.RETRYABLE, "", RouteReason.FAILED),
        ({"retry_target": "b"}, FailureClass.PIPELINE, "", RouteReason.FAILED),
        ({"retry_target": "b"}, FailureClass.TERMINAL, "b", RouteReason.RETRY_TARGET),
        ({"fallback_retry_target": "c"}, None, "c", RouteReason.FALLBACK_RETRY_TARGET),
        ({"retry_target": "gone", "fallback_retry_target": "c"}, None, "c", None),
    ],
)
def test_edges_not_followed_after_a_failure_have_a_reason(
    at: dict[str, Plain], kind: FailureClass, target: str, reason: RouteReason | None
) -> None:
    route = choose(NO_WAY, failure("x", kind), at=node("a", **at))
    assert (route.target, route.edge) == (target, None)
    assert route.reason is (reason or RouteReason.FALLBACK_RETRY_TARGET)
    fates = [one.fate for one in route.candidates]
    assert fates == [
        CandidateVerdict.CONDITION_FALSE,
        CandidateVerdict.AFTER_FAILURE,
        CandidateVerdict.AFTER_FAILURE,
    ]


def test_failure_without_an_unconditional_edge_cannot_be_stepped_over() -> None:
    route = choose(NO_WAY[:1], failure("x"), on_failure="continue")
    assert (route.target, route.reason) == ("", RouteReason.FAILED)
    assert [one.fate for one in route.candidates] == [CandidateVerdict.CONDITION_FALSE]


@table(
    ("of_node", "of_graph", "continues"),
    [("", "", False), ("", "continue", True), ("continue", "", True), ("fail", "continue", False)],
)
def test_on_failure_of_a_node_overrides_that_of_the_graph(
    of_node: str, of_graph: str, continues: bool
) -> None:
    at = node("a", on_failure=of_node) if of_node else node("a")
    whole = graph([at], [], **({"on_failure": of_graph} if of_graph else {}))
    assert continues_after_failure(whole, at) is continues


def test_only_a_goal_gate_jumps_to_the_target_of_the_graph() -> None:
    gate, other = node("gate", goal_gate=True, retry_target="b"), node("other")
    whole = graph([gate, other], [edge("other", "c")], fallback_retry_target="c")
    assert find_jump(whole, other) is None
    assert find_jump(whole, gate) == Route("c", RouteReason.GOAL_GATE)
    whole = graph([gate, node("b")], [], retry_target="c")
    assert find_jump(whole, gate) == Route("b", RouteReason.RETRY_TARGET)


@table(
    ("outcome", "target", "reason"),
    [
        (success(), "meet", RouteReason.JOIN),
        (failure("x"), "c", RouteReason.RETRY_TARGET),
        (failure("x", FailureClass.PIPELINE), "", RouteReason.FAILED),
    ],
)
def test_branches_join_or_jump_after_their_failure(
    outcome: Outcome, target: str, reason: RouteReason
) -> None:
    fork = node("a", "component", retry_target="c")
    whole = graph([fork], [edge("a", "b"), edge("a", "c")])
    route = route_join(whole, fork, outcome, "meet")
    assert (route.target, route.reason, route.edge) == (target, reason, None)
    assert [one.fate for one in route.candidates] == [
        CandidateVerdict.A_BRANCH,
        CandidateVerdict.A_BRANCH,
    ]


CONTEXT: dict[str, Json] = {
    "flag": True,
    "count": 3,
    "context.own": "dotted",
    "outcome": "stale",
    "nothing": None,
    "list": [1],
}


@table(
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


@table(
    ("output", "compared"),
    [("yes\n", "yes"), ("yes", "yes"), ("a\nb\n\n", "a\nb\n"), ("\n", ""), ("", "")],
)
def test_last_newline_of_tool_output_is_not_compared(output: str, compared: str) -> None:
    updates: dict[str, Json] = {"tool.output": output, "context.note": "yes\n"}
    lookup = make_lookup(StageStatus.SUCCESS, "", updates)
    assert (lookup("tool.output"), lookup("context.tool.output")) == (compared, compared)
    assert lookup("context.note") == "yes\n"


def test_path_without_a_loop() -> None:
    assert find_loops(["start", "plan", "exit"]) == {}
    assert find_loops([]) == {}


def test_loop_counts_from_any_entry() -> None:
    assert find_loops("sabcabcax") == {("a", "b", "c"): 2}
    # The loop is entered once at b, and once at a.
    assert find_loops("xbabxaba") == {("b", "a"): 2, ("x", "b"): 1}
    assert find_loops("sabcabqcab") == {("a", "b", "c"): 1, ("a", "b", "q", "c"): 1}


def test_repeated_node_is_a_loop() -> None:
    assert find_loops(["a", "a", "a"]) == {("a",): 2}


def test_nested_loops_are_distinguished() -> None:
    assert find_loops("abcbcbda") == {("b", "c"): 2, ("a", "b", "d"): 1}


@given(st.lists(st.sampled_from("abcd")))
def test_every_step_is_in_a_loop_or_on_the_path(path: list[str]) -> None:
    loops = find_loops(path)
    left = len(path) - sum(len(loop) * times for loop, times in loops.items())
    assert left == len(dict.fromkeys(path)) if not loops else 0 <= left <= len(set(path))
    assert all(len(set(loop)) == len(loop) for loop in loops)
