"""The limit of repeated failures, across visits and attempts."""

import asyncio
from pathlib import Path

import pytest

from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.routing.retry import same_failure_limit
from attractor.engine.seams import Stage, Stopped
from attractor.engine.simulation.walk import walk
from attractor.engine.state.attempts import signature
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import RETRY, Scripted, Work, Workplace, handlers_of
from tests.tables import table


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


def test_different_failures_have_different_signatures() -> None:
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
    outcomes = [failure(one, FailureClass.VERDICT) for one in reasons]
    return Workplace(tmp_path / "run", of, {"test": [*outcomes, Outcome(StageStatus.SUCCESS)]})


def test_repeated_failure_ends_the_run(tmp_path: Path) -> None:
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


def test_limit_of_node_overrides_graph() -> None:
    whole = graph([start(), end()], [], max_same_failures=5)
    assert same_failure_limit(whole, node("a")) == 5
    assert same_failure_limit(whole, node("a", max_same_failures=2)) == 2
    assert same_failure_limit(graph([start(), end()], []), node("a")) is None


def trying(tmp_path: Path, expected: Outcome | list[Outcome] | Work, **limits: Plain) -> Workplace:
    work = node("work", max_retries=20, retry_policy="none", **limits)
    of = graph([start(), end(), work], chain("start", "work", "exit"))
    return Workplace(tmp_path / "run", of, {"work": expected})


def verdict(reason: str) -> Outcome:
    return failure(reason, FailureClass.VERDICT)


@pytest.mark.parametrize("status", [StageStatus.FAIL, StageStatus.RETRY])
@pytest.mark.parametrize("limits", [{}, {"allow_partial": True}])
def test_attempts_count_as_repeated_failures(
    tmp_path: Path, status: StageStatus, limits: dict[str, Plain]
) -> None:
    outcome = Outcome(status, failure_reason="exit code 1")
    place = trying(tmp_path, outcome, max_same_failures=3, **limits)
    result = place.run()
    assert str(result.outcome) == "fail"
    assert result.reason == (
        "work failed in the same way 3 times in a row (max_same_failures=3): exit code 1"
    )
    assert len(place.events("StageFailed")) == 3


def test_different_failure_resets_streak_among_attempts(tmp_path: Path) -> None:
    outcomes = [verdict(one) for one in ("a", "a", "b", "a", "a", "a")]
    place = trying(tmp_path, outcomes, max_same_failures=3)
    assert "3 times in a row" in place.run().reason
    assert place.handler.nodes.count("work") == 6


def test_limit_of_one_allows_no_retry(tmp_path: Path) -> None:
    place = trying(tmp_path, verdict("broken"), max_same_failures=1)
    assert "1 time in a row (max_same_failures=1)" in place.run().reason
    assert place.handler.nodes.count("work") == 1


def looping(tmp_path: Path, expected: list[Outcome]) -> Workplace:
    of = graph(
        [start(), end(), node("fix"), node("test", max_retries=1, retry_policy="none")],
        [
            *chain("start", "fix", "test"),
            edge("test", "exit", "outcome=success"),
            edge("test", "fix", "outcome=fail"),
        ],
        max_same_failures=3,
    )
    return Workplace(tmp_path / "run", of, {"test": expected})


def test_success_resets_failure_streak(tmp_path: Path) -> None:
    bad, good = verdict("broken"), Outcome(StageStatus.SUCCESS)
    place = looping(tmp_path, [bad, verdict("other"), bad, good])
    assert str(place.run().outcome) == "success"


def test_resumed_run_counts_earlier_attempts(tmp_path: Path) -> None:
    calls = 0

    async def work(stage: Stage) -> Outcome:
        nonlocal calls
        calls += 1
        # The first process ends during the second attempt, before that attempt fails.
        if calls == 2:
            raise Stopped("the process ends here") from OSError("gone")
        return verdict("broken")

    place = trying(tmp_path, work, max_same_failures=3)
    with pytest.raises(OSError, match="gone"):
        place.run()
    (place.root / "checkpoint.json").unlink()
    assert "3 times in a row" in place.run().reason
    assert len(place.events("StageFailed")) == 3


def test_simulation_stops_like_a_run(tmp_path: Path) -> None:
    place = trying(tmp_path, RETRY, max_same_failures=3, allow_partial=True)
    simulated = asyncio.run(walk(place.graph, handlers_of(Scripted({"work": RETRY}))))
    assert simulated.end is not None
    assert simulated.end.reason == place.run().reason
    assert [one.visit.attempts for one in simulated.steps if one.visit.node == "work"] == [3]


def test_simulation_counts_visits_and_attempts_together(tmp_path: Path) -> None:
    place = looping(tmp_path, [verdict("broken")])
    simulated = asyncio.run(walk(place.graph, handlers_of(Scripted({"test": verdict("broken")}))))
    assert simulated.end is not None
    assert simulated.end.reason == place.run().reason
    assert [one.visit.attempts for one in simulated.steps if one.visit.node == "test"] == [2, 1]


def test_simulation_stops_a_fork_like_a_run(tmp_path: Path) -> None:
    limits: dict[str, Plain] = {"max_retries": 4, "retry_policy": "none", "max_same_failures": 2}
    fork = node("fork", "component", join_policy="all", **limits)
    nodes = [start(), end(), fork, node("a"), node("join", "tripleoctagon")]
    place = Workplace(
        tmp_path / "run",
        graph(nodes, chain("start", "fork", "a", "join", "exit")),
        {"a": verdict("broken")},
    )
    simulated = asyncio.run(walk(place.graph, handlers_of(Scripted({"a": verdict("broken")}))))
    assert simulated.end is not None
    assert simulated.end.reason == place.run().reason
    assert [one.visit.attempts for one in simulated.steps if one.visit.node == "fork"] == [2]
