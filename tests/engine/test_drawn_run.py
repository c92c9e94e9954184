import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.base.events import Event
from attractor.engine.asking import Question, QuestionKind
from attractor.engine.drawn_run import read_events, states_of
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Parked, Stage
from attractor.language.drawing.run_overlay import RunStates, StageState, Taken, overlay
from attractor.language.graph.graph import Graph
from tests.engine.forked import forked, until_there_is
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, RUN_ID, Script, Workplace, run_graph


def line(*ids: str) -> Graph:
    return graph([start(), end()], chain("start", *ids, "exit"))


def states(place: Workplace) -> RunStates:
    return states_of(read_events(place.root / "events.jsonl"), name=f"run {RUN_ID}")


def run(tmp_path: Path, drawn: Graph, script: Script) -> RunStates:
    return states(run_graph(tmp_path, drawn, script)[1])


def of(told: RunStates) -> dict[str, StageState]:
    return {id_: one.state for id_, one in told.nodes.items()}


def test_a_run_that_reached_its_end_has_done_it_all(tmp_path: Path) -> None:
    told = run(tmp_path, line("work"), {})
    assert of(told) == dict.fromkeys(("start", "work", "exit"), StageState.DONE)
    assert told.taken == {Taken("start", "work"): 1, Taken("work", "exit"): 1}
    assert told.current == ""
    assert told.caption.startswith(f"run {RUN_ID} · evaluating")
    assert told.nodes["work"].duration is not None


def test_a_loop_counts_visits_and_the_ways_it_took(tmp_path: Path) -> None:
    looped = graph(
        [start(), node("make"), node("test"), end()],
        [
            *chain("start", "make", "test"),
            edge("test", "make", "outcome=fail", label="No"),
            edge("test", "exit", "outcome=success", label="Yes"),
        ],
    )
    told = run(tmp_path, looped, {"test": [FAIL, FAIL, success()]})
    assert told.nodes["make"].visits == told.nodes["test"].visits == 3
    assert told.nodes["test"].state is StageState.DONE
    assert told.nodes["test"].reason == ""
    assert told.taken[Taken("test", "make", "No", "outcome=fail")] == 2
    marks = overlay(looped, told).marks
    assert marks["edge-test-make"].name == "state-taken"
    assert marks["edge-test-exit"].name == "state-taken"


def test_a_failure_has_its_reason_and_what_follows_was_never_reached(tmp_path: Path) -> None:
    told = run(tmp_path, line("work", "rest"), {"work": FAIL})
    assert of(told) == {"start": StageState.DONE, "work": StageState.FAILED}
    assert told.nodes["work"].reason == "broken"
    assert overlay(line("work", "rest"), told).marks["node-rest"].name == "state-unreached"


def test_a_jump_to_a_retry_target_is_a_way_too(tmp_path: Path) -> None:
    jumping = graph(
        [start(), node("make"), node("test", retry_target="make"), end()],
        chain("start", "make", "test", "exit"),
    )
    told = run(tmp_path, jumping, {"test": [FAIL, success()]})
    assert told.taken[Taken("test", "make", is_jump=True)] == 1
    assert overlay(jumping, told).marks["retry-test-make"].name == "state-taken"


def test_a_goal_gate_sends_back_from_the_exit(tmp_path: Path) -> None:
    gated = graph(
        [start(), node("gate", goal_gate=True, retry_target="gate"), node("rest"), end()],
        [*chain("start", "gate", "rest", "exit"), edge("gate", "rest", "outcome=fail")],
    )
    told = run(tmp_path, gated, {"gate": [FAIL, success()]})
    assert told.taken[Taken("", "gate", is_jump=True)] == 1
    assert overlay(gated, told).marks["retry-gate-gate"].name == "state-taken"


def test_a_stage_that_was_skipped_says_so(tmp_path: Path) -> None:
    assert of(run(tmp_path, line("work"), {"work": StageStatus.SKIPPED}))["work"] is (
        StageState.SKIPPED
    )


async def park(stage: Stage) -> Outcome:
    raise Parked(Question("ask@1.1", "Go?", QuestionKind.YES_NO, (), stage.node.id))


def test_a_gate_waits_for_a_person(tmp_path: Path) -> None:
    told = run(tmp_path, line("ask"), {"ask": park})
    assert told.nodes["ask"].state is StageState.WAITING
    assert told.current == "ask"
    assert "awaiting human" in told.caption


def test_a_stage_in_flight_and_one_that_was_interrupted(tmp_path: Path) -> None:
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


def test_a_stage_that_is_tried_again_is_in_flight(tmp_path: Path) -> None:
    seen: list[StageState] = []
    place = Workplace(
        tmp_path / "run",
        graph(
            [start(), node("work", max_retries=1, retry_policy="none"), end()],
            chain("start", "work", "exit"),
        ),
    )

    async def work(stage: Stage) -> Outcome:
        seen.append(states(place).nodes["work"].state)
        return RETRY if stage.attempt == 1 else success()

    place.handler.script = {"work": work}
    place.run()
    assert set(seen) == {StageState.RUNNING}
    assert states(place).nodes["work"].state is StageState.DONE


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
    told = states(place)
    # What was given up is neither at work nor waits for anybody.
    assert (of(told)["a2"], of(told)["c"]) == (StageState.INTERRUPTED,) * 2
    assert of(told)["exit"] is StageState.DONE
    assert told.taken[Taken("fan", "a")] == told.taken[Taken("fan", "c")] == 1
    assert Taken("fan", "join") not in told.taken
    assert overlay(drawn, told).marks["edge-fan-a"].name == "state-taken"


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
    told = states_of(events)
    assert told.caption == "6s"
    assert told.nodes["a"].duration == timedelta(seconds=5)
