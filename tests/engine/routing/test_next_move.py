"""Moves after a visit: bounds of branches, goal gates, limits and restarts."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.journal.events import Action, RunRestarting
from attractor.engine.outcome import Outcome, StageStatus, Usage, failure, success
from attractor.engine.preflight import require_executable
from attractor.engine.prompts.preamble import NOTHING_PAST, remember_keys
from attractor.engine.routing.next_move import (
    Bounds,
    BranchBounds,
    MoveDecision,
    begin_again,
    choose_move,
    has_reached_visit_limit,
    restart_limit,
    visit_limit,
    wants_verdict,
)
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.simulation.walk import walk
from attractor.engine.state.progress import Move, Progress, StageRecord, SteppedOver, Visit, begin
from attractor.engine.state.run_state import CANCELED, EXECUTING
from attractor.engine.storage.secrets import Redactor
from attractor.language.diagnostics import NotRunnable
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Edge, Graph
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, Scripted, Workplace, handlers_of
from tests.tables import table

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


@table(
    ("edges", "node", "found"),
    [
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> e", "p", "depsw"),
        # A loop around the fork is outside as a whole.
        ("s -> w -> p; p -> a -> j; p -> b -> j; j -> d -> w; d -> e", "p", "depsw"),
        # A node reached only by a failure in a branch is in the branch; so is a loop there.
        (
            "s -> p; p -> a -> c -> a; c -> j; p -> b -> j; a [retry_target=f]; f -> a; j -> e",
            "p",
            "eps",
        ),
        # A node reached by a failure outside is not in the branch.
        ("s -> w -> p; p -> a -> j; p -> b -> j; w [retry_target=f]; f -> w; j -> e", "p", "efpsw"),
        (
            "s -> p; p -> a -> j; p -> b -> j; j -> d -> e; d [retry_target=a]; f -> a;"
            "a [retry_target=f]",
            "p",
            "deps",
        ),
        # For a fork within a branch, the rest of the branch is outside.
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


def test_target_of_a_failed_goal_gate_is_outside() -> None:
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


def test_unknown_node_is_no_fork() -> None:
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


def test_edge_sets_fidelity_and_thread_of_the_next_stage() -> None:
    to_b = edge("a", "b", "context.size=large", fidelity="full", thread_id="main")
    whole = graph([start(), end()], [to_b, *chain("a", "exit"), *chain("b", "exit")])
    progress = Progress("a", context={"size": "stored elsewhere"})
    visit = Visit("a", 1, 1, success())
    decision = choose_move(whole, progress, visit, read=lambda _: "large")
    assert decision.move == Move("b", "condition", fidelity="full", thread="main")


def test_failed_goal_gate_drops_fidelity_and_thread_of_the_exit_edge() -> None:
    gate = node("g", goal_gate=True, retry_target="a")
    to_exit = edge("a", "exit", fidelity="full", thread_id="main")
    whole = graph([start(), end(), gate], [*chain("start", "g", "a"), to_exit])
    decision = move(whole, "a", success(), Progress("a", stages={"g": FAILED}))
    assert decision.move == Move("a", "goal_gate", redirects=1)
    assert [one.target for one in decision.routes] == ["exit", "a"]


def test_end_names_all_stages_that_were_stepped_over() -> None:
    whole = graph(
        [start(), end(), node("b", on_failure="continue")], [*chain("start", "b", "exit")]
    )
    before = Progress("b", steps_over=tuple(SteppedOver(one) for one in ("a", "b", "a")))
    message = "completed despite failed stages: a, b"
    last = choose_move(whole, before, Visit("b", 1, 1, failure("no disk")))
    assert ended(last) == (StageStatus.PARTIAL_SUCCESS, message, "exit")
    first = choose_move(whole, Progress("b"), Visit("b", 1, 1, failure("no disk")))
    message = "completed despite failed stages: b"
    assert ended(first) == (StageStatus.PARTIAL_SUCCESS, message, "exit")
    assert ended(move(whole, "b", success())) == (StageStatus.SUCCESS, "completed", "exit")


def test_failure_without_a_reason_gets_one() -> None:
    whole = graph([start(), end(), node("a")], [])
    message = "failed, no reason given"
    assert ended(move(whole, "a", Outcome(StageStatus.FAIL))) == (StageStatus.FAIL, message, "a")


def test_unknown_target_fails_the_run() -> None:
    whole = Graph("Test", {"a": node("a")}, (edge("a", "gone"),))
    last = choose_move(whole, Progress("a"), Visit("a", 1, 1, success())).move
    assert last.end is not None
    assert "'gone'" in last.end.reason


WITHIN = Bounds("join", frozenset({"plan"}))


def decide_in_branch(
    whole: Graph, at: str, outcome: Outcome, progress: Progress | None = None
) -> MoveDecision:
    """Decide within a branch that ends at `join`; `plan` is outside of the branch."""
    return choose_move(whole, progress or Progress(at), Visit(at, 1, 1, outcome), WITHIN)


def ended(decision: MoveDecision) -> tuple[StageStatus, str, str]:
    assert decision.move.end is not None
    assert decision.move.target == ""
    return decision.move.end.status, decision.move.end.reason, decision.move.end.node


def test_a_dead_end_ends_the_branch() -> None:
    whole = graph([start(), end(), node("a")], [])
    assert ended(decide_in_branch(whole, "a", success())) == (StageStatus.SUCCESS, "completed", "a")


def test_branch_ends_at_its_join() -> None:
    whole = graph([start(), end(), node("a"), node("join")], [edge("a", "join")])
    assert ended(decide_in_branch(whole, "a", success())) == (
        StageStatus.SUCCESS,
        "completed",
        "join",
    )


def test_branch_cannot_lead_outside() -> None:
    whole = graph([start(), end(), node("b", retry_target="plan")], [edge("a", "plan")])
    message = "the branch leads to plan before branches meet at join"
    assert ended(decide_in_branch(whole, "a", success())) == (StageStatus.FAIL, message, "a")
    by_edge = graph([start(), end()], [edge("a", "plan", "outcome=fail")])
    assert ended(decide_in_branch(by_edge, "a", failure("no disk"))) == (
        StageStatus.FAIL,
        message,
        "a",
    )
    decision = decide_in_branch(whole, "b", failure("no disk"))
    assert ended(decision) == (StageStatus.FAIL, "no disk", "b")
    assert not decision.move.is_handled


@table(
    ("attributes", "target"),
    [
        ({"on_failure": "continue"}, "c"),
        ({"fallback_retry_target": "d"}, "d"),
        ({"goal_gate": True, "on_failure": "continue"}, "c"),
    ],
)
def test_retry_target_outside_of_a_branch_leaves_the_other_ways_on(
    attributes: dict[str, Plain], target: str
) -> None:
    nodes = [node(one) for one in ("c", "d", "plan", "join")]
    stage = node("a", retry_target="plan", **attributes)
    whole = graph([start(), end(), stage, *nodes], [edge("a", "c")], retry_target="exit")
    assert decide_in_branch(whole, "a", failure("no disk")).move.target == target


AGAIN = [
    *chain("start", "a", "judge", "exit"),
    edge("judge", "a", "outcome=fail", loop_restart=True),
]


def again(**attributes: int) -> Graph:
    return graph([start(), end()], AGAIN, **attributes)


def decide_after_judge(
    whole: Graph, progress: Progress | None = None, bounds: Bounds | None = None
) -> MoveDecision:
    visit = Visit("judge", 1, 1, FAIL)
    return choose_move(whole, progress or begin(whole, "", {}), visit, bounds or Bounds())


def test_visits_in_other_branches_do_not_count_for_the_default_limit() -> None:
    of = graph([start(), end()], chain("start", "work", "exit"))
    seen = Progress("work", stages={"work": StageRecord(12, success().status)})
    assert not has_reached_visit_limit(of, seen, of.nodes["work"])
    assert has_reached_visit_limit(of, replace(seen, completed=("work",) * 10), of.nodes["work"])
    free = graph([start(), end(), node("work", "diamond")], list(of.edges))
    worn, fresh = (
        replace(seen, stages={"work": StageRecord(one, FAIL.status)}) for one in (100, 99)
    )
    assert has_reached_visit_limit(free, worn, free.nodes["work"])
    assert not has_reached_visit_limit(free, fresh, free.nodes["work"])


def test_restart_is_possible_at_the_visit_limit() -> None:
    whole = again(max_node_visits=1)
    progress = Progress("judge", stages={"a": StageRecord(1, success().status)})
    assert decide_after_judge(whole, progress).move.is_restart


def test_run_fails_at_the_limit_of_restarts() -> None:
    whole = again(max_restarts=2)
    last, over = (
        decide_after_judge(whole, replace(begin(whole, "", {}), restarts=one)) for one in (1, 2)
    )
    assert last.move.is_restart
    assert ended(over) == (StageStatus.FAIL, "loop_restart: limit max_restarts=2 reached", "judge")


def test_a_branch_cannot_restart_the_run() -> None:
    move = decide_after_judge(again(), bounds=Bounds(until="meet")).move
    assert move.end is not None
    assert "inside a branch" in move.end.reason
    assert not move.is_restart


FORKED = [*chain("start", "fan", "b1", "meet", "exit"), *chain("fan", "b2", "meet")]


@table(
    ("edges", "words"),
    [
        ([edge("a", "exit", loop_restart=True)], "a run cannot restart at the exit"),
        ([edge("b1", "start", loop_restart=True)], "a branch cannot restart the run"),
        ([edge("b1", "meet", loop_restart=True)], "a branch cannot restart the run"),
        ([edge("fan", "b1", loop_restart=True)], "the edge starts a branch"),
    ],
)
def test_a_misplaced_restart_is_refused(edges: Sequence[Edge], words: str) -> None:
    nodes = [start(), end(), node("fan", "component"), node("meet", "tripleoctagon")]
    whole = graph(nodes, [*FORKED, *edges])
    with pytest.raises(NotRunnable, match=words):
        require_executable(whole, handlers_of(Scripted()), Redactor())


def test_restarting_run_keeps_status(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", again(), {"judge": FAIL})
    result = place.run()
    assert (result.is_restarting, result.status) == (True, EXECUTING)
    # Until the next round is created, each resume finds the run restarting.
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
    # Visits are counted across all rounds.
    assert [step.visit.number for step in one.steps if step.visit.node == "judge"] == [1, 2, 3]


def test_restarted_run_keeps_graph_and_keep_values() -> None:
    used = Usage(3, 2, 0.5)
    before = Progress(
        "a",
        tree="tree",
        context={"graph.goal": "Go", "context.keep.count": 3, "context.lost": 1, "count": 2},
        edge_fidelity="full",
        edge_thread="main",
        usage=used,
        seconds=2.5,
        restarts=1,
        stages={"a": StageRecord(1, success().status)},
    )
    after = begin_again(before)
    kept: dict[str, Json] = {"graph.goal": "Go", "context.keep.count": 3}
    assert after == Progress(
        "a",
        edge_reason="loop_restart",
        tree="tree",
        context=kept,
        edge_fidelity="full",
        edge_thread="main",
        past=remember_keys(NOTHING_PAST, kept, ()),
        usage=used,
        seconds=2.5,
        restarts=2,
    )


@table(
    ("of_node", "of_graph", "limit"),
    [
        ({"max_visits": 2}, {"max_node_visits": 3}, (2, "max_visits")),
        ({}, {"max_node_visits": 3}, (3, "max_node_visits")),
        ({}, {}, (10, "max_visits")),
        ({"shape": "diamond"}, {}, (100, "max_node_visits")),
    ],
)
def test_visit_limit_names_its_attribute(
    of_node: dict[str, Plain], of_graph: dict[str, Plain], limit: tuple[int, str]
) -> None:
    at = node("a", **of_node)
    assert visit_limit(graph([at], [], **of_graph), at) == limit


@table(
    ("of_node", "of_graph", "wanted", "of_agent"),
    [
        ({"goal_gate": True, "require_verdict": True}, {}, True, True),
        ({"goal_gate": True}, {"require_verdict": True}, True, True),
        ({"goal_gate": True}, {"require_verdict": False}, False, False),
        ({"goal_gate": True}, {}, False, True),
        ({}, {}, False, False),
        ({"require_verdict": True}, {}, True, True),
        ({"require_verdict": True, "auto_status": True}, {}, False, False),
        ({"require_verdict": False}, {"require_verdict": True}, False, False),
        ({}, {"require_verdict": True}, False, False),
        ({"goal_gate": True, "require_verdict": False}, {"require_verdict": True}, False, False),
        ({"goal_gate": True, "require_verdict": True}, {"require_verdict": False}, True, True),
        ({"goal_gate": True, "require_verdict": True, "auto_status": True}, {}, False, False),
    ],
)
def test_stage_requires_a_verdict_by_attribute_and_goal_gate_also_from_an_agent(
    of_node: dict[str, Plain], of_graph: dict[str, Plain], wanted: bool, of_agent: bool
) -> None:
    at = node("a", **of_node)
    whole = graph([at], [], **of_graph)
    assert wants_verdict(whole, at) is wanted
    assert wants_verdict(whole, at, by_agent=True) is of_agent


@pytest.mark.parametrize(("attributes", "limit"), [({}, 5), ({"max_restarts": 2}, 2)])
def test_number_of_restarts_is_limited(attributes: dict[str, Plain], limit: int) -> None:
    assert restart_limit(graph([], [], **attributes)) == limit
