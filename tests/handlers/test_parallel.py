import asyncio

import pytest

from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.seams import Exhausted, Parts, Stopped, Waiting
from attractor.handlers.parallel import Parallel
from attractor.language.graph.graph import Edge
from attractor.language.source.syntax_tree import Plain
from tests.engine.branches import FAIL, MEETING, NEVER, Given, GivenBranches
from tests.handlers.stages import Person, Play, Saying, edge, graph, node


def play(*names: str, ends: dict[str, Given] | None = None, **plain: Plain) -> Play:
    ways: list[Edge] = [edge("it", name) for name in names]
    pipeline = graph(node("it", shape="component", **plain), *ways)
    return Play(pipeline, "it", branches=GivenBranches(ends or {}, fork=MEETING))


def words(outcome: Outcome) -> list[str]:
    results = outcome.context_updates["parallel.results"]
    assert isinstance(results, list)
    return [f"{one['id']} {one['outcome']}" for one in results if isinstance(one, dict)]


def test_where_few_can_be_walked_at_once_they_are_walked_one_after_the_other() -> None:
    it = play("a", "b", "c", max_parallel=3)
    it.branches.at_once = 1
    it.run()
    assert (it.branches.names, it.branches.most_walking) == (["a", "b", "c"], 1)


def test_unreachable_policy_cancels_other_branches() -> None:
    it = play("slow", "a", "b", ends={"slow": NEVER, "a": FAIL, "b": FAIL}, join_policy="quorum")
    outcome = it.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.VERDICT
    assert outcome.failure_reason == (
        "quorum: 0 of 3 succeeded, 2 needed (slow: canceled, a: fail, b: fail)"
    )
    assert words(outcome) == ["slow canceled", "a fail", "b fail"]


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


def test_stop_precedes_wait() -> None:
    ends: dict[str, Given] = {"a": Waiting("gate@1.1"), "b": Stopped("canceled")}
    with pytest.raises(Stopped):
        play("a", "b", ends=ends).run()


def test_several_that_stop_are_heard() -> None:
    # An exception that nobody takes from a task is reported, which fails the test.
    it = play("a", "b", ends={"a": Stopped("one"), "b": Stopped("two")})
    with pytest.raises(Stopped):
        it.run()


def test_canceled_fork_ends_branches_first() -> None:
    it = play("a", "b", ends={"a": NEVER, "b": NEVER})

    async def scene() -> None:
        task = asyncio.create_task(it.execute())
        while it.branches.walking < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert it.branches.walking == 0

    asyncio.run(asyncio.wait_for(scene(), 20))
    assert it.branches.given_up == []


def test_without_a_way_out_there_is_nothing_to_wait_for() -> None:
    assert play().run().status is StageStatus.SUCCESS


def test_it_keeps_nothing_between_stages() -> None:
    handler = Parallel(Parts(Saying(""), Person()))
    first, second = play("a"), play("a", ends={"a": FAIL})

    async def scene() -> list[Outcome]:
        return list(await asyncio.gather(*map(handler.execute, (first.stage, second.stage))))

    statuses = [one.status for one in asyncio.run(scene())]
    assert statuses == [StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS]
