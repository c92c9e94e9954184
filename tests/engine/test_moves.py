from attractor.engine.moves import NO_BOUNDS, Bounds, Decision, choose_move
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.progress import Progress, StageRecord, SteppedOver, Visit, begin
from attractor.engine.routing import Fate, RouteReason
from attractor.language.graph.graph import Graph
from tests.engine.graphs import chain, edge, end, graph, node, start

FAILED = StageRecord(1, StageStatus.FAIL)


def move(
    whole: Graph, at: str, outcome: Outcome, progress: Progress | None = None, number: int = 1
) -> Decision:
    return choose_move(whole, progress or begin(whole, "", {}), Visit(at, number, 1, outcome))


def test_a_stage_leads_to_the_next() -> None:
    decision = move(graph([start(), end()], chain("start", "a", "exit")), "start", success())
    assert decision.move.target == "a"
    assert decision.move.end is None


def test_the_exit_ends_the_walk_and_is_the_current_node() -> None:
    decision = move(graph([start(), end()], chain("start", "a", "exit")), "a", success())
    assert decision.move.end is not None
    assert (decision.move.end.status, decision.move.end.node) == (StageStatus.SUCCESS, "exit")
    assert decision.move.target == ""


def test_a_dead_end_ends_the_walk_at_its_stage() -> None:
    decision = move(graph([start(), end()], chain("start", "a")), "a", success())
    assert decision.move.end is not None
    assert (decision.move.end.status, decision.move.end.node) == (StageStatus.SUCCESS, "a")


def test_the_first_visited_gate_sends_the_walk_back() -> None:
    gates = [node("g1", goal_gate=True, retry_target="b"), node("g2", goal_gate=True)]
    whole = graph([start(), end(), *gates], chain("start", "a", "exit"), retry_target="start")
    progress = Progress("a", stages={"g2": FAILED, "g1": FAILED})
    decision = move(whole, "a", success(), progress)
    assert (decision.move.target, decision.move.redirects) == ("start", 1)
    assert [route.reason for route in decision.routes] == [
        RouteReason.WEIGHT,
        RouteReason.GOAL_GATE,
    ]


def test_a_gate_never_sends_the_walk_to_the_exit() -> None:
    gate = node("g", goal_gate=True, retry_target="exit")
    whole = graph([start(), end(), gate], chain("start", "g", "exit"))
    decision = move(whole, "start", success(), Progress("start", stages={"g": FAILED}))
    assert decision.move.target == "g"
    after = move(whole, "g", Outcome(StageStatus.SKIPPED))
    assert after.move.end is not None
    assert after.move.end.reason == "goal gate g unsatisfied and no retry target"


def test_redirects_are_bounded_and_the_limit_is_named() -> None:
    gate = node("g", goal_gate=True, retry_target="a")
    whole = graph([start(), end(), gate], chain("a", "g", "exit"), max_goal_gate_redirects=2)
    skipped = Outcome(StageStatus.SKIPPED)
    assert move(whole, "g", skipped, Progress("g", redirects=1)).move.target == "a"
    last = move(whole, "g", skipped, Progress("g", redirects=2)).move
    assert last.end is not None
    assert "max_goal_gate_redirects=2" in last.end.reason


def test_visits_are_bounded_exactly_and_the_limit_is_named() -> None:
    whole = graph([start(), end(), node("a", max_visits=2)], [*chain("b", "a"), *chain("a", "b")])
    once = Progress("b", stages={"a": StageRecord(1, StageStatus.SUCCESS)})
    assert move(whole, "b", success(), once).move.target == "a"
    twice = Progress("b", stages={"a": StageRecord(2, StageStatus.SUCCESS)})
    last = move(whole, "b", success(), twice).move
    assert last.end is not None
    assert last.end.reason == "node a: limit max_visits=2 reached"


def test_the_graphs_limit_counts_where_the_node_has_none() -> None:
    whole = graph([start(), end()], [edge("a", "a")], max_node_visits=1)
    last = move(whole, "a", success()).move
    assert last.end is not None
    assert "max_node_visits=1" in last.end.reason


def test_a_handled_failure_is_told_from_one_stepped_over() -> None:
    whole = graph(
        [start(), end()],
        [edge("a", "b", "outcome=fail"), edge("c", "b")],
        on_failure="continue",
    )
    handled = move(whole, "a", failure("x")).move
    over = move(whole, "c", failure("x")).move
    assert (handled.is_handled, handled.is_stepped_over) == (True, False)
    assert (over.is_handled, over.is_stepped_over) == (False, True)


def test_a_target_that_is_not_there_fails_the_run() -> None:
    whole = Graph("Test", {"a": node("a")}, (edge("a", "gone"),))
    last = choose_move(whole, Progress("a"), Visit("a", 1, 1, success())).move
    assert last.end is not None
    assert "'gone'" in last.end.reason


WITHIN = Bounds("join", frozenset({"plan"}))


def within(whole: Graph, at: str, outcome: Outcome, progress: Progress | None = None) -> Decision:
    """Decide within a branch that ends at `join`, and to which `plan` is outside."""
    return choose_move(whole, progress or Progress(at), Visit(at, 1, 1, outcome), WITHIN)


def ended(decision: Decision) -> tuple[StageStatus, str, str]:
    assert decision.move.end is not None
    return decision.move.end.status, decision.move.end.reason, decision.move.end.node


def test_a_branch_ends_where_branches_meet_as_its_last_stage_did() -> None:
    whole = graph([start(), end()], [edge("a", "join"), edge("b", "join", "outcome=fail")])
    assert ended(within(whole, "a", success())) == (StageStatus.SUCCESS, "completed", "join")
    partial = Outcome(StageStatus.PARTIAL_SUCCESS)
    assert ended(within(whole, "a", partial))[0] is StageStatus.PARTIAL_SUCCESS
    assert ended(within(whole, "b", failure("x"))) == (StageStatus.FAIL, "x", "join")
    assert ended(within(whole, "a", failure("x"))) == (StageStatus.FAIL, "x", "a")


def test_a_branch_that_stepped_over_a_failure_ends_in_part() -> None:
    whole = graph([start(), end()], [edge("a", "join"), edge("b", "join")], on_failure="continue")
    assert ended(within(whole, "a", failure("x")))[0] is StageStatus.PARTIAL_SUCCESS
    over = Progress("b", steps_over=(SteppedOver("a"),))
    assert ended(within(whole, "b", success(), over))[0] is StageStatus.PARTIAL_SUCCESS


def test_a_dead_end_ends_the_branch() -> None:
    whole = graph([start(), end(), node("a")], [])
    assert ended(within(whole, "a", success())) == (StageStatus.SUCCESS, "completed", "a")


def test_a_branch_does_not_leave_by_the_exit_and_no_gate_is_looked_at() -> None:
    whole = graph([start(), end(), node("g", goal_gate=True)], [edge("a", "exit")])
    progress = Progress("a", stages={"g": FAILED})
    told = "the branch leads to exit before branches meet at join"
    assert ended(within(whole, "a", success(), progress)) == (StageStatus.FAIL, told, "a")
    whole = graph([start(), end(), node("g", goal_gate=True)], [edge("a", "join")])
    assert ended(within(whole, "a", success(), progress))[0] is StageStatus.SUCCESS


def test_a_branch_does_not_go_where_it_came_from() -> None:
    whole = graph([start(), end(), node("b", retry_target="plan")], [edge("a", "plan")])
    told = "the branch leads to plan before branches meet at join"
    assert ended(within(whole, "a", success())) == (StageStatus.FAIL, told, "a")
    decision = within(whole, "b", failure("no disk"))
    assert ended(decision) == (StageStatus.FAIL, "no disk", "b")
    assert not decision.move.is_handled


def test_limits_hold_in_a_branch() -> None:
    whole = graph([start(), end(), node("b", max_visits=1)], [edge("a", "b")])
    progress = Progress("a", stages={"b": StageRecord(1, StageStatus.SUCCESS)})
    assert within(whole, "a", success()).move.target == "b"
    assert ended(within(whole, "a", success(), progress))[1] == "node b: limit max_visits=1 reached"


FORK = graph(
    [start(), end(), node("fan", "component", retry_target="mend"), node("mend")],
    [edge("fan", "a", "outcome=fail"), edge("fan", "b")],
    on_failure="continue",
)


def met(whole: Graph, outcome: Outcome, bounds: Bounds = NO_BOUNDS) -> Decision:
    visit = Visit("fan", 1, 1, outcome, meeting="join")
    nodes = {**whole.nodes, "join": node("join")}
    return choose_move(
        Graph("Test", nodes, whole.edges, whole.attributes), Progress("fan"), visit, bounds
    )


def test_the_walk_goes_on_where_the_branches_met() -> None:
    decision = met(FORK, Outcome(StageStatus.PARTIAL_SUCCESS, preferred_label="b"))
    assert (decision.move.target, decision.move.reason) == ("join", "join")
    assert [one.fate for one in decision.routes[0].candidates] == [Fate.A_BRANCH] * 2
    assert decision.routes[0].edge is None


def test_a_fork_that_failed_is_left_by_a_jump_alone() -> None:
    decision = met(FORK, failure("x", FailureClass.VERDICT))
    assert (decision.move.target, decision.move.reason) == ("mend", "retry_target")
    assert decision.move.is_handled
    assert ended(met(FORK, failure("x", FailureClass.PIPELINE)))[:2] == (StageStatus.FAIL, "x")
    nodes = {**FORK.nodes, "fan": node("fan", "component")}
    without = Graph("Test", nodes, FORK.edges, FORK.attributes)
    decision = met(without, failure("x"))
    assert ended(decision) == (StageStatus.FAIL, "x", "fan")
    assert not decision.move.is_stepped_over


def test_a_fork_whose_branches_meet_where_all_do_ends_the_branch() -> None:
    assert ended(met(FORK, success(), Bounds("join"))) == (StageStatus.SUCCESS, "completed", "join")


def test_a_fork_whose_branches_meet_at_the_exit_ends_the_walk() -> None:
    visit = Visit("fan", 1, 1, success(), meeting="exit")
    assert ended(choose_move(FORK, Progress("fan"), visit)) == (
        StageStatus.SUCCESS,
        "completed",
        "exit",
    )
