from attractor.engine.moves import Decision, choose_move
from attractor.engine.outcome import Outcome, StageStatus, failure, success
from attractor.engine.progress import Progress, StageRecord, Visit, begin
from attractor.engine.routing import RouteReason
from attractor.language.graph import Graph
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
