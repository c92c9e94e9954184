"""Definition of Done 11.4: goal gate enforcement."""

from pathlib import Path

from attractor.engine.outcome import StageStatus, success
from attractor.engine.state.run_state import FAILED
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, run_graph
from tests.tables import table


def gated(of_graph: dict[str, Plain], **of_gate: Plain) -> Graph:
    """Return a graph whose gate may fail and be passed, so that only the exit judges it."""
    return graph(
        [start(), end(), node("gate", goal_gate=True, **of_gate)],
        [
            *chain("start", "work", "gate"),
            edge("gate", "after", "outcome=fail"),
            edge("gate", "exit", "outcome!=fail"),
            *chain("after", "exit"),
        ],
        **of_graph,
    )


def test_11_4_a_gate_is_tracked_until_the_exit(tmp_path: Path) -> None:
    result, _ = run_graph(tmp_path, gated({}), {"gate": FAIL})
    assert result.completed == ("start", "work", "gate", "after")
    assert "goal gate gate unsatisfied" in result.reason


@table("status", [StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS])
def test_11_4_successes_open_the_exit(tmp_path: Path, status: StageStatus) -> None:
    assert run_graph(tmp_path, gated({}), {"gate": status})[0].outcome is StageStatus.SUCCESS


@table(
    ("of_gate", "of_graph"),
    [
        ({"retry_target": "work", "fallback_retry_target": "after"}, {"retry_target": "after"}),
        ({"fallback_retry_target": "work"}, {"retry_target": "after"}),
        ({}, {"retry_target": "work", "fallback_retry_target": "after"}),
        ({"retry_target": "missing"}, {"fallback_retry_target": "work"}),
    ],
)
def test_11_4_an_unsatisfied_gate_routes_to_a_retry_target(
    tmp_path: Path, of_gate: dict[str, Plain], of_graph: dict[str, Plain]
) -> None:
    result, place = run_graph(tmp_path, gated(of_graph, **of_gate), {"gate": [FAIL, success()]})
    assert result.completed == ("start", "work", "gate", "after", "work", "gate")
    assert result.outcome is StageStatus.SUCCESS
    assert ("after", "work", "goal_gate") in place.edges()


def test_11_4_without_a_retry_target_the_pipeline_fails(tmp_path: Path) -> None:
    result, _ = run_graph(tmp_path, gated({}), {"gate": FAIL})
    assert (result.status, result.outcome) == (FAILED, StageStatus.FAIL)
