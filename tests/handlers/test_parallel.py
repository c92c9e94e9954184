import asyncio
from itertools import product

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UnknownName
from attractor.base.json import Json, canonical_json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage
from attractor.engine.seams import Exhausted, Stopped, Waiting
from attractor.engine.state.walks import BranchEnd
from attractor.handlers.parallel import (
    BranchCandidate,
    JoinPolicy,
    best_of,
    describe,
    find_named,
    read_candidates,
    read_policy,
)
from attractor.language.graph.graph import Edge
from attractor.language.source.syntax_tree import Plain
from tests.engine.branches import FAIL, MEETING, NEVER, PARTIAL, SUCCESS, Given, GivenBranches
from tests.handlers.stages import Play, edge, graph, node
from tests.tables import table

pytestmark = pytest.mark.anyio

CANCELED = StageStatus.SKIPPED


def policy(branches: int, **plain: Plain) -> JoinPolicy:
    return read_policy(node("it", **plain), branches)


def ends(*statuses: StageStatus) -> list[BranchEnd]:
    return [
        BranchEnd(f"n{number}", f"n{number}", status, is_canceled=status is CANCELED)
        for number, status in enumerate(statuses)
    ]


def test_unknown_policy_gets_suggestion() -> None:
    with pytest.raises(UnknownName, match="unknown join policy 'quorun'") as caught:
        policy(3, join_policy="quorun")
    assert caught.value.hint == "did you mean quorum?"


def test_a_verdict_names_the_policy_and_each_branch() -> None:
    outcome = policy(3, join_policy="k_of_n", k=2).judge(ends(SUCCESS, FAIL, CANCELED))
    assert outcome.failure_class is FailureClass.VERDICT
    assert outcome.failure_reason == (
        "k_of_n: 1 of 3 succeeded, 2 needed (n0: success, n1: fail, n2: canceled)"
    )
    assert outcome.context_updates["parallel.success_count"] == 1
    assert outcome.context_updates["parallel.fail_count"] == 1


def test_more_than_there_are_can_never_succeed() -> None:
    one = policy(2, join_policy="k_of_n", k=3)
    assert one.is_settled([])
    assert one.judge(ends(CANCELED, CANCELED)).status is FAIL


@given(
    needed=st.integers(0, 5),
    statuses=st.lists(st.sampled_from([SUCCESS, PARTIAL, FAIL]), min_size=1, max_size=5),
)
def test_settled_policy_is_final(needed: int, statuses: list[StageStatus]) -> None:
    one = JoinPolicy("k_of_n", len(statuses), needed)
    enough = next(n for n in range(len(statuses) + 1) if one.is_settled(ends(*statuses[:n])))
    others = product([SUCCESS, FAIL], repeat=len(statuses) - enough)
    judged = {one.judge(ends(*statuses[:enough], *rest)).status.is_success for rest in others}
    assert len(judged) == 1


def test_result_has_every_field_of_a_branch() -> None:
    end = BranchEnd(
        "a",
        "fan@1.1/a",
        FAIL,
        reason="broken",
        notes="tried hard",
        response="here",
        updates={"score": 2, "list": [1]},
        changed=["x.py"],
        base="t0",
        tree="t1",
        usage=Usage(1, 2, 0.5),
        seconds=1.5,
    )
    results = policy(1).judge([end]).context_updates["parallel.results"]
    canonical_json(results)
    assert results == [
        {
            "id": "a",
            "branch": "fan@1.1/a",
            "outcome": "fail",
            "notes": "tried hard",
            "failure_reason": "broken",
            "context_updates": {"score": 2, "list": [1]},
            "response": "here",
            "files_changed": ["x.py"],
            "base": "t0",
            "tree": "t1",
            "cost_usd": 0.5,
            "seconds": 1.5,
        }
    ]


def result(id_: str, outcome: str = "success", **more: Json) -> dict[str, Json]:
    return {"id": id_, "branch": f"fan@1.1/{id_}", "outcome": outcome, **more}


def candidates(*results: Json) -> list[BranchCandidate]:
    return list(read_candidates(list(results)))


def scored(id_: str, score: Json, outcome: str = "success") -> dict[str, Json]:
    return result(id_, outcome, context_updates={"score": score})


@table(
    ("results", "best"),
    [
        ([result("b"), result("a")], "a"),
        ([scored("a", 1), scored("b", 2)], "b"),
        ([scored("a", 9, "partial_success"), scored("b", 1)], "b"),
        ([result("a", "retry"), result("b", "partial_success")], "b"),
        ([result("a", "fail"), result("b", "retry")], "b"),
        ([result("a", "canceled"), result("b", "fail")], "b"),
        ([scored("a", "1"), scored("b", "10")], "b"),
        ([scored("a", 0.5), scored("b", True)], "b"),
        ([scored("b", "much"), scored("a", "nan"), scored("c", [9])], "a"),
        ([scored("b", -1), scored("a", None), scored("c", {})], "a"),
        ([scored("a", 1), scored("b", "inf")], "b"),
        ([scored("a", 10**400), scored("b", 1)], "b"),
        ([result("a", "done"), result("b", "fail")], "a"),
    ],
)
def test_the_best_is_by_outcome_then_score_then_id(results: list[Json], best: str) -> None:
    assert best_of(candidates(*results)).id == best
    assert best_of(candidates(*reversed(results))).id == best


@given(
    st.lists(st.tuples(st.sampled_from(["success", "fail"]), st.floats() | st.text()), min_size=1)
)
def test_one_branch_is_best_for_any_scores(messages: list[tuple[str, Json]]) -> None:
    every = [scored(f"n{number}", score, word) for number, (word, score) in enumerate(messages)]
    best = best_of(candidates(*every))
    assert all(best.rank <= one.rank for one in candidates(*every))


@table("results", [None, "x", {}, [], [1, "a", {}, {"id": ""}]])
def test_invalid_result_is_ignored(results: Json) -> None:
    assert list(read_candidates(results)) == []


def test_a_result_from_elsewhere_needs_no_more_than_an_id() -> None:
    [one] = candidates({"id": "a"})
    assert (one.id, one.key, one.outcome, one.tree, one.is_good) == ("a", "a", "fail", "", False)


@table(
    ("said", "named"),
    [
        ("table", "table"),
        ("Table", "table"),
        ("  `tree`. ", "tree"),
        ("**big list**", "big list"),
        ("Both are good.\n\ntree\n", "tree"),
        ("I take tree, for it is short", "tree"),
        ("table is long.\nThe best one: (tree).", "tree"),
        ("tree or table", ""),
        ("tree\nbut none really", ""),
        ("the trees", ""),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_an_answer_names_a_candidate_alone_or_in_its_last_line(said: str, named: str) -> None:
    one = find_named(candidates(result("table"), result("tree"), result("big list")), said)
    assert (one.id if one else "") == named


def test_a_long_answer_is_shown_in_part() -> None:
    assert len(describe(candidates(result("a", response="x" * 9000)))) < 3000


def play(*names: str, ends: dict[str, Given] | None = None, **plain: Plain) -> Play:
    ways: list[Edge] = [edge("it", name) for name in names]
    pipeline = graph(node("it", shape="component", **plain), *ways)
    return Play(pipeline, "it", branches=GivenBranches(ends or {}, fork=MEETING))


def words(outcome: Outcome) -> list[str]:
    results = outcome.context_updates["parallel.results"]
    assert isinstance(results, list)
    return [f"{one['id']} {one['outcome']}" for one in results if isinstance(one, dict)]


def test_max_parallel_limits_concurrent_branches() -> None:
    it = play("a", "b", "c", max_parallel=3)
    it.branches.at_once = 1
    it.run()
    assert (it.branches.names, it.branches.most_walking) == (["a", "b", "c"], 1)


def test_branches_that_end_during_cancellation_count() -> None:
    it = play("a", "b", join_policy="first_success")
    assert words(it.run()) == ["a success", "b success"]


def test_exhausted_budget_is_raised_before_waiting_gate() -> None:
    ends: dict[str, Given] = {"gate": Waiting("gate@1.1"), "a": Exhausted("the budget is used up")}
    it = play("gate", "a", "b", ends=ends)
    with pytest.raises(Exhausted, match="used up"):
        it.run()
    assert it.branches.names == ["gate", "a", "b"]


def test_stop_in_one_branch_stops_all() -> None:
    it = play("a", "b", "c", ends={"a": NEVER, "b": Stopped("canceled"), "c": NEVER})
    with pytest.raises(Stopped, match="canceled"):
        it.run()
    assert (it.branches.walking, it.branches.given_up) == (0, [])


def test_errors_of_several_branches_are_raised() -> None:
    # An exception that is never retrieved from a task is reported, which fails the test.
    it = play("a", "b", ends={"a": Stopped("one"), "b": Stopped("two")})
    with pytest.raises(Stopped):
        it.run()


async def test_canceled_fork_ends_branches_first() -> None:
    it = play("a", "b", ends={"a": NEVER, "b": NEVER})
    task = asyncio.create_task(it.execute())
    while it.branches.walking < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert it.branches.walking == 0
    assert it.branches.given_up == []


def test_no_outgoing_edges_mean_no_branches() -> None:
    assert play().run().status is StageStatus.SUCCESS
