"""Ruling R4: gates are judged in the order of their first visit, within reported limits."""

from pathlib import Path

import pytest

from attractor.engine.outcome import StageStatus, success
from attractor.engine.state.run_state import FAILED
from tests.engine.graphs import Plain, chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, run_graph
from tests.tables import table


def test_R4_the_gate_visited_first_is_judged_first(tmp_path: Path) -> None:
    whole = graph(
        [
            start(),
            end(),
            node("late", goal_gate=True, retry_target="mend_late"),
            node("early", goal_gate=True, retry_target="mend_early"),
        ],
        [
            *chain("start", "early"),
            edge("early", "late", "outcome=fail"),
            edge("late", "exit", "outcome=fail"),
            *chain("mend_early", "exit"),
            *chain("mend_late", "exit"),
        ],
        max_goal_gate_redirects=1,
    )
    result, _ = run_graph(tmp_path, whole, {"early": FAIL, "late": FAIL})
    assert result.completed == ("start", "early", "late", "mend_early")


def test_R4_skipping_never_satisfies_a_gate(tmp_path: Path) -> None:
    gate = node("gate", goal_gate=True)
    whole = graph([start(), gate, end()], chain("start", "gate", "exit"))
    result, _ = run_graph(tmp_path, whole, {"gate": StageStatus.SKIPPED})
    assert (result.status, result.outcome) == (FAILED, StageStatus.FAIL)


def test_R4_unvisited_gate_does_not_count(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("gate", goal_gate=True)],
        [*chain("start", "work", "exit"), edge("work", "gate", weight=-1), *chain("gate", "exit")],
    )
    result, _ = run_graph(tmp_path, whole)
    assert result.outcome is StageStatus.SUCCESS


def test_R4_redirects_are_bounded(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("gate", goal_gate=True, retry_target="work")],
        [*chain("start", "work", "gate"), edge("gate", "exit", "outcome=fail")],
        max_goal_gate_redirects=3,
    )
    result, place = run_graph(tmp_path, whole, {"gate": FAIL})
    assert place.handler.nodes.count("gate") == 4
    assert "max_goal_gate_redirects=3" in result.reason


def test_R4_n_visits_are_exactly_n(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("work", max_visits=3)],
        [*chain("start", "work", "check"), edge("check", "work", "outcome=fail")],
    )
    result, place = run_graph(tmp_path, whole, {"check": FAIL})
    assert place.handler.nodes.count("work") == 3
    assert result.reason == "node work: limit max_visits=3 reached"


LIMITS: list[tuple[dict[str, Plain], dict[str, Plain], int, str]] = [
    ({"shape": "parallelogram"}, {}, 100, "max_node_visits"),
    ({}, {}, 10, "max_visits"),
    ({}, {"max_node_visits": 20}, 20, "max_node_visits"),
    ({"max_visits": 12}, {}, 12, "max_visits"),
]


@table(("own", "whole", "limit", "name"), LIMITS)
def test_R4_default_limits_of_visits(
    tmp_path: Path, own: dict[str, Plain], whole: dict[str, Plain], limit: int, name: str
) -> None:
    nodes = [start(), end(), node("a", **own)]
    looping = graph(nodes, [*chain("start", "a"), edge("a", "a")], **whole)
    result, place = run_graph(tmp_path, looping, {"a": success()})
    assert len(place.handler.calls) == limit
    assert f"{name}={limit}" in result.reason


@pytest.mark.parametrize(("shape", "rounds"), [("box", 10), ("parallelogram", 100)])
def test_R4_rounds_of_branches_have_the_limit_of_their_stages(
    tmp_path: Path, shape: str, rounds: int
) -> None:
    fork, meet = node("fork", "component"), node("meet", "tripleoctagon")
    branches = [node("a", shape), node("b", shape)]
    ways = [*chain("start", "fork", "a", "meet", "fork"), *chain("fork", "b", "meet")]
    whole = graph([start(), end(), fork, meet, *branches], [*ways, edge("meet", "exit", "x=1")])
    result, place = run_graph(tmp_path, whole, {})
    assert place.handler.nodes.count("a") == rounds
    assert "node fork: limit" in result.reason
