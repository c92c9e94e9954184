import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.broadcast import Missed
from attractor.base.clock import ManualClock
from attractor.base.errors import ExitCode, FileError
from attractor.base.events import Event
from attractor.engine.errors import GraphChanged, NotRunnable, RunOver
from attractor.engine.journal.events import Action
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage, success
from attractor.engine.questions.answers import is_late
from attractor.engine.questions.question import Question, QuestionKind
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.seams import Parked, Stage
from attractor.engine.state.identifiers import MAIN
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    CANCELED,
    EVALUATING,
    EXECUTING,
    FAILED,
    RunStatus,
)
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, Workplace, run_graph


def test_a_line_is_walked_to_its_end(tmp_path: Path) -> None:
    result, place = run_graph(tmp_path, line("plan", "work"))
    assert result.completed == ("start", "plan", "work")
    assert (result.outcome, result.status) == (StageStatus.SUCCESS, EVALUATING)
    assert result.exit_code is ExitCode.DONE
    assert place.handler.nodes == ["plan", "work"]


def test_the_events_of_a_run_come_in_order(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, line("work"))
    stage = ["StageStarted", "StageCompleted", "EdgeSelected", "CheckpointSaved"]
    before = ["RunStatusChanged", "RunStatusChanged", "PipelineStarted", "CheckpointSaved"]
    after = ["CheckpointSaved", "PipelineCompleted", "RunStatusChanged"]
    assert [one.type for one in place.events()] == [*before, *stage, *stage, *after]
    assert place.json("run.json")["status"] == "evaluating"


def test_final_json_is_there_before_the_terminal_event(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("work"))
    there: list[bool] = []

    def watch(event: Event | Missed) -> None:
        if isinstance(event, Event) and event.type == "PipelineCompleted":
            there.append((place.root / "final.json").exists())

    async def walk() -> None:
        with place.open() as run:
            run.events.subscribe(watch)
            await place.runner(run).run()

    asyncio.run(walk())
    assert there == [True]
    final = place.json("final.json")
    assert (final["outcome"], final["node"], final["stages"]) == ("success", "exit", 2)


def test_a_failure_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    result, place = run_graph(tmp_path, line("work", "rest"), {"work": FAIL})
    assert (result.status, result.reason) == (FAILED, "broken")
    assert result.exit_code is ExitCode.FAILED
    assert place.json("final.json")["why"] == "broken"
    assert place.events("PipelineFailed")[0].data["error"] == "broken"


def test_usage_adds_up(tmp_path: Path) -> None:
    used = Outcome(StageStatus.SUCCESS, usage=Usage(10, 2, 0.5))
    result, _ = run_graph(tmp_path, line("a", "b"), {"a": used, "b": used})
    assert result.usage == Usage(20, 4, 1.0) != NOTHING_USED


def test_a_run_that_waits_for_its_evaluation_is_not_walked_again(tmp_path: Path) -> None:
    first, place = run_graph(tmp_path, line("work"))
    assert place.run() == first
    assert place.handler.nodes == ["work"]


def test_a_failed_run_is_over(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, line("work"), {"work": FAIL})
    with pytest.raises(RunOver, match="failed, which is final"):
        place.run()


def test_a_changed_pipeline_is_refused(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("work"))
    with place.open() as run, pytest.raises(GraphChanged):
        asyncio.run(place.runner(run, content_hash="b" * 64).run())


def test_a_graph_that_cannot_run_touches_nothing(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", graph([end()], [edge("a", "exit")]))
    with pytest.raises(NotRunnable, match="0 start nodes"):
        place.run()
    assert place.events() == []


def test_trouble_of_the_machine_leaves_the_run_resumable(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("work", "rest"))
    in_the_way = tmp_path / "run" / "work"
    in_the_way.write_text("a file where the stage's folder belongs")
    with pytest.raises(FileError):
        place.run()
    in_the_way.unlink()
    assert place.run().completed == ("start", "work", "rest")


def test_cancellation_leaves_the_run_resumable(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def hang(stage: Stage) -> Outcome:
        reached.set()
        await asyncio.Event().wait()
        return success()

    place = Workplace(tmp_path / "run", line("a", "slow", "b"), {"slow": hang})

    async def interrupt() -> None:
        task = asyncio.create_task(place.walk())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert place.events()[-2].type == "RunInterrupted"
    again = Workplace(tmp_path / "run", place.graph)
    with again.open() as run:
        assert run.state.status == EXECUTING
    assert again.run().completed == ("start", "a", "slow", "b")
    assert again.handler.calls == [("slow", 1, 1), ("b", 1, 1)]
    assert again.events("RunResumed")[0].data["interrupted"] is True


async def _park(stage: Stage) -> Outcome:
    id_ = f"{stage.node.id}@{stage.visit}.{stage.attempt}"
    raise Parked(Question(id_, "Go?", QuestionKind.YES_NO, (), stage.node.id))


def test_a_parked_gate_waits_without_a_process(tmp_path: Path) -> None:
    gated = graph([start(), node("gate", timeout="1h"), end()], chain("start", "gate", "exit"))
    result, place = run_graph(tmp_path, gated, {"gate": _park})
    assert (result.status, result.exit_code) == (AWAITING_ANSWER, ExitCode.UNFINISHED)
    assert result.question is not None
    assert result.question.id == "gate@1.1"
    with place.open() as run:
        assert run.state.walks[MAIN].questions == (result.question,)
    run = place.json("run.json")
    assert (run["status"], run["phase"]) == ("awaiting_human", "stage")
    assert place.events("StageParked")[0].node == "gate"


def test_the_deadline_of_a_parked_gate_does_not_move(tmp_path: Path) -> None:
    gated = graph([start(), node("gate", timeout="1h"), end()], chain("start", "gate", "exit"))
    place = Workplace(tmp_path / "run", gated, {"gate": _park})
    clock = ManualClock()
    place.clock = clock
    first = place.run().question
    clock.set_back(timedelta(minutes=-30))
    second = place.run().question
    assert first == second
    assert first is not None
    assert first.deadline
    with place.open() as run:
        assert not is_late(first, clock.now())
        clock.set_back(timedelta(minutes=-31))
        assert is_late(run.state.questions[0], clock.now())


def test_an_answer_in_the_inbox_reaches_the_gate(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, line("gate"), {"gate": _park})
    order = Order(Action.ANSWER, "ann", question="gate@1.1", value="yes")
    leave_order(place.root / "inbox", order, name="A1")

    async def walk() -> str:
        with place.open() as run:
            values: list[str] = []

            async def ask(stage: Stage) -> Outcome:
                question = Question("gate@1.1", "Go?", QuestionKind.YES_NO, (), "gate")
                answer = run.answer_to(question)
                values.append(answer.value if answer else "nothing")
                return success()

            place.handler.script = {"gate": ask}
            await place.runner(run).run()
            return values[0]

    assert asyncio.run(walk()) == "yes"
    [action] = place.events("OperatorAction")
    assert (action.data["by"], action.data["is_accepted"]) == ("ann", True)
    assert [one.name for one in (place.root / "inbox" / "done").iterdir()] == ["A1.json"]


def test_a_run_is_canceled_between_two_stages(tmp_path: Path) -> None:
    async def cancel(stage: Stage) -> Outcome:
        order = Order(Action.CANCEL, "ann", why="wrong branch")
        leave_order(stage.logs_root / "inbox", order, name="A1")
        return success()

    result, place = run_graph(tmp_path, line("a", "b"), {"a": cancel})
    assert (result.status, result.outcome) == (CANCELED, None)
    assert result.reason == "canceled by ann: wrong branch"
    assert place.handler.nodes == ["a"]
    assert place.json("final.json")["why"] == "canceled by ann: wrong branch"


def test_a_run_is_canceled_before_its_start(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    leave_order(place.root / "inbox", Order(Action.CANCEL, "ann"), name="A1")
    assert place.run().status == CANCELED
    assert place.handler.nodes == []


async def pause(stage: Stage) -> Outcome:
    leave_order(stage.logs_root / "inbox", Order(Action.PAUSE, "ann"), name="A1")
    return success()


@pytest.mark.parametrize(
    ("order", "status"), [(Action.RESUME, EVALUATING), (Action.CANCEL, CANCELED)]
)
def test_a_run_that_is_paused_in_its_last_stage_waits_before_its_end(
    tmp_path: Path, order: Action, status: RunStatus
) -> None:
    place, clock = Workplace(tmp_path / "run", line("a"), {"a": pause}), ManualClock()
    place.clock = clock

    async def walk() -> None:
        task = asyncio.create_task(place.walk())
        await clock.until_asleep()
        assert place.json("run.json")["is_paused"] is True
        assert place.events("PipelineCompleted") == []
        leave_order(place.root / "inbox", Order(order, "bob"), name="A2")
        await clock.turn(timedelta(seconds=1))
        assert (await task).status == status

    asyncio.run(walk())


def test_a_paused_run_waits_and_goes_on(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a", "b"), {"a": pause})
    clock = ManualClock()
    place.clock = clock

    async def walk() -> None:
        task = asyncio.create_task(place.walk())
        await clock.until_asleep()
        assert place.handler.nodes == ["a"]
        assert place.json("run.json")["is_paused"] is True
        leave_order(place.root / "inbox", Order(Action.RESUME, "bob"), name="A2")
        await clock.turn(timedelta(seconds=1))
        assert (await task).completed == ("start", "a", "b")

    asyncio.run(walk())
    assert [one.data["by"] for one in place.events("OperatorAction")] == ["ann", "bob"]


def test_who_takes_a_paused_run_over_lets_it_go_on(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a", "b"))
    leave_order(place.root / "inbox", Order(Action.PAUSE, "ann"), name="A1")
    clock = ManualClock()
    place.clock = clock

    async def interrupt() -> None:
        task = asyncio.create_task(place.walk())
        await clock.until_asleep()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert place.run().completed == ("start", "a", "b")


def test_inputs_are_in_the_context_from_the_start(tmp_path: Path) -> None:
    seen: list[object] = []

    async def look(stage: Stage) -> Outcome:
        seen.append(stage.context.get("ticket"))
        return success()

    place = Workplace(tmp_path / "run", line("a"), {"a": look})
    place.inputs = {"ticket": {"id": 7}}
    place.run()
    assert seen == [{"id": 7}]


def test_each_edge_is_told_with_every_candidate(tmp_path: Path) -> None:
    forked = graph(
        [start(), end()],
        [
            *chain("start", "a"),
            edge("a", "exit", "outcome=success"),
            edge("a", "b", "outcome=fail"),
            edge("a", "c", label="Else"),
            *chain("b", "exit"),
            *chain("c", "exit"),
        ],
    )
    _, place = run_graph(tmp_path, forked)
    selected = place.events("EdgeSelected")[1]
    assert (selected.node, selected.data["target"]) == ("a", "exit")
    assert selected.data["reason"] == "condition"
    candidates = selected.data["candidates"]
    assert isinstance(candidates, list)
    fates = [one["fate"] for one in candidates if isinstance(one, dict)]
    assert fates[0] == "taken"
    assert fates[1] == "its condition does not hold"
    assert fates[2] == "another way was decided before it"
