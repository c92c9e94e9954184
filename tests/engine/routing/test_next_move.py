"""Retries, stalled stages, repeated failures, and loops.

The nodes that belong to the branches of a fork, and the nodes outside of them.

Moves after a visit: limits, branches and restarts.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import FileError, UnknownName, UsageError
from attractor.base.json import Json
from attractor.engine.errors import NotRunnable
from attractor.engine.journal.events import Action, RunRestarting
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure, success
from attractor.engine.preflight import require_executable
from attractor.engine.prompts.preamble import NOTHING_PAST, remember_keys
from attractor.engine.routing.edge_selection import find_loops
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
from attractor.engine.routing.retry import (
    PRESETS,
    failure_of,
    may_retry,
    retry_policy,
    same_failure_limit,
    settle,
)
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.seams import Stage, Stopped
from attractor.engine.simulation.walk import walk
from attractor.engine.stage.execution import Stall, stall_limit
from attractor.engine.state.attempts import signature
from attractor.engine.state.progress import Move, Progress, StageRecord, SteppedOver, Visit, begin
from attractor.engine.state.run_state import CANCELED, EXECUTING
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.branches import Forks
from attractor.language.graph.graph import Edge, Graph
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, RETRY as runs_RETRY, Scripted, Work, Workplace, handlers_of
from tests.patience import with_longer_limits
from tests.tables import table

pytestmark = pytest.mark.anyio

RETRY = Outcome(StageStatus.RETRY, failure_reason="busy")


def attempts(node_attributes: dict[str, Plain], graph_attributes: dict[str, Plain]) -> int:
    here = node("a", **node_attributes)
    return retry_policy(here, graph([here], [], **graph_attributes)).max_attempts


@table(
    ("of_node", "of_graph", "most"),
    [
        ({}, {}, 1),
        ({"max_retries": 3}, {}, 4),
        ({}, {"default_max_retries": 2}, 3),
        ({}, {"default_max_retry": 2}, 3),
        ({"max_retries": 0}, {"default_max_retries": 2}, 1),
        ({"max_retries": -1}, {}, 1),
        ({"max_retries": "2"}, {}, 3),
        ({"retry_policy": "standard"}, {}, 5),
        ({"retry_policy": "patient"}, {"default_max_retries": 1}, 2),
        ({"retry_policy": "aggressive", "max_retries": 1}, {}, 2),
        ({"retry_policy": "none"}, {"default_max_retries": 2}, 1),
        ({}, {"retry_policy": "linear"}, 3),
    ],
)
def test_how_often_a_stage_is_tried(
    of_node: dict[str, Plain], of_graph: dict[str, Plain], most: int
) -> None:
    assert attempts(of_node, of_graph) == most


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown retry policy 'standrad'"):
        attempts({"retry_policy": "standrad"}, {})


@table(
    ("name", "delays"),
    [
        ("standard", [200, 400, 800, 1600, 3200]),
        ("aggressive", [500, 1000, 2000, 4000, 8000]),
        ("linear", [500, 500, 500]),
        ("patient", [2000, 6000, 18000]),
        ("none", [0, 0]),
    ],
)
def test_presets_wait_as_specified(name: str, delays: list[int]) -> None:
    backoff = PRESETS[name].backoff
    for attempt, milliseconds in enumerate(delays, 1):
        delay = backoff.delay(attempt, seed="x") / timedelta(milliseconds=1)
        assert 0.5 * milliseconds <= delay <= 1.5 * milliseconds


class Overloaded(Exception):
    retryable = True


class Unauthorized(ConnectionError):
    retryable = False


@table(
    ("error", "kind"),
    [
        (ConnectionError("reset"), FailureClass.RETRYABLE),
        (TimeoutError("slow"), FailureClass.RETRYABLE),
        (FileError("full"), FailureClass.RETRYABLE),
        (UsageError("wrong"), FailureClass.TERMINAL),
        (ValueError("bug"), FailureClass.TERMINAL),
        (Overloaded("529"), FailureClass.RETRYABLE),
        (Unauthorized("401"), FailureClass.TERMINAL),
    ],
)
def test_an_exception_is_a_failure_of_its_class(error: Exception, kind: FailureClass) -> None:
    assert failure_of(error) == failure(f"{type(error).__name__}: {error}", kind)


SHORT = timedelta(milliseconds=80)


async def test_without_a_sign_the_time_runs_out() -> None:
    stall = Stall(SHORT)
    with pytest.raises(TimeoutError):
        async with stall:
            await asyncio.sleep(10)
    assert stall.is_over


def test_signs_from_any_thread_put_it_off() -> None:
    async def give_signs(limit_s: float) -> None:
        stall = Stall(timedelta(seconds=limit_s))
        async with stall:
            for turn in range(6):
                await asyncio.sleep(limit_s / 2)
                if turn % 2:
                    stall.sign()
                else:
                    await asyncio.to_thread(stall.sign)
        stall.sign()
        assert not stall.is_over

    with_longer_limits(lambda limit_s: asyncio.run(give_signs(limit_s)), first_s=0.08)


async def test_without_a_limit_it_waits_for_ever() -> None:
    async with Stall(None) as stall:
        stall.sign()
        await asyncio.sleep(0.1)
    assert not stall.is_over


def test_stall_timeout_of_node_overrides_graph_except_for_waiting_types() -> None:
    whole = graph([start(), end()], [], stall_timeout="10m")
    assert stall_limit(node("a"), whole) == timedelta(minutes=10)
    assert stall_limit(node("a", stall_timeout="5s"), whole) == timedelta(seconds=5)
    assert stall_limit(node("a", "hexagon"), whole) is None
    assert stall_limit(node("a", "component", stall_timeout="5s"), whole) is None
    assert stall_limit(node("a"), graph([start(), end()], [])) is None


def test_a_silent_stage_fails_with_its_reason_and_is_tried_again(tmp_path: Path) -> None:
    def play(limit_s: float) -> None:
        fall_silent(tmp_path / f"{limit_s}", limit_s)

    with_longer_limits(play, first_s=0.08)


def fall_silent(folder: Path, limit_s: float) -> None:
    limit = f"{limit_s * 1000:.0f}ms"
    tries: list[int] = []

    async def silent(stage: Stage) -> Outcome:
        tries.append(stage.attempt)
        if stage.attempt == 1:
            await asyncio.Event().wait()
        for _ in range(5):
            await asyncio.sleep(limit_s / 2)
            stage.files.append("transcript.jsonl", "still here")
        return success()

    of = line("a")
    whole = graph(
        [start(), node("a", stall_timeout=limit, max_retries=1, retry_policy="none"), end()],
        list(of.edges),
    )
    place = Workplace(folder, whole, {"a": silent})
    assert str(place.run().outcome) == "success"
    assert tries == [1, 2]
    [failed] = place.events("StageFailed")
    assert failed.data["error"] == f"stalled: no activity for {limit}"


@table(
    ("one", "other"),
    [
        ("exit code 1: 3 failed in 0.21s", "exit code 1: 3 failed in 17.9s"),
        ("object at 0x7f3a2b", "object at 0x00ff12"),
        ("tree 1f3a9c0d2 is gone", "tree 99ab0c0d2 is gone"),
        ("Broken\n  pipe", "broken pipe"),
    ],
)
def test_signature_ignores_varying_parts(one: str, other: str) -> None:
    assert signature(one) == signature(other)


def test_other_failures_are_others() -> None:
    assert signature("no such file") != signature("permission denied")
    assert len(signature("x" * 10_000)) <= 200


def rounds(reasons: list[str], tmp_path: Path, **limit: int) -> Workplace:
    of = graph(
        [start(), end(), node("fix"), node("test", **limit)],
        [
            *chain("start", "fix", "test"),
            edge("test", "exit", "outcome=success"),
            edge("test", "fix", "outcome=fail"),
        ],
        max_node_visits=20,
    )
    told = [failure(one, FailureClass.VERDICT) for one in reasons]
    return Workplace(tmp_path / "run", of, {"test": [*told, Outcome(StageStatus.SUCCESS)]})


def test_a_stage_that_fails_in_the_same_way_too_often_ends_the_run(tmp_path: Path) -> None:
    place = rounds([f"{number} tests failed" for number in range(9)], tmp_path, max_same_failures=3)
    result = place.run()
    assert str(result.outcome) == "fail"
    assert "test failed in the same way 3 times in a row (max_same_failures=3)" in result.reason
    assert "2 tests failed" in result.reason
    assert place.handler.nodes.count("test") == 3


def test_different_failure_resets_streak(tmp_path: Path) -> None:
    place = rounds(["a", "a", "b", "a", "a", "b"], tmp_path, max_same_failures=3)
    assert str(place.run().outcome) == "success"
    assert place.handler.nodes.count("test") == 7


def test_redirects_are_unlimited_without_a_limit(tmp_path: Path) -> None:
    assert str(rounds(["a"] * 9, tmp_path).run().outcome) == "success"


def test_node_overrides_the_graph() -> None:
    whole = graph([start(), end()], [], max_same_failures=5)
    assert same_failure_limit(whole, node("a")) == 5
    assert same_failure_limit(whole, node("a", max_same_failures=2)) == 2
    assert same_failure_limit(graph([start(), end()], []), node("a")) is None


def trying(tmp_path: Path, told: Outcome | list[Outcome] | Work, **limits: Plain) -> Workplace:
    work = node("work", max_retries=20, retry_policy="none", **limits)
    of = graph([start(), end(), work], chain("start", "work", "exit"))
    return Workplace(tmp_path / "run", of, {"work": told})


def verdict(reason: str) -> Outcome:
    return failure(reason, FailureClass.VERDICT)


@pytest.mark.parametrize("status", [StageStatus.FAIL, StageStatus.RETRY])
@pytest.mark.parametrize("limits", [{}, {"allow_partial": True}])
def test_attempts_that_fail_in_the_same_way_count(
    tmp_path: Path, status: StageStatus, limits: dict[str, Plain]
) -> None:
    told = Outcome(status, failure_reason="exit code 1")
    place = trying(tmp_path, told, max_same_failures=3, **limits)
    result = place.run()
    assert str(result.outcome) == "fail"
    assert result.reason == (
        "work failed in the same way 3 times in a row (max_same_failures=3): exit code 1"
    )
    assert len(place.events("StageFailed")) == 3


def test_different_failure_resets_streak_among_attempts(tmp_path: Path) -> None:
    told = [verdict(one) for one in ("a", "a", "b", "a", "a", "a")]
    place = trying(tmp_path, told, max_same_failures=3)
    assert "3 times in a row" in place.run().reason
    assert place.handler.nodes.count("work") == 6


def test_limit_of_one_allows_no_retry(tmp_path: Path) -> None:
    place = trying(tmp_path, verdict("broken"), max_same_failures=1)
    assert "1 time in a row (max_same_failures=1)" in place.run().reason
    assert place.handler.nodes.count("work") == 1


def looping(tmp_path: Path, told: list[Outcome]) -> Workplace:
    of = graph(
        [start(), end(), node("fix"), node("test", max_retries=1, retry_policy="none")],
        [
            *chain("start", "fix", "test"),
            edge("test", "exit", "outcome=success"),
            edge("test", "fix", "outcome=fail"),
        ],
        max_same_failures=3,
    )
    return Workplace(tmp_path / "run", of, {"test": told})


def test_success_resets_failure_streak(tmp_path: Path) -> None:
    bad, good = verdict("broken"), Outcome(StageStatus.SUCCESS)
    place = looping(tmp_path, [bad, verdict("other"), bad, good])
    assert str(place.run().outcome) == "success"


def test_resumed_run_counts_earlier_attempts(tmp_path: Path) -> None:
    calls = 0

    async def work(stage: Stage) -> Outcome:
        nonlocal calls
        calls += 1
        # The first process ends at work on the second attempt, which then did not fail yet.
        if calls == 2:
            raise Stopped("the process ends here") from OSError("gone")
        return verdict("broken")

    place = trying(tmp_path, work, max_same_failures=3)
    with pytest.raises(OSError, match="gone"):
        place.run()
    (place.root / "checkpoint.json").unlink()
    assert "3 times in a row" in place.run().reason
    assert len(place.events("StageFailed")) == 3


def test_a_simulation_stops_where_a_run_would(tmp_path: Path) -> None:
    place = trying(tmp_path, runs_RETRY, max_same_failures=3, allow_partial=True)
    simulated = asyncio.run(walk(place.graph, handlers_of(Scripted({"work": runs_RETRY}))))
    assert simulated.end is not None
    assert simulated.end.reason == place.run().reason
    assert [one.visit.attempts for one in simulated.steps if one.visit.node == "work"] == [3]


def test_a_simulation_counts_visits_and_attempts_together(tmp_path: Path) -> None:
    place = looping(tmp_path, [verdict("broken")])
    simulated = asyncio.run(walk(place.graph, handlers_of(Scripted({"test": verdict("broken")}))))
    assert simulated.end is not None
    assert simulated.end.reason == place.run().reason
    assert [one.visit.attempts for one in simulated.steps if one.visit.node == "test"] == [2, 1]


def test_a_way_without_a_loop_has_none() -> None:
    assert find_loops(["start", "plan", "exit"]) == {}
    assert find_loops([]) == {}


def test_a_loop_is_counted_wherever_it_is_entered() -> None:
    assert find_loops("sabcabcax") == {("a", "b", "c"): 2}
    # Once entered at b, once at a.
    assert find_loops("xbabxaba") == {("b", "a"): 2, ("x", "b"): 1}
    assert find_loops("sabcabqcab") == {("a", "b", "c"): 1, ("a", "b", "q", "c"): 1}


def test_a_node_after_itself_is_a_loop() -> None:
    assert find_loops(["a", "a", "a"]) == {("a",): 2}


def test_nested_loops_are_distinguished() -> None:
    assert find_loops("abcbcbda") == {("b", "c"): 2, ("a", "b", "d"): 1}


@given(st.lists(st.sampled_from("abcd")))
def test_every_step_is_in_a_loop_or_on_the_way(path: list[str]) -> None:
    loops = find_loops(path)
    left = len(path) - sum(len(loop) * times for loop, times in loops.items())
    assert left == len(dict.fromkeys(path)) if not loops else 0 <= left <= len(set(path))
    assert all(len(set(loop)) == len(loop) for loop in loops)


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
    told = "completed despite failed stages: a, b"
    last = choose_move(whole, before, Visit("b", 1, 1, failure("no disk")))
    assert ended(last) == (StageStatus.PARTIAL_SUCCESS, told, "exit")
    first = choose_move(whole, Progress("b"), Visit("b", 1, 1, failure("no disk")))
    told = "completed despite failed stages: b"
    assert ended(first) == (StageStatus.PARTIAL_SUCCESS, told, "exit")
    assert ended(move(whole, "b", success())) == (StageStatus.SUCCESS, "completed", "exit")


def test_failure_without_a_reason_gets_one() -> None:
    whole = graph([start(), end(), node("a")], [])
    told = "failed, no reason given"
    assert ended(move(whole, "a", Outcome(StageStatus.FAIL))) == (StageStatus.FAIL, told, "a")


def test_unknown_target_fails_the_run() -> None:
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
    assert decision.move.target == ""
    return decision.move.end.status, decision.move.end.reason, decision.move.end.node


def test_a_dead_end_ends_the_branch() -> None:
    whole = graph([start(), end(), node("a")], [])
    assert ended(within(whole, "a", success())) == (StageStatus.SUCCESS, "completed", "a")


def test_branch_ends_at_its_join() -> None:
    whole = graph([start(), end(), node("a"), node("join")], [edge("a", "join")])
    assert ended(within(whole, "a", success())) == (StageStatus.SUCCESS, "completed", "join")


def test_a_branch_does_not_go_where_it_came_from() -> None:
    whole = graph([start(), end(), node("b", retry_target="plan")], [edge("a", "plan")])
    told = "the branch leads to plan before branches meet at join"
    assert ended(within(whole, "a", success())) == (StageStatus.FAIL, told, "a")
    by_edge = graph([start(), end()], [edge("a", "plan", "outcome=fail")])
    assert ended(within(by_edge, "a", failure("no disk"))) == (StageStatus.FAIL, told, "a")
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
    assert judged(whole, progress).move.is_restart


def test_run_fails_at_the_limit_of_restarts() -> None:
    whole = again(max_restarts=2)
    last, over = (judged(whole, replace(begin(whole, "", {}), restarts=one)) for one in (1, 2))
    assert last.move.is_restart
    assert ended(over) == (StageStatus.FAIL, "loop_restart: limit max_restarts=2 reached", "judge")


def test_a_branch_cannot_restart_the_run() -> None:
    move = judged(again(), bounds=Bounds(until="meet")).move
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
    ("of_node", "of_graph", "wanted"),
    [
        ({"goal_gate": True, "require_verdict": True}, {}, True),
        ({"goal_gate": True}, {"require_verdict": True}, True),
        ({"goal_gate": True}, {}, False),
        ({"require_verdict": True}, {}, False),
        ({"goal_gate": True, "require_verdict": False}, {"require_verdict": True}, False),
        ({"goal_gate": True, "require_verdict": True, "auto_status": True}, {}, False),
    ],
)
def test_goal_gate_requires_a_verdict_by_attribute(
    of_node: dict[str, Plain], of_graph: dict[str, Plain], wanted: bool
) -> None:
    at = node("a", **of_node)
    assert wants_verdict(graph([at], [], **of_graph), at) is wanted


@pytest.mark.parametrize(("attributes", "limit"), [({}, 5), ({"max_restarts": 2}, 2)])
def test_number_of_restarts_is_limited(attributes: dict[str, Plain], limit: int) -> None:
    assert restart_limit(graph([], [], **attributes)) == limit


@table(
    ("outcome", "attempts"),
    [
        (runs_RETRY, 3),
        (success(), 0),
        (failure("x", FailureClass.TERMINAL), 0),
        (failure("x", FailureClass.PIPELINE), 0),
        (failure("x", FailureClass.VERDICT), 2),
        (failure("x", FailureClass.RETRYABLE), 3),
    ],
)
def test_class_of_a_failure_limits_the_attempts(outcome: Outcome, attempts: int) -> None:
    policy = replace(PRESETS["none"], max_attempts=3, max_attempts_after_verdict=2)
    retried = [may_retry(policy, outcome, attempt) for attempt in range(1, 5)]
    assert retried == [attempt < attempts for attempt in range(1, 5)]


def test_exhausted_retries_fail_or_are_accepted_in_part() -> None:
    retry = Outcome(StageStatus.RETRY, notes="half", failure_reason="slow")
    failed = settle(node("a"), retry)
    assert failed == replace(retry, status=StageStatus.FAIL, failure_reason=failed.failure_reason)
    assert failed.failure_reason.endswith(": slow")
    accepted = settle(node("a", allow_partial=True), retry)
    assert accepted.status is StageStatus.PARTIAL_SUCCESS
    assert accepted.notes == "half\nretries exhausted, partial accepted"
    assert settle(node("a"), success()) == success()
