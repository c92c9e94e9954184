"""States of a run in a picture."""

import asyncio
from datetime import timedelta

from attractor.language.drawing.draw import draw
from attractor.language.drawing.run_overlay import (
    NodeState,
    RunStates,
    StageState,
    TakenEdge,
    overlay,
    states_record,
)
from attractor.language.reading import parse

GRAPH = parse("""digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan; test [goal_gate=true, retry_target=plan]; other
    start -> plan -> test
    test -> exit [label="Yes"]; test -> exit [label="No"]
    test -> other -> exit
}""")
STATES = RunStates(
    {
        "start": NodeState(StageState.DONE, 1, timedelta(milliseconds=3)),
        "plan": NodeState(StageState.DONE, 3, timedelta(seconds=75)),
        "test": NodeState(StageState.FAILED, 2, timedelta(seconds=1), "exit code 1"),
    },
    {
        TakenEdge("start", "plan"): 1,
        TakenEdge("plan", "test"): 2,
        TakenEdge("test", "exit", "No"): 1,
        TakenEdge("", "plan", is_jump=True): 2,
    },
    current="plan",
    caption="run 1",
)


def test_nodes_and_edges_show_the_states_of_a_run() -> None:
    marks = overlay(GRAPH, STATES).marks
    assert marks["node-start"].note == "done"
    assert marks["node-start"].name == "state-done"
    assert marks["node-plan"].note == "done · next · 3 visits · 1m 15s"
    assert marks["node-plan"].name == "state-done current"
    assert marks["node-test"].tooltip == "failed: exit code 1"
    assert marks["node-exit"].name == "state-unreached"
    assert marks["node-exit"].note == ""
    taken = {id_ for id_, mark in marks.items() if mark.name == "state-taken"}
    assert taken == {"edge-start-plan", "edge-plan-test", "edge-test-exit-2", "retry-test-plan"}
    assert marks["edge-plan-test"].tooltip == "taken 2 times"
    assert marks["edge-plan-test"].style.width > marks["edge-test-exit"].style.width


def test_description_lists_stages_by_state() -> None:
    description = overlay(GRAPH, STATES).description
    assert description.split("\n") == [
        "2 done: start, plan.",
        "1 failed: test (exit code 1).",
        "2 never reached: exit, other.",
        "Current stage: plan.",
    ]
    graph = parse(f"digraph G {{ {'; '.join(f'n{number}' for number in range(100))} }}")
    failed = NodeState(StageState.FAILED, 1, reason="so long\n" * 1000)
    description = overlay(graph, RunStates({"n3": failed})).description
    assert description.split("\n")[0] == f"1 failed: n3 ({'so long ' * 12}so l…)."
    assert description.endswith("n40 and 59 more.")


def test_svg_has_states_and_caption() -> None:
    svg = asyncio.run(draw(overlay(GRAPH, STATES)))
    assert 'class="node type-codergen goal-gate state-failed"' in svg
    assert "failed: exit code 1" in svg
    assert ">run 1</text>" in svg


def test_states_as_json_values() -> None:
    record = states_record(STATES)
    assert record["current"] == "plan"
    assert record["nodes"] == {
        "start": {"state": "done", "visits": 1, "seconds": 0.003, "reason": None},
        "plan": {"state": "done", "visits": 3, "seconds": 75.0, "reason": None},
        "test": {"state": "failed", "visits": 2, "seconds": 1.0, "reason": "exit code 1"},
    }
