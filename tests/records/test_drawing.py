"""The drawing of a run in its directory; a failed drawing does not fail the run."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.base.events import Event
from attractor.engine.outcome import Outcome, success
from attractor.engine.questions.question import Question, QuestionKind
from attractor.engine.seams import Parked, Stage
from attractor.language.drawing.run_overlay import RunStates, StageState, TakenEdge, overlay
from attractor.language.graph.graph import Graph
from attractor.records.drawing import read_events, states_of
from tests.engine.forked import forked, until_there_is
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, RUN_ID, Script, Workplace, run_graph


def line(*ids: str) -> Graph:
    return graph([start(), end()], chain("start", *ids, "exit"))


def states(place: Workplace) -> RunStates:
    return states_of(read_events(place.root / "events.jsonl"), name=f"run {RUN_ID}")


def run(tmp_path: Path, drawn: Graph, script: Script) -> RunStates:
    return states(run_graph(tmp_path, drawn, script)[1])


def of(expected: RunStates) -> dict[str, StageState]:
    return {id_: one.state for id_, one in expected.nodes.items()}


def test_run_at_its_end_has_all_stages_done(tmp_path: Path) -> None:
    found = run(tmp_path, line("work"), {})
    assert of(found) == dict.fromkeys(("start", "work", "exit"), StageState.DONE)
    assert found.taken == {TakenEdge("start", "work"): 1, TakenEdge("work", "exit"): 1}
    assert found.current == ""
    assert found.caption.startswith(f"run {RUN_ID} · evaluating")
    assert found.nodes["work"].duration is not None


def test_loop_counts_visits_and_taken_edges(tmp_path: Path) -> None:
    looped = graph(
        [start(), node("make"), node("test"), end()],
        [
            *chain("start", "make", "test"),
            edge("test", "make", "outcome=fail", label="No"),
            edge("test", "exit", "outcome=success", label="Yes"),
        ],
    )
    found = run(tmp_path, looped, {"test": [FAIL, FAIL, success()]})
    assert found.nodes["make"].visits == found.nodes["test"].visits == 3
    assert found.nodes["test"].state is StageState.DONE
    assert found.nodes["test"].reason == ""
    assert found.taken[TakenEdge("test", "make", "No", "outcome=fail")] == 2
    marks = overlay(looped, found).marks
    assert marks["edge-test-make"].name == "state-taken"
    assert marks["edge-test-exit"].name == "state-taken"


def test_failure_has_reason_and_later_nodes_are_not_visited(tmp_path: Path) -> None:
    found = run(tmp_path, line("work", "rest"), {"work": FAIL})
    assert of(found) == {"start": StageState.DONE, "work": StageState.FAILED}
    assert found.nodes["work"].reason == "broken"
    assert overlay(line("work", "rest"), found).marks["node-rest"].name == "state-unreached"


def test_jump_to_a_retry_target_is_drawn_as_taken(tmp_path: Path) -> None:
    jumping = graph(
        [start(), node("make"), node("test", retry_target="make"), end()],
        chain("start", "make", "test", "exit"),
    )
    found = run(tmp_path, jumping, {"test": [FAIL, success()]})
    assert found.taken[TakenEdge("test", "make", is_jump=True)] == 1
    assert overlay(jumping, found).marks["retry-test-make"].name == "state-taken"


def test_a_goal_gate_sends_back_from_the_exit(tmp_path: Path) -> None:
    gated = graph(
        [start(), node("gate", goal_gate=True, retry_target="gate"), node("rest"), end()],
        [*chain("start", "gate", "rest", "exit"), edge("gate", "rest", "outcome=fail")],
    )
    found = run(tmp_path, gated, {"gate": [FAIL, success()]})
    assert found.taken[TakenEdge("", "gate", is_jump=True)] == 1
    assert overlay(gated, found).marks["retry-gate-gate"].name == "state-taken"


async def park(stage: Stage) -> Outcome:
    raise Parked(Question("ask@1.1", "Go?", QuestionKind.YES_NO, (), stage.node.id))


def test_a_gate_waits_for_a_person(tmp_path: Path) -> None:
    found = run(tmp_path, line("ask"), {"ask": park})
    assert found.nodes["ask"].state is StageState.WAITING
    assert found.current == "ask"
    assert "awaiting human" in found.caption


def test_running_and_interrupted_stages_are_drawn(tmp_path: Path) -> None:
    seen: list[RunStates] = []
    place = Workplace(tmp_path / "run", line("slow"))

    async def cancelled(stage: Stage) -> Outcome:
        seen.append(states(place))
        task = asyncio.current_task()
        assert task
        task.cancel()
        raise asyncio.CancelledError

    place.handler.script = {"slow": cancelled}
    with pytest.raises(asyncio.CancelledError):
        place.run()
    assert seen[0].nodes["slow"].state is StageState.RUNNING
    assert seen[0].current == "slow"
    assert states(place).nodes["slow"].state is StageState.INTERRUPTED


def test_a_run_that_did_not_begin_has_no_states(tmp_path: Path) -> None:
    assert states_of(read_events(tmp_path / "events.jsonl")) == RunStates()


def test_branches_are_drawn_as_far_as_they_came(tmp_path: Path) -> None:
    seen: list[RunStates] = []
    drawn = forked("a a2", "b", "c", fan={"join_policy": "first_success"})
    place = Workplace(tmp_path / "run", drawn)

    async def look(stage: Stage) -> Outcome:
        await until_there_is(stage, "a2")
        seen.append(states(place))
        return success()

    async def hang(stage: Stage) -> Outcome:
        await asyncio.Event().wait()
        return success()

    place.handler.script = {"a2": hang, "b": look, "c": park}
    place.run()
    at_work = of(seen[0])
    assert seen[0].current == "fan"
    assert (at_work["fan"], at_work["a"], at_work["a2"], at_work["c"]) == (
        StageState.RUNNING,
        StageState.DONE,
        StageState.RUNNING,
        StageState.WAITING,
    )
    found = states(place)
    # Stages of canceled branches are neither running nor waiting.
    assert (of(found)["a2"], of(found)["c"]) == (StageState.INTERRUPTED,) * 2
    assert of(found)["exit"] is StageState.DONE
    assert found.taken[TakenEdge("fan", "a")] == found.taken[TakenEdge("fan", "c")] == 1
    assert TakenEdge("fan", "join") not in found.taken
    assert overlay(drawn, found).marks["edge-fan-a"].name == "state-taken"


def test_a_fork_that_failed_by_its_policy_is_drawn_with_the_reason(tmp_path: Path) -> None:
    found = run(tmp_path, forked("a", "b", fan={"join_policy": "all"}), {"b": FAIL})
    fork = found.nodes["fan"]
    assert (fork.state, of(found)["a"]) == (StageState.FAILED, StageState.DONE)
    assert fork.reason.startswith("all: 1 of 2 branches failed (b: ")
    assert fork.reason in found.caption


def test_the_time_of_a_fork_is_that_of_its_branches() -> None:
    done = [("a", "fan@1.1/a", 5.0), ("b", "fan@1.1/b", 4.0), ("fan", None, 6.0)]
    events = [
        Event(
            time=datetime(2026, 5, 4, tzinfo=UTC),
            run_id=RUN_ID,
            type="StageCompleted",
            node=id_,
            visit=1,
            branch=branch,
            data={"outcome": "success", "duration": seconds},
        )
        for id_, branch, seconds in done
    ]
    found = states_of(events)
    assert found.caption == "6s"
    assert found.nodes["a"].duration == timedelta(seconds=5)
