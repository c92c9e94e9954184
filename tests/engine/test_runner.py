import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import FileError
from attractor.engine.errors import GraphChanged, RunOver
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, success
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.seams import Stage
from attractor.engine.state.run_state import CANCELED, EVALUATING, RunStatus
from attractor.language.diagnostics import NotRunnable
from tests.engine.graphs import edge, end, graph, line
from tests.engine.runs import FAIL, Workplace, run_graph


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


def test_machine_error_leaves_the_run_resumable(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("work", "rest"))
    in_the_way = tmp_path / "run" / "work"
    in_the_way.write_text("a file where the stage's folder belongs")
    with pytest.raises(FileError):
        place.run()
    in_the_way.unlink()
    assert place.run().completed == ("start", "work", "rest")


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
def test_run_paused_in_last_stage_waits(tmp_path: Path, order: Action, status: RunStatus) -> None:
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


def test_resume_continues_paused_run(tmp_path: Path) -> None:
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
