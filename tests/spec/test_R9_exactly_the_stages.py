"""Ruling R9: the stages are those of the walk, and success means an exit reached in good order."""

from pathlib import Path

from attractor.base.events import Event
from attractor.engine.outcome import StageStatus
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, run_graph
from tests.spec.runs import between, project_in, run


def test_R9_the_exit_is_no_stage(tmp_path: Path) -> None:
    result, place = run_graph(tmp_path, line("work"))
    assert result.completed == ("start", "work")
    assert not (place.root / "exit").exists()
    assert [one.node for one in place.events("StageStarted")] == ["start", "work"]


def test_R9_unvisited_nodes_leave_no_files(tmp_path: Path) -> None:
    whole = graph(
        [start(), end()],
        [*chain("start", "work", "exit"), edge("work", "other", weight=-1)],
    )
    _, place = run_graph(tmp_path, whole)
    assert not (place.root / "other").exists()


def test_R9_a_visited_gate_that_does_not_hold_is_no_success(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("gate", goal_gate=True)],
        [*chain("start", "gate"), edge("gate", "exit", "outcome=fail")],
    )
    result, _ = run_graph(tmp_path, whole, {"gate": FAIL})
    assert result.outcome is StageStatus.FAIL


def test_R9_final_json_has_outcome_and_next_command(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, line("work", goal="win"), {"work": FAIL})
    final = place.json("final.json")
    assert (final["outcome"], final["why"], final["goal"]) == ("fail", "broken", "win")
    assert str(final["next"]).startswith("attractor logs ")
    assert {"usage", "seconds", "started", "ended", "tree"} <= set(final)


def test_R9_final_json_is_written_before_the_terminal_event(tmp_path: Path) -> None:
    found: list[bool] = []

    def look(event: Event) -> None:
        if event.type == "PipelineCompleted":
            found.append((project_in(tmp_path) / "runs" / event.run_id / "final.json").exists())

    run(tmp_path, between("start -> exit"), observer=look)
    assert found == [True]


def test_R9_a_failure_that_was_stepped_over_is_no_success(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("lint", on_failure="continue")], chain("start", "lint", "exit")
    )
    result, place = run_graph(tmp_path, whole, {"lint": FAIL})
    assert result.outcome is StageStatus.PARTIAL_SUCCESS
    assert place.json("final.json")["stepped_over"] == ["lint"]
