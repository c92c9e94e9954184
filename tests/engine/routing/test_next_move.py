"""The nodes that belong to the branches of a fork, and the nodes outside of them.

Moves after a visit: limits, branches and restarts.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.engine.errors import NotRunnable
from attractor.engine.journal.events import Action, RunRestarting
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, failure, success
from attractor.engine.preflight import require_executable
from attractor.engine.routing.next_move import (
    Bounds,
    BranchBounds,
    MoveDecision,
    begin_again,
    choose_move,
)
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.simulation.walk import walk
from attractor.engine.state.progress import Progress, StageRecord, Visit, begin
from attractor.engine.state.run_state import CANCELED, EXECUTING
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Edge, Graph
from attractor.language.reading import parse
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, Scripted, Workplace, handlers_of

NODES = (
    "s [shape=Mdiamond]; e [shape=Msquare]; p [shape=component]; j [shape=tripleoctagon];"
    "i [shape=tripleoctagon]; q [shape=component];"
)


def drawn(edges: str) -> Graph:
    return parse(f"digraph G {{ {NODES} {edges} }}")


def bounds(edges: str) -> BranchBounds:
    graph = drawn(edges)
    return BranchBounds(graph, Forks(graph))


def outside(edges: str, node: str = "p") -> str:
    return "".join(sorted(bounds(edges).outside(node)))


@pytest.mark.parametrize(
    ("edges", "node", "found"),
    [
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> e", "p", "depsw"),
        # A loop around the fork is outside as a whole.
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> w; d -> e", "p", "depsw"),
        # What only a failure in a branch leads to is in the branch; so is a loop there.
        (
            "s -> p; p -> a -> c -> a; c -> j; p -> b -> j; a [retry_target=f]; f -> a; j -> e",
            "p",
            "eps",
        ),
        # What a failure outside leads to is not.
        ("s -> w -> p; p -> a -> j; p -> b -> j; w [retry_target=f]; f -> w; j -> e", "p", "efpsw"),
        (
            "s -> p; p -> a -> j; p -> b -> j; j -> d -> e; d [retry_target=a]; f -> a;"
            "a [retry_target=f]",
            "p",
            "deps",
        ),
        # To a fork within a branch, the rest of the branch is outside.
        (
            "s -> p; p -> a -> j; p -> w -> q; q -> b -> i; q -> c -> i; i -> d -> j -> e",
            "q",
            "adejpqsw",
        ),
        (
            "s -> p; p -> a -> j; p -> w -> q; q -> b -> i; q -> c -> i; i -> d -> j -> e",
            "p",
            "eps",
        ),
        # Branches that meet at the exit.
        ("s -> w -> p; p -> a -> e; p -> b -> e", "p", "psw"),
        ("s -> p; p -> a -> j; p -> j; j -> e", "p", "eps"),
    ],
)
def test_nodes_outside_of_branches(edges: str, node: str, found: str) -> None:
    assert outside(edges, node) == found


def test_where_a_failed_goal_gate_leads_is_outside() -> None:
    assert "f" in outside("retry_target=f; s -> p; p -> a -> j; p -> b -> j; j -> e; f -> e")


def test_a_fork_that_never_meets_has_no_bounds() -> None:
    assert outside("s -> p; p -> a -> a; p -> b -> e") == ""


def test_fork_may_be_reached_by_failure_only() -> None:
    edges = "s -> w -> e; w [retry_target=p]; p -> a -> j; p -> b -> j; j -> w"
    assert Forks(drawn(edges)).at("p") is None
    fork = bounds(edges).fork("p")
    assert fork
    assert (fork.meeting, sorted(fork.branches)) == ("j", ["a", "b"])
    assert outside(edges) == "epsw"


def test_a_node_that_is_not_there_is_no_fork() -> None:
    assert bounds("s -> e").fork("gone") is None
    assert outside("s -> e", "gone") == ""


FAILED = StageRecord(1, StageStatus.FAIL)


def move(
    whole: Graph, at: str, outcome: Outcome, progress: Progress | None = None, number: int = 1
) -> MoveDecision:
    return choose_move(whole, progress or begin(whole, "", {}), Visit(at, number, 1, outcome))


def test_a_gate_never_sends_the_walk_to_the_exit() -> None:
    gate = node("g", goal_gate=True, retry_target="exit")
    whole = graph([start(), end(), gate], chain("start", "g", "exit"))
    decision = move(whole, "start", success(), Progress("start", stages={"g": FAILED}))
    assert decision.move.target == "g"
    after = move(whole, "g", Outcome(StageStatus.SKIPPED))
    assert after.move.end is not None
    assert after.move.end.reason == "goal gate g unsatisfied and no retry target"


def test_a_target_that_is_not_there_fails_the_run() -> None:
    whole = Graph("Test", {"a": node("a")}, (edge("a", "gone"),))
    last = choose_move(whole, Progress("a"), Visit("a", 1, 1, success())).move
    assert last.end is not None
    assert "'gone'" in last.end.reason


WITHIN = Bounds("join", frozenset({"plan"}))


def within(
    whole: Graph, at: str, outcome: Outcome, progress: Progress | None = None
) -> MoveDecision:
    """Decide within a branch that ends at `join`, and to which `plan` is outside."""
    return choose_move(whole, progress or Progress(at), Visit(at, 1, 1, outcome), WITHIN)


def ended(decision: MoveDecision) -> tuple[StageStatus, str, str]:
    assert decision.move.end is not None
    return decision.move.end.status, decision.move.end.reason, decision.move.end.node


def test_a_dead_end_ends_the_branch() -> None:
    whole = graph([start(), end(), node("a")], [])
    assert ended(within(whole, "a", success())) == (StageStatus.SUCCESS, "completed", "a")


def test_a_branch_does_not_go_where_it_came_from() -> None:
    whole = graph([start(), end(), node("b", retry_target="plan")], [edge("a", "plan")])
    told = "the branch leads to plan before branches meet at join"
    assert ended(within(whole, "a", success())) == (StageStatus.FAIL, told, "a")
    decision = within(whole, "b", failure("no disk"))
    assert ended(decision) == (StageStatus.FAIL, "no disk", "b")
    assert not decision.move.is_handled


AGAIN = [
    *chain("start", "a", "judge", "exit"),
    edge("judge", "a", "outcome=fail", loop_restart=True),
]


def again(**attributes: int) -> Graph:
    return graph([start(), end()], AGAIN, **attributes)


def judged(
    whole: Graph, progress: Progress | None = None, bounds: Bounds | None = None
) -> MoveDecision:
    visit = Visit("judge", 1, 1, FAIL)
    return choose_move(whole, progress or begin(whole, "", {}), visit, bounds or Bounds())


def test_other_edges_continue_in_same_run() -> None:
    whole = again()
    visit = Visit("judge", 1, 1, success())
    assert not choose_move(whole, begin(whole, "", {}), visit).move.is_restart


def test_a_restart_needs_no_visit_that_is_left() -> None:
    whole = again(max_node_visits=1)
    progress = Progress("judge", stages={"a": StageRecord(1, success().status)})
    assert judged(whole, progress).move.is_restart


def test_a_branch_cannot_restart_the_run() -> None:
    move = judged(again(), bounds=Bounds(until="meet")).move
    assert move.end is not None
    assert "inside a branch" in move.end.reason
    assert not move.is_restart


FORKED = [
    *chain("start", "fan", "b1", "meet", "exit"),
    *chain("fan", "b2", "meet"),
]


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([edge("a", "exit", loop_restart=True)], "a run cannot restart at the exit"),
        ([edge("b1", "start", loop_restart=True)], "a branch cannot restart the run"),
        ([edge("b1", "meet", loop_restart=True)], "a branch cannot restart the run"),
        ([edge("fan", "b1", loop_restart=True)], "the edge is a branch"),
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


def test_restarting_run_keeps_status(tmp_path: Path) -> None:
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


def test_cancel_precedes_restart(tmp_path: Path) -> None:
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


def test_restarted_run_continues_usage() -> None:
    assert begin_again(Progress("a")).usage == NOTHING_USED
