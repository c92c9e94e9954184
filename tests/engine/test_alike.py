"""The same failure again and again ends a run with its name, instead of going round for ever."""

from pathlib import Path

import pytest

from attractor.engine.alike import alike_limit, signature
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import Workplace


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exit code 1: 3 failed in 0.21s", "exit code 1: 3 failed in 17.9s"),
        ("object at 0x7f3a2b", "object at 0x00ff12"),
        ("tree 1f3a9c0d2 is gone", "tree 99ab0c0d2 is gone"),
        ("Broken\n  pipe", "broken pipe"),
    ],
)
def test_what_differs_from_time_to_time_does_not_count(one: str, other: str) -> None:
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


def test_another_failure_in_between_begins_anew(tmp_path: Path) -> None:
    place = rounds(["a", "a", "b", "a", "a", "b"], tmp_path, max_same_failures=3)
    assert str(place.run().outcome) == "success"
    assert place.handler.nodes.count("test") == 7


def test_without_a_limit_nothing_is_counted_against_it(tmp_path: Path) -> None:
    assert str(rounds(["a"] * 9, tmp_path).run().outcome) == "success"


def test_the_node_says_it_before_the_graph() -> None:
    whole = graph([start(), end()], [], max_same_failures=5)
    assert alike_limit(whole, node("a")) == 5
    assert alike_limit(whole, node("a", max_same_failures=2)) == 2
    assert alike_limit(graph([start(), end()], []), node("a")) is None
