"""Where a run begins anew, and what the next one knows of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.engine.errors import NotRunnable
from attractor.engine.journal.events import Action, RunRestarting
from attractor.engine.outcome import (
    NOTHING_USED,
    FailureClass,
    Outcome,
    StageStatus,
    Usage,
    failure,
    success,
)
from attractor.engine.preflight import require_executable
from attractor.engine.prompts.preamble import Past
from attractor.engine.routing.branch_bounds import NO_BOUNDS, Bounds
from attractor.engine.routing.edge_selection import Fate, RouteReason
from attractor.engine.routing.next_move import Decision, begin_again, choose_move, restart_limit
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.simulation.walk import walk
from attractor.engine.state.progress import Progress, StageRecord, SteppedOver, Visit, begin
from attractor.engine.state.run_state import CANCELED, EXECUTING
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import Edge, Graph
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, Scripted, Workplace, handlers_of

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


AGAIN = [
    *chain("start", "a", "judge", "exit"),
    edge("judge", "a", "outcome=fail", loop_restart=True),
]


def again(**attributes: int) -> Graph:
    return graph([start(), end()], AGAIN, **attributes)


def judged(
    whole: Graph, progress: Progress | None = None, bounds: Bounds | None = None
) -> Decision:
    visit = Visit("judge", 1, 1, FAIL)
    return choose_move(whole, progress or begin(whole, "", {}), visit, bounds or Bounds())


def test_a_marked_edge_leads_to_a_restart_at_its_target() -> None:
    decision = judged(again())
    assert (decision.move.target, decision.move.is_restart) == ("a", True)
    assert decision.move.end is None
    # The failed stage that is left by it is dealt with.
    assert decision.move.is_handled


def test_other_ways_out_of_the_node_go_on_in_the_run() -> None:
    whole = again()
    visit = Visit("judge", 1, 1, success())
    assert not choose_move(whole, begin(whole, "", {}), visit).move.is_restart


@pytest.mark.parametrize(("attributes", "limit"), [({}, 5), ({"max_restarts": 2}, 2)])
def test_restarts_are_bounded_exactly_and_the_limit_is_named(
    attributes: dict[str, int], limit: int
) -> None:
    whole = again(**attributes)
    assert restart_limit(whole) == limit
    assert judged(whole, Progress("judge", restarts=limit - 1)).move.is_restart
    last = judged(whole, Progress("judge", restarts=limit)).move
    assert last.end is not None
    assert last.end.reason == f"loop_restart: limit max_restarts={limit} reached"
    assert not last.is_restart


def test_a_restart_needs_no_visit_that_is_left() -> None:
    whole = again(max_node_visits=1)
    progress = Progress("judge", stages={"a": StageRecord(1, success().status)})
    assert judged(whole, progress).move.is_restart


def test_a_branch_cannot_restart_the_run() -> None:
    move = judged(again(), bounds=Bounds(until="meet")).move
    assert move.end is not None
    assert "out of a branch" in move.end.reason
    assert not move.is_restart


def test_the_next_run_knows_only_what_is_to_be_kept() -> None:
    used = Usage(input_tokens=5, cost_usd=1.5)
    before = Progress(
        "a",
        tree="t",
        context={
            "graph.goal": "g",
            "context.keep.lesson": "l",
            "context.other": "o",
            "outcome": "fail",
            "internal.retry_count.a": 1,
        },
        stages={"a": StageRecord(2, FAIL.status)},
        completed=("start", "a", "judge"),
        last_status=FAIL.status,
        redirects=3,
        usage=used,
        seconds=7.0,
        restarts=1,
        is_restarting=True,
    )
    assert begin_again(before) == Progress(
        "a",
        "loop_restart",
        tree="t",
        context={"graph.goal": "g", "context.keep.lesson": "l"},
        past=Past(keys=("context.keep.lesson",), values=1),
        usage=used,
        seconds=7.0,
        restarts=2,
    )


FORKED = [
    *chain("start", "fan", "b1", "meet", "exit"),
    *chain("fan", "b2", "meet"),
]


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([edge("a", "exit", loop_restart=True)], "behind the exit nothing can begin anew"),
        ([edge("b1", "start", loop_restart=True)], "no run can begin anew out of a branch"),
        ([edge("b1", "meet", loop_restart=True)], "no run can begin anew out of a branch"),
        ([edge("fan", "b1", loop_restart=True)], "this edge is a branch"),
    ],
)
def test_a_misplaced_restart_is_refused(edges: Sequence[Edge], words: str) -> None:
    nodes = [start(), end(), node("fan", "component"), node("meet", "tripleoctagon")]
    whole = graph(nodes, [*FORKED, *edges])
    with pytest.raises(NotRunnable, match=words):
        require_executable(whole, handlers_of(Scripted()), Redactor())


def test_a_restart_behind_the_branches_is_fine() -> None:
    nodes = [start(), end(), node("fan", "component"), node("meet", "tripleoctagon")]
    whole = graph(nodes, [*FORKED, edge("meet", "start", "outcome=fail", loop_restart=True)])
    require_executable(whole, handlers_of(Scripted()), Redactor())


def test_a_run_that_is_to_go_on_as_another_one_stands_where_it_was(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", again(), {"judge": FAIL})
    result = place.run()
    assert (result.is_restarting, result.status) == (True, EXECUTING)
    # As long as nobody makes the other one, whoever resumes it finds it there.
    again_ = place.run()
    assert (again_.is_restarting, place.handler.nodes) == (True, ["a", "judge"])
    assert not (place.root / "final.json").exists()
    with place.open() as run:
        assert run.state.is_restarting
        assert not run.state.may_walk
        run.record(RunRestarting("01JZ0000000000000000000001", "a", 1), sync=True)
        assert run.state.why_canceled == "restarted"
    with place.open() as run:
        assert run.state.restarted_as == "01JZ0000000000000000000001"


def test_a_person_who_ends_the_run_is_heeded_before_the_restart(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", again(), {"judge": FAIL})
    place.run()
    leave_order(place.root / "inbox", Order(Action.CANCEL, "ann"), name="1")
    result = place.run()
    assert (result.is_restarting, result.status) == (False, CANCELED)
    assert result.reason == "canceled by ann"


def test_a_simulated_walk_goes_through_all_rounds() -> None:
    handler = Scripted({"judge": [FAIL, FAIL, success()]})
    one = asyncio.run(walk(again(), handlers_of(handler)))
    assert one.path == ("start", "a", "judge", "a", "judge", "a", "judge", "exit")
    assert [step.decision.move.is_restart for step in one.steps].count(True) == 2
    assert one.never_taken == ()
    # Visits are counted through all rounds.
    assert [step.visit.number for step in one.steps if step.visit.node == "judge"] == [1, 2, 3]


def test_a_simulated_walk_ends_where_no_more_rounds_are_left() -> None:
    one = asyncio.run(walk(again(max_restarts=1), handlers_of(Scripted({"judge": FAIL}))))
    assert one.end is not None
    assert one.end.reason == "loop_restart: limit max_restarts=1 reached"
    assert [step.visit.node for step in one.steps] == ["start", "a", "judge", "a", "judge"]


def test_what_was_used_before_it_began_is_nothing() -> None:
    assert begin_again(Progress("a")).usage == NOTHING_USED
